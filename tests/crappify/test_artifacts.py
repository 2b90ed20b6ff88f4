from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import Bleaching, Crappifier, Jpeg, Text
from decrappify.errors import InputError


def test_bleaching_follows_the_frame_index(rng):
    window = np.ones((3, 4, 4), np.float32)
    dimmed = Crappifier([Bleaching(0.1)])(window, rng, times=[0, 5, 20])
    np.testing.assert_allclose(dimmed[:, 0, 0], [1, 0.9**5, 0.9**20], rtol=1e-5)
    np.testing.assert_allclose(Crappifier([Bleaching(0.1)])(window, rng)[:, 0, 0], [1, 0.9, 0.81], rtol=1e-5)


def test_bleaching_from_tau_has_that_decay_time(rng):
    dimmed = Crappifier([Bleaching.from_tau(40)])(np.ones((1, 4, 4), np.float32), rng, times=[40])
    np.testing.assert_allclose(dimmed, np.exp(-1), rtol=1e-5)
    with pytest.raises(InputError, match="tau_frames is 0, expected a number above 0"):
        Bleaching.from_tau(0)


def test_jpeg_loses_more_at_low_quality(rng):
    image = rng.random((2, 64, 64), np.float32)
    loss = [np.abs(Crappifier([Jpeg(quality)])(image, rng) - image).mean() for quality in (95, 50, 5)]
    assert 0 < loss[0] < loss[1] < loss[2]


def test_jpeg_clips_to_its_range(rng):
    image = np.linspace(-1, 3, 64 * 64, dtype=np.float32).reshape(64, 64)
    decoded = Crappifier([Jpeg(95, low=0, high=2)])(image, rng)
    assert decoded.min() == pytest.approx(0, abs=0.05)
    assert decoded.max() == pytest.approx(2, abs=0.05)
    with pytest.raises(InputError, match="low is 1 and high 1, expected low < high"):
        Crappifier([Jpeg(low=1, high=1)])(image, rng)


def test_text_covers_a_small_share_of_each_frame(rng):
    printed = Crappifier([Text(brightness=2.0)])(np.zeros((3, 64, 64), np.float32), rng)
    share = (printed > 0.2).mean(axis=(1, 2))
    assert (share > 0.005).all()
    assert (share < 0.1).all()
    assert printed.max() == pytest.approx(2, rel=0.05)
    assert not np.array_equal(printed[0], printed[1])
