from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.benchmarking.inputs import movies
from decrappify.benchmarking.inputs.movies import gaussian_filtered, kept, mapped, repeated, upsampled
from decrappify.movie import Movie


@pytest.mark.parametrize(("space", "time"), [(0, 0), (1.2, 0), (0, 0.8), (2.0, 3.0)])
def test_gaussian_filtered_equals_scipy(rng, space, time):
    movie = rng.random((7, 12, 15))
    lazy = gaussian_filtered(Movie.from_array(movie), space, time)
    assert np.asarray(lazy)[:, 0, 0] == pytest.approx(gaussian_filter(movie, (time, space, space)))
    assert lazy.frame(3) == pytest.approx(gaussian_filter(movie, (time, space, space))[3]), "in any order"


def test_upsampled_keeps_positions_and_brightness():
    y, x = np.mgrid[:24, :24]
    spot = np.exp(-((y - 11.5) ** 2 + (x - 11.5) ** 2) / 18)
    fine = upsampled(Movie.from_array(spot), 4).frame(0)
    rows = np.arange(96)
    assert fine.shape == (96, 96)
    assert (fine.sum(axis=1) @ rows) / fine.sum() == pytest.approx(47.5, abs=1e-6)
    assert fine.mean() == pytest.approx(spot.mean(), rel=1e-3)


def test_repeated_repeats_a_single_frame_only(rng):
    still = Movie.from_array(rng.random((5, 6)))
    assert repeated(still, 4).shape == (4, 1, 1, 5, 6)
    assert np.array_equal(repeated(still, 4).frame(3), still.frame(0))
    assert repeated(still, 1) is still


@pytest.mark.parametrize("free", [1, 10**9])
def test_kept_uses_memory_or_disk(monkeypatch, tmp_path, rng, free):
    frames = rng.random((3, 20, 24))
    monkeypatch.setattr(movies, "memory_budget", lambda: free)
    calls = []

    def once(frame):
        calls.append(1)
        return frame + 1

    movie = kept(mapped(Movie.from_array(frames, pixel_size_um=(None, 0.1, 0.1)), once), tmp_path / "kept.ome.zarr")
    n_computed = len(calls)
    assert np.asarray(movie)[:, 0, 0] == pytest.approx(frames + 1, abs=1e-6)
    assert movie.pixel_size_um[2] == pytest.approx(0.1)
    assert movie.dtype == np.float32
    assert len(calls) == n_computed, "nothing is computed again"
    assert (tmp_path / "kept.ome.zarr").exists() == (free == 1)
