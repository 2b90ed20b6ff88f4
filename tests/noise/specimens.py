"""Simulated specimens and a simulated camera for the calibration tests."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

GAIN, OFFSET = 1.7, 100


def spots(seed: int, side: int = 256, sigma: float = 1.0) -> np.ndarray:
    """Return blurred spots of random brightness, float32 (1, Y, X), with bright pixels of about 1."""
    rng = np.random.default_rng(seed)
    points = np.where(rng.random((side, side)) < 0.01, rng.exponential(1.0, (side, side)), 0)
    return (gaussian_filter(points, sigma, mode="wrap") * 2 * np.pi * sigma**2 / 2).astype(np.float32)[None]


def record(light: np.ndarray, photons: float = 200.0, seed: int = 0) -> np.ndarray:
    """Return uint16 gray levels of `light`, with `photons` photons in a pixel of 1."""
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(np.maximum(light, 0) * photons) + rng.normal(0, 1.5, light.shape)
    return np.clip(np.rint(electrons * GAIN + OFFSET), 0, 65535).astype(np.uint16)
