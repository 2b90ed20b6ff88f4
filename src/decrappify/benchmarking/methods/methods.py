"""Methods to compare: models, callables from movie to movie, and baselines."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from decrappify._common.argument_names import argument
from decrappify._common.planes.sampling import evenly_spaced
from decrappify._common.progress import Cancel
from decrappify.benchmarking.camera import Camera
from decrappify.benchmarking.inputs.movies import gaussian_filtered, mapped, memory_budget, upsampled
from decrappify.benchmarking.inputs.pairs import Pair
from decrappify.benchmarking.methods.block_matching import Noise, best_bm3d_movie
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.io import open_movie
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.block_matching import check_bm3d
from decrappify.metrics.no_reference.blind import noise_sigma
from decrappify.metrics.resolution import block_mean
from decrappify.movie import Array, ArraySource, Movie

if TYPE_CHECKING:
    from decrappify.model import Model

INPUT, GAUSSIAN = "input", "best Gaussian"
_LABELS = {
    "input": INPUT,
    "gaussian": GAUSSIAN,
    "nlm": "non-local means",
    "tv": "total variation",
    "bm3d": "best BM3D",
}
_ORACLES = ("gaussian", "bm3d")
_LUCY = "Richardson-Lucy"
_ITERATIONS = 20
_NOISE_FRAMES = 16


@dataclass(frozen=True)
class Method:
    """A named restoration of the source of a pair.

    Attributes
    ----------
    run : callable
        Returns, for a Pair, a Movie on the grid of the reference, and notes on the settings.
    needs_reference : bool
        Whether the method uses the reference, as an oracle does.
    about : dict
        Of a model: name and summary on its card, SHA-256 of the weights, path and SHA-256 of the file.
    """

    name: str
    run: Callable[[Pair], tuple[Movie, list[str]]]
    needs_reference: bool = False
    kind: str = "baseline"
    about: dict[str, Any] = field(default_factory=dict)


def baseline_methods(
    names: Sequence[str], *, psf: ArrayLike | float | None = None, camera: Camera | None = None
) -> list[Method]:
    """Return the baselines "input", "gaussian", "nlm", "tv" and "bm3d", and Richardson-Lucy if a PSF is given.

    With a known gain, "nlm", "tv" and "bm3d" filter stabilized values, with known noise, instead of estimating one
    sigma.
    """
    camera = camera or Camera()
    unknown = [name for name in names if name not in _LABELS]
    if unknown:
        raise InputError(f"baseline {unknown[0]!r} is not known; choose from {', '.join(_LABELS)}")
    runs: dict[str, Callable[[Pair], tuple[Movie, list[str]]]] = {
        "input": _input,
        "gaussian": _best_gaussian,
        "nlm": lambda pair: _per_channel(pair, _non_local_means, camera),
        "tv": lambda pair: _per_channel(pair, _total_variation, camera),
        "bm3d": lambda pair: _best_bm3d(pair, camera),
    }
    if "bm3d" in names:
        check_bm3d()
    methods = [Method(_LABELS[name], runs[name], needs_reference=name in _ORACLES) for name in names]
    if psf is not None:
        kernel = checked_psf(psf)
        methods.append(Method(_LUCY, lambda pair: _richardson_lucy(pair, kernel, camera.offset)))
    return methods


def user_methods(given: Any, folder: Path, inference: InferenceOptions, cancel: Cancel | None = None) -> list[Method]:
    """Return the methods of one model, or of a mapping from names to models and callables."""
    from decrappify.model import Model, load_model

    if not isinstance(given, Mapping):
        model = load_model(given)
        given = {given if isinstance(given, str) and not Path(given).suffix else model.name: given}
    methods = []
    for name, entry in given.items():
        if isinstance(entry, str | Path | Model):
            model = load_model(entry)
            run = _model_run(model, folder, inference, cancel)
            methods.append(Method(str(name), run, kind="model", about=_about(model, entry)))
        elif callable(entry):
            methods.append(Method(str(name), _callable_run(str(name), entry), kind="callable"))
        else:
            raise InputError(
                f"method {name!r} has type {type(entry).__name__}, expected a model, or a callable movie -> movie"
            )
    return methods


def _about(model: Model, given: Model | str | Path) -> dict[str, Any]:
    """Return what identifies a model: name and summary of its card, and the checksums of weights and file."""
    from decrappify.model import find_model

    path = Path(find_model(given)) if isinstance(given, str | Path) else None
    return {
        "card_name": model.name,
        "summary": str(model.card.get("summary", "")),
        "weights_sha256": model.sha256,
        "file": None if path is None else str(path),
        "file_sha256": None if path is None or path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def checked_psf(psf: ArrayLike | float) -> Array:
    """Return a point spread function of sum 1: a (Y, X) array, or a Gaussian of that sigma in source pixels.

    >>> checked_psf(1.0).shape, round(float(checked_psf(1.0).sum()), 12)
    ((9, 9), 1.0)
    """
    kernel = np.asarray(psf, dtype=np.float64)
    if kernel.ndim == 0:
        sigma = float(kernel)
        if not 0 < sigma < 100:
            raise InputError(f"{argument('psf')} is {psf!r}, expected a sigma in pixels above 0, or a (Y, X) array")
        along = np.exp(-(np.arange(-np.ceil(4 * sigma), np.ceil(4 * sigma) + 1) ** 2) / (2 * sigma**2))
        kernel = np.outer(along, along)
    if kernel.ndim != 2 or not np.isfinite(kernel).all() or kernel.min() < 0 or kernel.sum() == 0:
        raise InputError(
            f"psf of shape {kernel.shape} is not a point spread function, expected (Y, X) and values of at least 0"
        )
    return np.asarray(kernel / kernel.sum())


def _input(pair: Pair) -> tuple[Movie, list[str]]:
    return upsampled(pair.source, pair.scale), ["bicubic"] if pair.scale > 1 else []


def _best_gaussian(pair: Pair) -> tuple[Movie, list[str]]:
    if pair.reference is None:
        raise InputError(
            f"{pair.name} has no reference, which the best Gaussian filter needs; omit baseline 'gaussian'"
        )
    movie, notes, channels = upsampled(pair.source, pair.scale), [], []
    for view in pair.views:
        source, reference = view.of(movie), view.of(pair.reference)
        frame_bytes = 8 * 6 * source.shape[3] * source.shape[4]
        n_used = max(1, min(source.shape[0], memory_budget() // frame_bytes))
        first = (source.shape[0] - n_used) // 2
        part = slice(first, first + n_used)
        noisy, target = (np.asarray(each[part])[:, 0, 0] for each in (source, reference))
        best = best_gaussian(noisy, target, fit_levels=pair.fit_levels, in_time=view.kind == "movie")
        channels.append(gaussian_filtered(source, best.sigma_space, best.sigma_time))
        unit = "slices" if view.kind == "stack" else "frames"
        chosen = f" chosen on {unit} {first}:{first + n_used} of {source.shape[0]}" if n_used < source.shape[0] else ""
        in_time = f", {best.sigma_time:.2g} frames" if view.kind == "movie" else ""
        notes.append(f"sigma {best.sigma_space:.2g} px{in_time}{chosen}")
    stacked = [channel.z_as_time() if pair.views[0].kind == "stack" else channel for channel in channels]
    return _side_by_side(movie, stacked), notes


def _best_bm3d(pair: Pair, camera: Camera) -> tuple[Movie, list[str]]:
    if pair.reference is None:
        raise InputError(f"{pair.name} has no reference, which the best BM3D filter needs; omit baseline 'bm3d'")
    channels, notes = [], []
    for view in pair.views:
        noise = Noise(view.source, camera, _noise(view.source) if camera.gain is None else 1.0)
        movie, note = best_bm3d_movie(view, noise)
        channels.append(movie.z_as_time() if view.kind == "stack" else movie)
        notes.append(note)
    return _side_by_side(upsampled(pair.source, pair.scale), channels), notes


def _side_by_side(like: Movie, channels: Sequence[Movie]) -> Movie:
    shape = (like.shape[0], len(channels), *like.shape[2:])
    return like.map_planes(lambda t, c, z: channels[c].frame(t, 0, z), shape=shape, dtype=np.float64)


def _per_channel(
    pair: Pair, make: Callable[[float], Callable[[Array], Array]], camera: Camera
) -> tuple[Movie, list[str]]:
    """Filter the planes of each channel with ``make(noise sigma)``, then upsample."""
    movies, notes = [], []
    for channel in range(pair.source.shape[1]):
        movie = pair.source.select(channels=channel)
        if camera.gain is None:
            sigma = _noise(movie)
            notes.append(f"noise sigma {sigma:.3g} gray levels, estimated")
            movies.append(mapped(movie, make(sigma)))
        else:
            notes.append("noise stabilized by gain and offset")
            movies.append(mapped(movie, _stabilized(make(1.0), camera)))
    whole = _side_by_side(pair.source, movies)
    return upsampled(whole, pair.scale), notes


def _stabilized(denoise: Callable[[Array], Array], camera: Camera) -> Callable[[Array], Array]:
    return lambda frame: camera.restored(denoise(camera.stabilized(frame)))


def _noise(movie: Movie) -> float:
    planes = list(movie.planes())
    picks = evenly_spaced(len(planes), _NOISE_FRAMES)
    return noise_sigma(np.stack([movie.frame(*planes[i]) for i in picks]))


def _non_local_means(sigma: float) -> Callable[[Array], Array]:
    """Return a non-local means filter (Buades et al. 2005), set as in scikit-image's example for a known sigma."""
    from skimage.restoration import denoise_nl_means

    def restored(frame: Array) -> Array:
        # In units of sigma and around 0: distances between patches would lose precision at large offsets.
        mean = frame.mean()
        units = (frame - mean) / sigma
        smooth = denoise_nl_means(units, patch_size=5, patch_distance=6, h=0.8, sigma=1.0, fast_mode=True)
        return np.asarray(mean + sigma * smooth)

    return restored if sigma > 0 else lambda frame: frame


def _total_variation(sigma: float) -> Callable[[Array], Array]:
    """Return a total variation filter (Rudin et al. 1992); its residual has the standard deviation of the noise."""
    from skimage.restoration import denoise_tv_chambolle

    def restored(frame: Array) -> Array:
        low, high = 0.0, 8.0 * sigma
        for _ in range(6):
            weight = (low + high) / 2
            smooth = denoise_tv_chambolle(frame, weight=weight, max_num_iter=60)  # type: ignore[no-untyped-call]
            low, high = (weight, high) if np.std(frame - smooth) < sigma else (low, weight)
        return np.asarray(smooth)

    return restored if sigma > 0 else lambda frame: frame


def _richardson_lucy(pair: Pair, psf: Array, offset: float) -> tuple[Movie, list[str]]:
    from skimage.restoration import richardson_lucy

    margin = max(psf.shape)

    def restored(frame: Array) -> Array:
        light = np.pad(np.maximum(frame - offset, 0), margin, mode="symmetric")
        if light.max() == 0:
            return frame
        sharp = richardson_lucy(  # type: ignore[no-untyped-call]
            light, psf, num_iter=_ITERATIONS, clip=False, filter_epsilon=1e-9 * light.max()
        )
        return np.asarray(sharp[margin:-margin, margin:-margin] + offset)

    return upsampled(mapped(pair.source, restored), pair.scale), [f"{_ITERATIONS} iterations"]


def _model_run(
    model: Model, folder: Path, inference: InferenceOptions, cancel: Cancel | None
) -> Callable[[Pair], tuple[Movie, list[str]]]:
    from decrappify.restoration import RestorationOptions, restore

    seen: set[str] = set()

    def run(pair: Pair) -> tuple[Movie, list[str]]:
        if model.scale not in (1, pair.scale) and pair.reference is not None:
            raise InputError(
                f"model {model.name!r} has scale {model.scale}, but {pair.name} has scale {pair.scale}; "
                "choose a model of that scale, or one of scale 1, the result of which is enlarged"
            )
        nbytes = 4 * int(np.prod(pair.source.shape, dtype=np.int64)) * model.scale**2
        output = folder / "model.ome.zarr" if nbytes > memory_budget() else None
        # The result of the previous pair has already been scored; its store is replaced.
        options = RestorationOptions(dtype="float32")
        with _each_once(seen):
            restored = restore(
                pair.source, model, output, inference=inference, options=options, overwrite=True, cancel=cancel
            )
        return _on_grid(restored, pair, model.name)

    return run


@contextmanager
def _each_once(seen: set[str]) -> Iterator[None]:
    """Log each warning about the tiles of a model once, not for every pair; `seen` contains the logged ones."""

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        is_repeated = record.levelno == logging.WARNING and text in seen
        seen.add(text)
        return not is_repeated

    logger = logging.getLogger("decrappify.restoration.tiling.restorer")
    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def _callable_run(name: str, function: Callable[[Movie], Any]) -> Callable[[Pair], tuple[Movie, list[str]]]:
    def run(pair: Pair) -> tuple[Movie, list[str]]:
        result = function(pair.source)
        if isinstance(result, np.ndarray):
            result = _like(result, pair)
        return _on_grid(open_movie(result), pair, name)

    return run


def _like(array: Array, pair: Pair) -> Movie:
    """Return an array as a movie like the source: a (Z, Y, X) stack remains a stack."""
    is_stack = array.ndim == 3 and pair.source.shape[0] == 1 and pair.source.shape[2] == len(array) > 1
    return pair.source.derived(ArraySource(array, "ZYX" if is_stack else "TYX" if array.ndim == 3 else None))


def _on_grid(movie: Movie, pair: Pair, name: str) -> tuple[Movie, list[str]]:
    """Enlarge a result on the grid of the source; raise InputError for any other grid than that of the reference."""
    source, scale = pair.source.shape, pair.scale
    target = (*source[:3], source[3] * scale, source[4] * scale)
    if movie.shape == target:
        return movie, []
    if movie.shape == source:
        return upsampled(movie, scale), ["enlarged by bicubic interpolation"]
    factor = movie.shape[3] // source[3]
    if pair.reference is None and movie.shape == (*source[:3], source[3] * factor, source[4] * factor):
        averaged = movie.map_planes(
            lambda t, c, z: block_mean(movie.frame(t, c, z)[None], source[3:])[0], shape=source, dtype=np.float64
        )
        return averaged, [f"averaged in {factor} x {factor} blocks, to compare with the input"]
    raise InputError(
        f"method {name!r} returned {movie.shape} for {pair.name} {source}, expected (T, C, Z, Y, X) = {target}"
    )
