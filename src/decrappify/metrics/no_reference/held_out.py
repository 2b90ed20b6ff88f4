"""Error without a reference: the restoration of one half of the light is compared with the other half.

The other half is noisy, but its noise is independent of the restored one. The mean squared difference of the two is
therefore the squared error of the restoration plus the variance of this noise, which is equal for all methods (Batson
and Royer 2019).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from decrappify.metrics.resolution import block_mean
from decrappify.metrics.sums.pairs import checked_pair, checked_stack, frames


def held_out_error(restored_half: ArrayLike, half: ArrayLike, other_half: ArrayLike) -> float:
    """Estimate the mean squared error of a restored half, in squared gray levels, from the raw other half.

    ``mean((restored_half - other_half)²)`` minus the variance of the noise of the other half, which is
    ``mean((half - other_half)²) / 2``. Unbiased for halves with independent noise. The value can be below 0, if the
    error is smaller than the uncertainty of the estimate.

    Parameters
    ----------
    restored_half : array-like
        (Y, X) or (T, Y, X): the restoration of `half`; if its grid is an integer number of times finer, it is averaged
        in blocks to the raw grid.
    half, other_half : array-like
        The two raw halves, with independent noise.

    Raises
    ------
    InputError
        If shapes do not fit, or a value is NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one, two = rng.poisson(100.0, (2, 256, 256))
    >>> round(held_out_error(one, one, two) / 100, 1), abs(held_out_error(np.full((256, 256), 100), one, two)) < 2
    (1.0, True)
    """
    one, two = checked_pair(half, other_half, ("half", "other_half"))
    restored = block_mean(checked_stack(restored_half, "restored_half"), two.shape[1:])
    restored, _ = checked_pair(restored, two, ("restored_half", "other_half"))
    error = noise = 0.0
    for r, a, b in zip(
        *(frames(*each) for each in ((restored, "restored_half"), (one, "half"), (two, "other_half"))), strict=True
    ):
        error += float(np.square(r - b).sum())
        noise += float(np.square(a - b).sum()) / 2
    return (error - noise) / two.size


def held_out_gain_db(error: float, baseline: float) -> float:
    """Return by how many dB an estimated squared error is below that of a baseline.

    Infinite if the error is not above 0, and NaN if that of the baseline is not, since both are then smaller than their
    uncertainty.

    >>> round(held_out_gain_db(0.5, 1.0), 2), held_out_gain_db(-0.1, 1.0), held_out_gain_db(0.5, -0.1)
    (3.01, inf, nan)
    """
    if baseline <= 0:
        return math.nan
    return 10 * math.log10(baseline / error) if error > 0 else math.inf
