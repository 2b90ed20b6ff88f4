"""Gray levels of a source relative to its reference, from smoothed images, in which noise does not lower the slope."""

from __future__ import annotations

import math
from typing import NamedTuple

from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from decrappify.metrics.sums.pairs import PairSums, checked_pair, frames

_SMOOTHING_PX = 3.0
_PIXELS_PER_VALUE = 4 * math.pi * _SMOOTHING_PX**2  # an independent value of a smoothed image
_LARGEST_RATIO, _LARGEST_OFFSET = 1.1, 0.02
_SMALLEST_CORRELATION = 0.5


class LevelFit(NamedTuple):
    """The line ``reference ≈ slope * source + intercept`` through smoothed images.

    Attributes
    ----------
    slope, intercept : float
        (1, 0) for equal gray levels.
    slope_error : float
        Standard error of the slope, relative to it.
    mean_change : float
        Mean of the reference minus that of the source, relative to the range of the smoothed reference.
    correlation : float
        Of the smoothed images.
    """

    slope: float
    intercept: float
    slope_error: float
    mean_change: float
    correlation: float

    @property
    def differs(self) -> bool:
        """Whether the levels differ: the slope by a factor of 1.1 at two standard errors, or the means by 2 %.

        False for images that correlate too little for a fit.
        """
        if self.correlation < _SMALLEST_CORRELATION:
            return False
        ratio = abs(math.log(self.slope)) - 2 * self.slope_error
        return ratio > math.log(_LARGEST_RATIO) or abs(self.mean_change) > _LARGEST_OFFSET


def level_fit(source: ArrayLike, reference: ArrayLike) -> LevelFit | None:
    """Fit the gray levels of a reference to those of its source after a Gaussian filter of 3 pixels.

    The source, which has more noise, is regressed on the reference, and the line is inverted: noise in the source does
    not change the slope.

    Parameters
    ----------
    source, reference : array-like
        (Y, X) or (T, Y, X), equal shapes.

    Returns
    -------
    LevelFit or None
        None if an image is constant, or if the two are not correlated.

    Raises
    ------
    InputError
        If shapes differ, or a value is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.add.outer(np.arange(64.0), np.arange(64.0))
    >>> fit = level_fit(image / 2 - 5, image)
    >>> round(fit.slope, 3), round(fit.intercept, 3), fit.differs
    (2.0, 10.0, True)
    """
    one, two = checked_pair(source, reference, ("source", "reference"))
    sums, low, high = PairSums(), math.inf, -math.inf
    for s, r in zip(frames(one, "source"), frames(two, "reference"), strict=True):
        smooth = gaussian_filter(r, _SMOOTHING_PX)
        low, high = min(low, float(smooth.min())), max(high, float(smooth.max()))
        sums.add(smooth, gaussian_filter(s, _SMOOTHING_PX))  # regresses the source on the reference
    if high <= low or sums.slope <= 0 or sums.reference_is_constant:
        return None
    slope = 1 / sums.slope
    intercept = -sums.intercept * slope
    correlation = math.sqrt(max(0.0, 1 - sums.unexplained))
    n_values = max(3.0, sums.n / _PIXELS_PER_VALUE)
    error = math.sqrt(sums.unexplained / max(1 - sums.unexplained, 1e-12) / (n_values - 2))
    mean_change = (sums.restored_mean - sums.reference_mean) / (high - low)
    return LevelFit(slope, intercept, error, mean_change, correlation)
