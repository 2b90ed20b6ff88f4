"""Demo: restore a simulated movie with a known reference, or the user's movie, and report the improvement."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.counting import counted
from decrappify._common.plotting import new_figure
from decrappify.errors import InputError, OutputError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.scorecard import Scorecard, score_movie
from decrappify.movie import Array, ArraySource, Movie

_MOVIE_MODEL, _STILL_MODEL = "fluorescence-movie", "fluorescence-still"
_RESULTS = ("restored.ome.zarr", "restored.ome.tif", "restored.mp4", "restored.png")


def run_demo(
    path: Path | None, output: Path, *, model: str | None = None, device: str = "auto", progress: Any = None
) -> Iterator[str]:
    """Restore a movie into `output` as OME-Zarr, OME-TIFF, mp4 and one PNG, and yield lines to print.

    Parameters
    ----------
    path : Path or None
        The user's movie; None simulates one (moving filaments, vesicles and nuclei) with a known reference.
    output : Path
        Folder for ``restored.ome.zarr``, ``restored.ome.tif``, ``restored.mp4`` and ``restored.png``; results of an
        earlier demo in it are replaced.
    model : str, optional
        Shipped model by name, or model file; by default the movie model for 3 frames or more, else the still model.
    device : str
        "auto", "cpu", "cuda" or "mps".
    progress : callable, optional
        Such as ``tqdm``.

    Raises
    ------
    InputError
        If the movie is itself a result in `output`, or the model upsamples, so that no comparison is possible.
    OutputExistsError
        If `output` contains files with these names but no ``restored.png``: they are not from a finished demo.
    """
    from decrappify.io import open_movie, save_movie
    from decrappify.model import load_model
    from decrappify.restoration import restore

    given = None if path is None else open_movie(path)
    model = model or (_MOVIE_MODEL if given is None or given.shape[0] >= 3 else _STILL_MODEL)
    loaded = load_model(model)
    if loaded.scale != 1:
        raise InputError(f"model {model!r} has scale {loaded.scale}, the demo needs scale 1; use decrappify restore")
    store, tiff, film, png = _results(output, path)
    source, reference = (given, None) if given is not None else _simulated()
    known = "reference unknown" if reference is None else "reference known"
    yield f"{source.name}: {counted(source.shape[0], 'frame')} of {source.shape[3]} x {source.shape[4]} pixels, {known}"
    started = time.perf_counter()
    restored = restore(
        source, loaded, store, inference=InferenceOptions(device=device), overwrite=True, progress=progress
    )
    seconds = time.perf_counter() - started
    megapixels = np.prod(restored.shape, dtype=float) / 1e6
    yield f"restored with {model} in {seconds:.1f} s ({megapixels / seconds:.2f} megapixels per second)"
    save_movie(restored, tiff, overwrite=True)
    source, restored = _middle_slice(source), _middle_slice(restored)
    save_movie(restored, film, overwrite=True)
    yield ""
    yield from _table(source, restored, reference)
    yield ""
    _plot(source, restored, reference, png)
    yield from (f"wrote {written}" for written in (store, tiff, film, png))


def _simulated() -> tuple[Movie, Movie]:
    from decrappify.samples import simulate

    sample = simulate("cell", seed=0)
    return sample.noisy, sample.truth


def _results(folder: Path, source: Path | None) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot use {folder} as folder for the results: {error.strerror}") from error
    results = [folder / name for name in _RESULTS]
    if source is not None and source.resolve() in [result.resolve() for result in results]:
        raise InputError(f"{source} is the result of an earlier demo and would be replaced; choose another --output")
    found = [result for result in results if os.path.lexists(result)]
    if found and results[-1] not in found:  # the PNG, which only a demo writes, and as its last file
        raise OutputExistsError(
            f"{found[0]} is not from a finished demo and would be replaced; choose another --output"
        )
    return results


def _middle_slice(movie: Movie) -> Movie:
    """Return the middle slice of a stack: videos, PNG and scores are two-dimensional."""
    return movie if movie.shape[2] == 1 else movie.select(slices=movie.shape[2] // 2)


def _table(source: Movie, restored: Movie, reference: Movie | None) -> Iterator[str]:
    """Yield metrics of source, best Gaussian filter and restored movie; without a reference, of the latter only."""
    if reference is None:
        card = score_movie(restored, source=source)
        yield from _aligned([("no reference: only metrics that need none", "restored", ""), *card.rows()])
        return
    movies = {"input": source, "best Gaussian": _filtered(source, reference), "restored": restored}
    cards = {name: _metric_texts(score_movie(movie, reference, source)) for name, movie in movies.items()}
    rows = [("", *movies)]
    rows += [(row, *(cards[name].get(row, "") for name in movies)) for row in ("PSNR", "SSIM", "flicker floor")]
    yield from _aligned(rows)
    yield "the widths of the Gaussian filter were chosen with the reference"


def _metric_texts(card: Scorecard) -> dict[str, str]:
    return {label: value for label, value, _ in card.rows()}


def _filtered(source: Movie, reference: Movie) -> Movie:
    noisy, target = (np.asarray(movie)[:, 0, 0] for movie in (source, reference))
    return source.derived(ArraySource(best_gaussian(noisy, target).restored, "TYX"))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _plot(source: Movie, restored: Movie, reference: Movie | None, path: Path) -> None:
    """Plot the middle frame of input, restored movie and reference, and the detail with the highest contrast below."""
    middle = source.shape[0] // 2
    images = {"input": source.frame(middle), "restored": restored.frame(middle)}
    if reference is not None:
        images["reference"] = reference.frame(middle)
    low, high = np.percentile(images["restored"], [0.5, 99.8])
    figure = new_figure(3.6 * len(images), 7.4, layout="constrained", facecolor="black")
    for row, zoomed in enumerate((False, True)):
        window = _detail(images["restored"]) if zoomed else (0.0, 1.0, 0.0, 1.0)
        for column, (title, image) in enumerate(images.items()):
            axes = figure.add_subplot(2, len(images), row * len(images) + column + 1)
            axes.imshow(_crop(image, window), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set_axis_off()
            if not zoomed:
                axes.set_title(title, color="white", fontsize=14)
    figure.savefig(path, dpi=110, facecolor="black")


def _detail(image: Array, share: float = 0.3) -> tuple[float, float, float, float]:
    """Return the window (fractions y0, y1, x0, x1) with the most contrast; its side is `share` of the frame."""
    from scipy.ndimage import uniform_filter

    side = min(max(8, int(min(image.shape) * share)), *image.shape)
    wide = image.astype(np.float64)
    variance = uniform_filter(wide**2, side) - uniform_filter(wide, side) ** 2
    half = side // 2
    height, width = image.shape
    inner = variance[half : height - side + half + 1, half : width - side + half + 1]
    y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return y / height, (y + side) / height, x / width, (x + side) / width


def _crop(image: Array, window: tuple[float, float, float, float]) -> Array:
    y0, y1, x0, x1 = window
    height, width = image.shape
    return image[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]
