from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.metrics.chroma import chroma_flicker


def test_chroma_flicker_of_a_static_film_is_zero(rng):
    film = np.repeat(rng.integers(0, 256, (1, 8, 8, 3), np.uint8), 3, axis=0)
    found = chroma_flicker(film)
    assert (found["luma"], found["chroma"], found["chroma_where_still"]) == (0, 0, 0)
    assert np.isnan(found["ratio"])


def test_chroma_flicker_of_color_changes_at_equal_luma():
    film = np.full((3, 6, 6, 3), 100, np.uint8)
    film[1] += np.array([40, 0, 0], np.uint8)
    film[1] -= np.array([0, 20, 2], np.uint8)  # 0.299 * 40 = 0.587 * 20 + 0.114 * 2 up to 0.01
    found = chroma_flicker(film)
    assert found["luma"] < 0.01
    assert found["chroma"] == pytest.approx((0.492 * 2 + 0.877 * 40) / 2, rel=1e-2)
    assert found["chroma_where_still"] == pytest.approx(found["chroma"])


def test_chroma_flicker_accepts_an_iterator(rng):
    film = rng.integers(0, 256, (4, 5, 7, 3), np.uint8)
    found, streamed = chroma_flicker(film), chroma_flicker(frame for frame in film)
    assert found == streamed
    assert found["ratio"] == pytest.approx(found["chroma"] / found["luma"])


@pytest.mark.parametrize(
    ("film", "message"),
    [
        (np.zeros((1, 4, 4, 3), np.uint8), "fewer than two frames"),
        (np.zeros((2, 4, 4), np.uint8), r"a frame has shape \(4, 4\) and dtype uint8, expected uint8 \(Y, X, 3\)"),
        (np.zeros((2, 4, 4, 3)), "float64, expected"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], r"\(4, 5\), the previous one \(4, 4\)"),
    ],
)
def test_chroma_flicker_rejects_other_arrays(film, message):
    with pytest.raises(InputError, match=message):
        chroma_flicker(film)
