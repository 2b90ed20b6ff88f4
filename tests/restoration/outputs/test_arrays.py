from __future__ import annotations

import numpy as np
import pytest
from tests.restoration.conftest import FAST, PoolingNetwork, WindowMean, as_model

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.restoration import restore, restore_array


@pytest.mark.parametrize(
    ("shape", "axes", "scale"),
    [
        ((20, 24), None, 1),
        ((4, 20, 24), None, 1),
        ((20, 24, 2), "YXC", 1),
        ((2, 20, 24), "zyx", 2),
        ((20, 24), None, 2),
    ],
)
def test_restore_array_keeps_the_axes_of_an_array(rng, shape, axes, scale):
    array = rng.integers(90, 4000, shape, dtype=np.uint16)
    model = as_model(PoolingNetwork(1, scale=scale))
    restored = restore_array(array, model, axes=axes, **FAST)
    assert isinstance(restored, np.ndarray)
    letters = (axes or {2: "YX", 3: "TYX"}[len(shape)]).upper()
    assert restored.shape == tuple(
        size * (scale if axis in "YX" else 1) for axis, size in zip(letters, shape, strict=True)
    )
    movie = np.asarray(restore(Movie.from_array(array, axes), model, **FAST))
    order = ["TCZYX".index(axis) for axis in letters]
    np.testing.assert_array_equal(
        restored.ravel(), movie.transpose([i for i in range(5) if i not in order] + order).ravel()
    )


def test_restore_array_returns_five_axes_for_movies_and_files(rng, tmp_path):
    array = rng.integers(90, 4000, (3, 20, 24), dtype=np.uint16)
    model = as_model(WindowMean(1))
    restored = restore_array(Movie.from_array(array), model, **FAST)
    restore(array, model, tmp_path / "out.ome.zarr", **FAST).close()
    assert restored.shape == (3, 1, 1, 20, 24)
    np.testing.assert_array_equal(restore_array(tmp_path / "out.ome.zarr", model, **FAST), restored)


def test_restore_array_rejects_unsuitable_axes(rng):
    with pytest.raises(InputError, match="axes='TYXC' does not fit"):
        restore_array(rng.random((3, 20, 24)), as_model(WindowMean(1)), axes="TYXC", **FAST)
