"""Large synthetic movie for measurements of time and memory, generated and written frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie, save_movie
from decrappify.movie import FrameSource, Shape5

Array = NDArray[Any]
SEED = 41


class SyntheticFrames(FrameSource):
    """Frames generated on reading: drifting spots on a background with photon-like noise."""

    def __init__(self, n_frames: int, size: int) -> None:
        from scipy.ndimage import gaussian_filter

        self.shape: Shape5 = (n_frames, 1, 1, size, size)
        self.dtype = np.dtype(np.uint16)
        spots = np.random.default_rng(SEED).random((size, size)) > 0.999
        self._scene = gaussian_filter(spots.astype(np.float32), 3, mode="wrap")
        self._scene *= 400 / self._scene.max()

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Return one frame; repeated reads return the same values."""
        scene = np.roll(self._scene, (t, t // 2), (0, 1)) + 20
        noise = np.random.default_rng([SEED, t]).standard_normal(scene.shape, dtype=np.float32)
        return np.rint(100 + scene + np.sqrt(scene) * noise).clip(0).astype(np.uint16)[rows, columns]


def generate(path: Path, n_frames: int, size: int) -> Path:
    """Write the movie frame by frame unless the file exists."""
    return path if path.exists() else save_movie(Movie(SyntheticFrames(n_frames, size)), path)
