"""The demo: restore a simulated movie with known truth, or the user's own, and show what was gained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.scorecard import Scorecard, score_movie
from decrappify.movie import Array, ArraySource, Movie

_MOVIE_MODEL, _STILL_MODEL = "fluorescence-movie", "fluorescence-still"


def run_demo(
    path: Path | None, output: Path, *, model: str | None = None, device: str = "auto", progress: Any = None
) -> Iterator[str]:
    """Restore a movie into `output` as OME-Zarr, OME-TIFF, mp4 and one picture, and yield lines to print.

    Parameters
    ----------
    path : Path or None
        The user's movie; None simulates one (moving filaments, vesicles and nuclei) with known truth.
    output : Path
        Folder for ``restored.ome.zarr``, ``restored.ome.tif``, ``restored.mp4`` and ``restored.png``; results of an
        earlier demo in it are replaced.
    model : str, optional
        Shipped name or model file; by default the movie or the still model, as the movie has frames.
    device : str
        "auto", "cpu", "cuda" or "mps".
    progress : callable, optional
        Such as ``tqdm``.
    """
    from decrappify.io import open_movie, save_movie
    from decrappify.restoration import restore

    truth: Movie | None = None
    if path is None:
        from decrappify.samples import simulate

        sample = simulate("cell", seed=0)
        source, truth = sample.noisy, sample.truth
        yield f"simulated movie: {source.shape[0]} frames of {source.shape[3]} x {source.shape[4]} pixels, truth known"
    else:
        source = open_movie(path)
        yield f"{path}: {source.shape[0]} frames of {source.shape[3]} x {source.shape[4]} pixels"
    model = model or (_MOVIE_MODEL if source.shape[0] >= 3 else _STILL_MODEL)
    output.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    restored = restore(
        source, model, output / "restored.ome.zarr", device=device, overwrite=True, progress=progress
    )
    seconds = time.perf_counter() - started
    megapixels = np.prod(restored.shape, dtype=float) / 1e6
    yield f"restored with {model} in {seconds:.1f} s ({megapixels / seconds:.2f} megapixels per second)"
    save_movie(restored, output / "restored.ome.tif", overwrite=True)
    save_movie(restored, output / "restored.mp4", overwrite=True)
    yield ""
    yield from _table(source, restored, truth)
    yield ""
    picture = _picture(source, restored, truth, output / "restored.png")
    for written in (output / "restored.ome.zarr", output / "restored.ome.tif", output / "restored.mp4", picture):
        yield f"wrote {written}"


def _table(source: Movie, restored: Movie, truth: Movie | None) -> Iterator[str]:
    """Figures of source, best Gaussian filter and restored movie; without truth only what needs none."""
    if truth is None:
        card = score_movie(restored, source=source)
        yield from _aligned([("no truth: only what can be said without", "restored", ""), *card.rows()])
        return
    movies = {"input": source, "best Gaussian": _filtered(source, truth), "restored": restored}
    cards = {name: _figures(score_movie(movie, truth, source)) for name, movie in movies.items()}
    rows: list[Sequence[str]] = [("", *movies)]
    rows += [(figure, *(cards[name].get(figure, "") for name in movies)) for figure in ("PSNR", "SSIM", "flicker floor")]
    yield from _aligned(rows)
    yield f"data range {float(np.ptp(np.asarray(truth))):.0f} grey levels; the Gaussian's sigmas were chosen by looking at the truth"


def _figures(card: Scorecard) -> dict[str, str]:
    return {label: value for label, value, _ in card.rows()}


def _filtered(source: Movie, truth: Movie) -> Movie:
    noisy, good = (np.asarray(movie)[:, 0, 0] for movie in (source, truth))
    return source.derived(ArraySource(best_gaussian(noisy, good).restored))


def _aligned(rows: list[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *others = (str(cell) for cell in row)
        yield "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))])


def _picture(source: Movie, restored: Movie, truth: Movie | None, path: Path) -> Path:
    """Input | restored | truth of the middle frame at one contrast, and the same zoomed on its brightest detail."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    middle = source.shape[0] // 2
    images = {"input": source.frame(middle), "restored": restored.frame(middle)}
    if truth is not None:
        images["truth"] = truth.frame(middle)
    low, high = np.percentile(images["restored"], [0.5, 99.8])
    figure = Figure(figsize=(3.6 * len(images), 7.4), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    for row, zoomed in enumerate((False, True)):
        window = _detail(images["restored"]) if zoomed else (0.0, 1.0, 0.0, 1.0)
        for column, (title, image) in enumerate(images.items()):
            axes = figure.add_subplot(2, len(images), row * len(images) + column + 1)
            axes.imshow(_crop(image, window), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set_axis_off()
            if not zoomed:
                axes.set_title(title, color="white", fontsize=14)
    figure.savefig(path, dpi=110, facecolor="black")
    return path


def _detail(image: Array, share: float = 0.3) -> tuple[float, float, float, float]:
    """The window (fractions y0, y1, x0, x1) of the given share with the most contrast."""
    from scipy.ndimage import uniform_filter

    side = max(8, int(min(image.shape) * share))
    wide = image.astype(np.float64)
    variance = uniform_filter(wide**2, side) - uniform_filter(wide, side) ** 2
    half = side // 2
    inner = variance[half : image.shape[0] - half, half : image.shape[1] - half]
    y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
    height, width = image.shape
    return y / height, (y + side) / height, x / width, (x + side) / width


def _crop(image: Array, window: tuple[float, float, float, float]) -> Array:
    y0, y1, x0, x1 = window
    height, width = image.shape
    return image[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]
