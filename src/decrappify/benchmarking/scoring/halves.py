"""One restored half of the photons compared with the other raw half: confirmed resolution and held-out gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from decrappify._common.argument_names import argument
from decrappify.benchmarking.camera import Camera
from decrappify.benchmarking.inputs.movies import memory_budget
from decrappify.benchmarking.inputs.pairs import Pair
from decrappify.benchmarking.methods.methods import Method
from decrappify.domain import measure_features, sampled_regions, unexpected_correlation
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.no_reference.held_out import held_out_error, held_out_gain_db
from decrappify.metrics.resolution import BETWEEN_HALVES, cross_frc, finest_correlation
from decrappify.metrics.sums.spectrum import SMALLEST_SIDE
from decrappify.movie import Array, ArraySource, Movie
from decrappify.noise.pixels.splitting import NoiseSplitter
from decrappify.noise.simulation import kernel_sigma

_FRAMES = 16
_SHARED = 0.1  # correlation of the finest detail of two halves


@dataclass(frozen=True)
class Halves:
    """Two movies (T, C, Z, Y, X) of one scene with independent noise.

    Attributes
    ----------
    first, second : Movie
        The half to restore, and the half to compare it with.
    how : str
        How they were split, with warnings, for the report.
    gaussian : dict of str to float
        Per view, the estimated error of the Gaussian filter that predicts the second half best.
    """

    first: Movie
    second: Movie
    how: str
    gaussian: dict[str, float] = field(default_factory=dict)


def split(pair: Pair, *, camera: Camera, static: bool, seed: Sequence[int]) -> Halves | None:
    """Split the source of a pair: its photons at random if the gain is known, else the frames of a static specimen.

    At most 16 frames from the middle are used. Returns None if neither is possible.
    """
    source = pair.source
    n_frames = source.shape[0]
    if min(source.shape[3:]) < SMALLEST_SIDE or (camera.gain is None and not (static and n_frames > 1)):
        return None
    plane_bytes = 8 * 4 * int(np.prod(source.shape[1:], dtype=np.int64))
    n_used = max(2 if camera.gain is None else 1, min(n_frames, _FRAMES, memory_budget() // plane_bytes))
    start = (n_frames - n_used) // 2
    part = source[start : start + n_used]
    where = "" if n_used == n_frames else f" on frames {start}:{start + n_used} of {n_frames}"
    if camera.gain is not None:
        rng = np.random.default_rng(list(seed))
        planes = [_halves_of_plane(part.frame(*plane), rng, camera) for plane in part.planes()]
        stacks = (np.stack([plane[k] for plane in planes]).reshape(part.shape).astype(np.float32) for k in (0, 1))
        one, two = (part.derived(ArraySource(stack, "TCZYX")) for stack in stacks)
        is_white = kernel_sigma(camera.noise_correlation) == 0
        how = "photons split in two" if is_white else "split in two by correlated noise"
        warnings = _warning(pair, one, two) + _warning_of_correlation(pair, camera.noise_correlation)
        return Halves(one, two, f"{how}{where}{warnings}", _best_gaussians(pair, one, two))
    n_each = n_used // 2
    one, two = (part.select(frames=slice(k, 2 * n_each, 2)) for k in (0, 1))
    how = f"even against odd frames{where}{_warning(pair, one, two)}"
    return Halves(one, two, how, _best_gaussians(pair, one, two))


def compare_halves(pair: Pair, method: Method, halves: Halves) -> dict[str, dict[str, float]]:
    """Restore the first half and compare it with the raw second.

    Returns
    -------
    dict of str to dict
        Per view, the confirmed resolution in source pixels and the held-out gain in dB, by the key of the metric.
    """
    half = replace(pair, source=halves.first, reference=None, scale=1)
    movie, _ = method.run(half)
    found = {}
    for mine, view in zip(half.views, pair.views, strict=True):
        restored, first, second = (_frames(mine.of(each)) for each in (movie, halves.first, halves.second))
        error = held_out_error(restored, first, second)
        found[view.name] = {
            "confirmed_px": cross_frc(restored, second).resolution_px(BETWEEN_HALVES),
            "held_out_gain_db": held_out_gain_db(error, halves.gaussian[view.name]),
        }
    return found


def _halves_of_plane(plane: Array, rng: np.random.Generator, camera: Camera) -> list[Array]:
    """Return two parts of half the exposure, in the gray levels of the camera."""
    gain, offset, width = camera.known_gain, camera.offset, kernel_sigma(camera.noise_correlation)
    splitter = NoiseSplitter(gain, (gain * camera.read_noise) ** 2 - gain * offset, (width, width))
    return [offset + (part - offset) / 2 for part in splitter.split(plane, 0.5, rng)]


def _best_gaussians(pair: Pair, first: Movie, second: Movie) -> dict[str, float]:
    """Return, per view, the estimated error of the Gaussian filter of the first half that predicts the second best."""
    errors = {}
    for view in pair.views:
        one, two = (_frames(view.of(half)) for half in (first, second))
        if np.ptp(two) > 0:
            restored = best_gaussian(one, two, in_time=view.kind == "movie").restored
            errors[view.name] = held_out_error(restored, one, two)
        else:
            errors[view.name] = 0.0
    return errors


def _warning_of_correlation(pair: Pair, expected: float) -> str:
    """Return a warning if the noise of the source is correlated more than expected; halves then share noise."""
    found = [unexpected_correlation(measure_features(sampled_regions(view.source)), expected) for view in pair.views]
    highest = max((correlation for correlation in found if correlation is not None), default=None)
    if highest is None:
        return ""
    return (
        f" (the noise of neighboring pixels correlates by about {highest:.2f}: noise is shared by the halves unless "
        f"{argument('noise_correlation')} is set to it)"
    )


def _warning(pair: Pair, first: Movie, second: Movie) -> str:
    """Return a warning if the raw halves correlate in the finest detail, which should contain noise only."""
    finest = [finest_correlation(*(_frames(view.of(half)) for half in (first, second))) for view in pair.views]
    if max(finest) < _SHARED:
        return ""
    return f" (they correlate by {max(finest):.2f} in the finest detail: noise is shared, check gain and offset)"


def _frames(movie: Movie) -> Array:
    return np.stack([movie.frame(t).astype(np.float64) for t in range(movie.shape[0])])
