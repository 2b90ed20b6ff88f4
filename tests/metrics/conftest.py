from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def scene() -> np.ndarray:
    """A noise-free movie (12, 48, 64) in 0..1: three spots that move, two that stay, an empty right side."""
    y, x = np.mgrid[:48, :64]
    movie = np.zeros((12, 48, 64))
    for y0, x0, dy, dx in ((10, 10, 0.5, 0.8), (30, 14, -0.6, 0.3), (36, 22, -0.2, -0.5), (8, 30, 0, 0), (40, 8, 0, 0)):
        for t, frame in enumerate(movie):
            frame += np.exp(-((y - y0 - dy * t) ** 2 + (x - x0 - dx * t) ** 2) / (2 * 1.5**2))
    return movie / movie.max()
