"""Gray levels of a movie against the dtype of the result."""

from __future__ import annotations

import numpy as np
import pytest
from tests.restoration.conftest import WindowMean, as_model, grouped

from decrappify.errors import InputError
from decrappify.restoration import restore


@pytest.fixture
def bright(rng):
    return rng.integers(2900, 3100, (3, 16, 20), dtype=np.uint16)


def test_restore_raises_for_a_dtype_without_the_gray_levels_of_the_movie(bright, tmp_path):
    expected = r"would be clipped by dtype='uint8': .* about 29\d\d to 30\d\d, .*; use dtype='uint16'"
    with pytest.raises(InputError, match=expected):
        restore(bright, as_model(WindowMean(1)), tmp_path / "out.ome.zarr", **grouped(dtype="uint8"))
    assert not any(tmp_path.glob("out*"))
    assert restore(bright, as_model(WindowMean(1)), **grouped(dtype="int16")).dtype == np.int16


def test_restore_raises_for_a_constant_channel_beyond_the_dtype(bright):
    both = np.stack([bright // 100, np.full_like(bright, 999)], axis=1)[:, :, None]
    with pytest.raises(InputError, match="channel C1 are about 999 to 999, uint8 has 0 to 255"):
        restore(both, as_model(WindowMean(1)), **grouped(dtype="uint8"))
