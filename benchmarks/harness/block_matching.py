"""BM3D of one image with its camera model, by `decrappify.metrics.block_matching`.

Requires the package bm3d (`python -m pip install --group bm3d`), whose license allows non-commercial use only: it is
used as a comparison in results, and the package does not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def is_installed() -> bool:
    """Return whether the package bm3d can be imported."""
    from decrappify.metrics.block_matching import is_bm3d_installed

    return is_bm3d_installed()


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
    from decrappify.benchmarking.camera import Camera
    from decrappify.metrics import block_matching

    if gain:
        camera = Camera(gain, offset, read_noise / gain)
        best = block_matching.best_bm3d(camera.stabilized(source), truth, 1.0, inverse=camera.restored)
    else:
        best = block_matching.best_bm3d(source, truth, read_noise)
    restored = best.restored[0]
    return restored, best.strength, float(np.mean((restored - truth) ** 2))
