"""BM3D as a baseline: of each movie, the strength with the best score against the reference on a few frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.benchmarking.camera import Camera
from decrappify.benchmarking.inputs.movies import enlarged
from decrappify.benchmarking.inputs.pairs import View
from decrappify.metrics.block_matching import best_bm3d, bm3d_filtered
from decrappify.movie import Array, Movie

_FRAMES = 4


@dataclass(frozen=True)
class Noise:
    """A movie (T, 1, 1, Y, X) and its noise: stabilized to 1 if the gain of the camera is known, else `sigma`."""

    source: Movie
    camera: Camera
    sigma: float

    @property
    def is_known(self) -> bool:
        """Whether the gain is known."""
        return self.camera.gain is not None

    def frame(self, t: int) -> Array:
        """Return a frame with white noise of standard deviation `sigma`."""
        frame = self.source.frame(t).astype(np.float64)
        return self.camera.stabilized(frame) if self.is_known else frame

    def gray(self, frame: Array) -> Array:
        """Return the gray levels of a filtered frame."""
        return self.camera.restored(frame) if self.is_known else frame


def best_bm3d_movie(view: View, noise: Noise) -> tuple[Movie, str]:
    """Filter a view with a reference by the best BM3D, whose strength is selected on up to 4 frames.

    Returns
    -------
    tuple of Movie and str
        (T, 1, 1, Y, X) on the grid of the reference, computed frame by frame, and a note on the strength.
    """
    source, reference, scale = noise.source, view.reference, view.pair.scale
    assert reference is not None
    picks = [int(t) for t in evenly_spaced(source.shape[0], _FRAMES)]
    best = best_bm3d(
        np.stack([noise.frame(t) for t in picks]),
        np.stack([reference.frame(t) for t in picks]),
        noise.sigma,
        inverse=lambda frame: enlarged(noise.gray(frame), scale),
        fit_levels=view.pair.fit_levels,
    )
    done = dict(zip(picks, best.restored, strict=True))

    def run(t: int, c: int, z: int) -> Array:
        if t in done:
            return np.asarray(done[t])
        return enlarged(noise.gray(bm3d_filtered(noise.frame(t), best.strength * noise.sigma)), scale)

    shape = (*source.shape[:3], source.shape[3] * scale, source.shape[4] * scale)
    which = "stabilized noise" if noise.is_known else f"noise sigma {noise.sigma:.3g} gray levels, estimated"
    return source.map_planes(run, shape=shape, dtype=np.float64), f"strength {best.strength:.3g} × {which}"
