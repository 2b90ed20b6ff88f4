"""BM3D on held-out photons, if it is installed."""

from __future__ import annotations

import pytest
from scipy.ndimage import gaussian_filter

from decrappify.checking.block_matching import bm3d_lead
from decrappify.noise.pixels.splitting import NoiseSplitter


def test_bm3d_lead_is_positive_over_a_weak_filter(rng):
    pytest.importorskip("bm3d")
    splitter = NoiseSplitter(2.0, -200.0)
    photons = 20 + 60 * (gaussian_filter(rng.random((2, 64, 64)), (0, 3, 3)) > 0.5)
    parts = [splitter.split(frame, 0.8, rng) for frame in 100 + 2 * rng.poisson(photons)]
    first, target = zip(*parts, strict=True)
    lead, _ = bm3d_lead(splitter, 0.8, first, [gaussian_filter(frame, 0.5) for frame in first], target)
    assert lead > 1


def test_bm3d_is_not_run_on_correlated_noise():
    assert bm3d_lead(NoiseSplitter(2.0, -200.0, (0.7, 0.7)), 0.8, [], [], []) == (None, None)
