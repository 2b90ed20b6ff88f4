from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.benchmarking import Camera, benchmark
from decrappify.movie import Movie


@pytest.fixture(scope="session")
def reference() -> np.ndarray:
    """Six frames (6, 48, 64) of drifting spots on a dim background, in gray levels with an offset of 100."""
    rng = np.random.default_rng(5)
    scene = np.zeros((48, 80))
    scene[rng.integers(4, 44, 30), rng.integers(4, 76, 30)] = 9000
    smooth = gaussian_filter(scene, 1.5) + gaussian_filter(scene, 8)
    return 100 + np.stack([smooth[:, t : t + 64] for t in range(6)])


@pytest.fixture(scope="session")
def noisy(reference) -> np.ndarray:
    """The reference as recorded by a camera of gain 2 and offset 100."""
    return 100 + 2.0 * np.random.default_rng(6).poisson((reference - 100) / 2)


@pytest.fixture(scope="session")
def report(reference, noisy):
    """Scores of two methods and three baselines on a movie, a still and a movie without reference."""
    still = Movie.from_array(noisy[0], name="still.tif", pixel_size_um=(None, 0.1, 0.1))
    pairs = [
        (Movie.from_array(noisy, name="moving.ome.tif"), Movie.from_array(reference)),
        (still, Movie.from_array(reference[0])),
        (Movie.from_array(noisy[::-1], name="unknown.tif"), None),
    ]
    methods = {
        "shrunk": lambda movie: np.asarray(movie) * 0.5 + 50,
        "soft <b>": lambda movie: gaussian_filter(np.asarray(movie), (0, 0, 0, 1, 1)),
    }
    return benchmark(methods, pairs, camera=Camera(2.0, 100.0))
