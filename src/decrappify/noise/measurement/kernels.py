"""Difference kernels that suppress structure, and their response to correlated noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _outer(row: list[float]) -> Array:
    unit = np.array(row) / np.linalg.norm(row)
    return np.outer(unit, unit)


# Unit norm: the variance of white noise is kept.
LAPLACIAN = _outer([1, -2, 1])
FOURTH = _outer([1, -4, 6, -4, 1])
STRIDED = _outer([1, 0, -2, 0, 1])
for _kernel in (LAPLACIAN, FOURTH, STRIDED):
    _kernel.setflags(write=False)


def response(kernel: Array, correlation: Array | None) -> float:
    """Compute the variance after filtering noise of variance 1.

    Parameters
    ----------
    kernel : array (k, k)
        Filter.
    correlation : array (2 n + 1, 2 n + 1), optional
        Autocorrelation of the noise at lags -n ... n in Y and X; None for white noise.

    Examples
    --------
    >>> round(response(LAPLACIAN, None), 6)
    1.0
    """
    from scipy.signal import correlate2d

    own = correlate2d(kernel, kernel)
    if correlation is None:
        return float(own[own.shape[0] // 2, own.shape[1] // 2])
    lags, reach = correlation.shape[0] // 2, own.shape[0] // 2
    n = min(lags, reach)
    ours = own[reach - n : reach + n + 1, reach - n : reach + n + 1]
    return float((ours * correlation[lags - n : lags + n + 1, lags - n : lags + n + 1]).sum())


def redundancy(kernel: Array, correlation: Array | None = None, *, in_time: bool) -> float:
    """Compute the number of filtered pixels per independent value of the squared residual.

    The squares of correlated normal variables are correlated by the square of their correlation. `in_time` states
    whether the residuals are differences of successive frames, which share a frame.
    """
    from scipy.signal import convolve2d, correlate2d

    own = correlate2d(kernel, kernel)
    if correlation is not None:
        own = convolve2d(own, correlation)
    middle = own[own.shape[0] // 2, own.shape[1] // 2]
    return float(np.square(own / middle).sum()) * (1.5 if in_time else 1.0)
