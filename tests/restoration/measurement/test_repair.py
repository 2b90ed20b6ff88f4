from __future__ import annotations

import numpy as np
import pytest

from decrappify.restoration.measurement.repair import filled, put_back


def test_filled_mirrors_the_known_area():
    plane = np.tile(np.arange(12, dtype=np.float32), (9, 1))
    plane[:, :3] = np.nan
    result, unknown = filled(plane)
    assert result[4].tolist() == [6, 5, 4, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert unknown.sum() == 27


def test_filled_keeps_known_pixels_and_fills_all_others(rng):
    plane = rng.random((40, 50), np.float32)
    plane[rng.random(plane.shape) < 0.7] = np.nan
    result, unknown = filled(plane)
    np.testing.assert_array_equal(result[~unknown], plane[~unknown])
    assert np.isfinite(result).all()
    assert result.max() <= np.nanmax(plane)


def test_filled_returns_a_plane_without_nan_unchanged(rng):
    plane = rng.random((5, 5))
    assert filled(plane)[0] is plane


@pytest.mark.parametrize(("dtype", "value"), [("float32", np.nan), ("uint16", 0)])
def test_put_back_marks_unknown_pixels_on_a_finer_grid(dtype, value):
    unknown = np.array([[True, False]])
    restored = np.full((2, 4), 7, dtype)
    np.testing.assert_array_equal(
        put_back(restored, unknown, 2), np.array([[value, value, 7, 7]] * 2).astype(dtype, copy=False)
    )
