"""Data-confirmed resolution: one restored half of the photons is correlated with the other raw half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from decrappify.benchmarking.camera import Camera
from decrappify.benchmarking.methods import Method
from decrappify.benchmarking.movies import memory_budget
from decrappify.benchmarking.pairs import Pair
from decrappify.metrics.resolution import BETWEEN_HALVES, binomial_halves, cross_frc, frc
from decrappify.metrics.spectrum import SMALLEST_SIDE
from decrappify.movie import Array, ArraySource, Movie

_FRAMES = 16
_FINEST, _SHARED = 0.42, 0.1


@dataclass(frozen=True)
class Halves:
    """Two movies (T, C, Z, Y, X) of one scene with independent noise."""

    first: Movie
    second: Movie
    how: str


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
        halves = [binomial_halves(part.frame(*plane), rng, **asdict(camera)) for plane in part.planes()]
        stacks = (np.stack([half[k] for half in halves]).reshape(part.shape).astype(np.float32) for k in (0, 1))
        one, two = (part.derived(ArraySource(stack, "TCZYX")) for stack in stacks)
        return Halves(one, two, f"photons split in two{where}{_warning(pair, one, two)}")
    n_each = n_used // 2
    one, two = (part.select(frames=slice(k, 2 * n_each, 2)) for k in (0, 1))
    return Halves(one, two, f"even against odd frames{where}{_warning(pair, one, two)}")


def confirmed_resolution(pair: Pair, method: Method, halves: Halves) -> dict[str, float]:
    """Compute, per view, the resolution (source pixels) of the restored first half confirmed by the raw second."""
    half = replace(pair, source=halves.first, reference=None, scale=1)
    movie, _ = method.run(half)
    found = {}
    for mine, view in zip(half.views, pair.views, strict=True):
        restored, raw = (_frames(mine.of(each)) for each in (movie, halves.second))
        found[view.name] = cross_frc(restored, raw).resolution_px(BETWEEN_HALVES)
    return found


def _warning(pair: Pair, first: Movie, second: Movie) -> str:
    """Return a warning if the raw halves correlate in the finest detail, which should contain noise only."""
    finest = []
    for view in pair.views:
        curve = frc(*(_frames(view.of(half)) for half in (first, second)))
        finest.append(float(curve.correlation[curve.frequency > _FINEST].mean()))
    if max(finest) < _SHARED:
        return ""
    return f" (they correlate by {max(finest):.2f} in the finest detail: noise is shared, check gain and offset)"


def _frames(movie: Movie) -> Array:
    return np.stack([movie.frame(t).astype(np.float64) for t in range(movie.shape[0])])
