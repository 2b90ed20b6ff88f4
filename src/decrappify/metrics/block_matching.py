"""Oracle baseline: BM3D (Dabov et al. 2007) with the strength that maximizes PSNR against the reference.

Needs the package bm3d, whose license allows non-commercial use only: it is not a dependency, and is used only on
request.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import PairSums, checked_stack, frames, range_of
from decrappify.movie import Array

STRENGTHS = (0.8, 1.0, 1.25, 1.6, 2.0)
_PACKAGES = ("bm3d", "bm4d")


class BestBM3D(NamedTuple):
    """The BM3D filter with the highest PSNR, and its result.

    Attributes
    ----------
    strength : float
        Noise passed to the filter, relative to the noise of the source.
    restored : ndarray
        (T, Y, X), float64.
    psnr : float
        PSNR of `restored` in dB; SI-PSNR if levels were fitted.
    """

    strength: float
    restored: Array
    psnr: float


def is_bm3d_installed() -> bool:
    """Return whether the package bm3d can be imported."""
    return all(find_spec(name) is not None for name in _PACKAGES)


def check_bm3d() -> None:
    """Raise InputError if the package bm3d is not installed."""
    if not is_bm3d_installed():
        raise InputError(
            "baseline 'bm3d' needs the package bm3d, which is not installed; run python -m pip install bm3d "
            "(its license allows non-commercial use only), or omit the baseline"
        )


def bm3d_filtered(image: ArrayLike, sigma: float) -> Array:
    """Filter a (Y, X) image with noise of standard deviation `sigma`; unchanged if it is 0."""
    image = np.asarray(image, dtype=np.float64)
    if sigma == 0:
        return image
    return np.asarray(import_module("bm3d").bm3d(image, sigma), dtype=np.float64).reshape(image.shape)


def best_bm3d(
    source: ArrayLike,
    reference: ArrayLike,
    sigma: float,
    *,
    inverse: Callable[[Array], Array] = np.asarray,
    data_range: float | None = None,
    fit_levels: bool = False,
) -> BestBM3D:
    """Filter `source` by BM3D with the strength that has the highest PSNR against `reference`, one for all frames.

    An oracle, as `best_gaussian`. The strengths are 0.8 to 2 times the noise; the search ends at the first that is
    worse, since PSNR has one maximum.

    Parameters
    ----------
    source : array-like
        (Y, X) or (T, Y, X) with white noise of standard deviation `sigma`, such as stabilized values.
    reference : array-like
        (Y, X) or (T, Y, X).
    sigma : float
        Standard deviation of the noise.
    inverse : callable
        Function from a filtered frame to the gray levels and grid of the reference.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default.
    fit_levels : bool
        Whether to maximize SI-PSNR instead.

    Raises
    ------
    InputError
        If bm3d is not installed, or an image is not valid.
    """
    check_bm3d()
    noisy, target = checked_stack(source, "source"), checked_stack(reference, "reference")
    width = range_of(target, data_range)
    best: BestBM3D | None = None
    for strength in STRENGTHS:
        restored = np.stack([inverse(bm3d_filtered(frame, strength * sigma)) for frame in frames(noisy, "source")])
        sums = PairSums()
        for r, g in zip(restored, frames(target, "reference"), strict=True):
            sums.add(r, g)
        psnr = sums.si_psnr(width) if fit_levels else sums.psnr(width)
        if best is not None and psnr <= best.psnr:
            break
        best = BestBM3D(strength, restored, psnr)
    assert best is not None
    return best
