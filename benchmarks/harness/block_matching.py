"""BM3D as a baseline: with a variance-stabilizing transform and the strength that maximizes PSNR (an oracle).

Requires the package bm3d (`python -m pip install --group bm3d`), whose license allows non-commercial use only: it is
used as a comparison in results, and nothing in the package depends on it.

References: Dabov et al. 2007, IEEE TIP 16:2080 (BM3D); Starck, Murtagh and Bijaoui 1998 (generalized Anscombe
transform); Mäkitalo and Foi 2013, IEEE TIP 22:91 (its unbiased inverse).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STRENGTHS = (0.8, 1.0, 1.25, 1.6, 2.0)  # standard deviations after stabilization; white noise has 1


def is_installed() -> bool:
    """Return whether the package bm3d can be imported."""
    from importlib.util import find_spec

    return find_spec("bm3d") is not None


def best_bm3d(
    source: Array, truth: Array, gain: float, offset: float, read_noise: float = 0.0
) -> tuple[Array, float, float]:
    """Denoise an image (Y, X) by BM3D with the strength that has the highest PSNR.

    Parameters
    ----------
    source, truth : array (Y, X)
        In gray levels.
    gain : float
        Gray levels per photon; 0 for additive noise.
    offset : float
        Gray level without light.
    read_noise : float
        In gray levels.

    Returns
    -------
    restored : array (Y, X), float64
    strength : float
    error : float
        Mean squared error.
    """
    import bm3d

    scale, offset = (gain, offset) if gain else (read_noise, 0.0)
    noise = read_noise / scale
    units = (source.astype(np.float64) - offset) / scale
    stable = _anscombe(units, noise) if gain else units
    best: tuple[Array, float, float] | None = None
    previous = np.inf
    for strength in STRENGTHS:
        filtered = bm3d.bm3d(stable, strength)
        restored = (_inverse(filtered, noise) if gain else filtered) * scale + offset
        error = float(np.mean((restored - truth) ** 2))
        if best is None or error < best[2]:
            best = restored, strength, error
        if error > previous:
            break  # the error has one minimum
        previous = error
    assert best is not None
    return best


def _anscombe(photons: Array, read_noise: float) -> Array:
    return 2 * np.sqrt(np.maximum(photons + 0.375 + read_noise**2, 0))


def _inverse(stable: Array, read_noise: float) -> Array:
    """Apply the closed-form approximation of the exact unbiased inverse."""
    stable = np.maximum(stable, 2 * 0.375**0.5)
    root = 1.5**0.5
    inverse = stable**2 / 4 + root / (4 * stable) - 11 / (8 * stable**2) + 5 * root / (8 * stable**3) - 1 / 8
    return np.maximum(inverse - read_noise**2, 0)
