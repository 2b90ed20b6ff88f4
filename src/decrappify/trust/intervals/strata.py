"""Strata of a result: two of the background and four of the foreground, by the gray level.

The limits are those of each movie, so that every field contributes to every stratum, and a large background does not
determine the coverage of the structures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from decrappify.metrics.multiscale import otsu
from decrappify.movie import Array

STRATA = (
    "background, dark half",
    "background, bright half",
    "foreground, darkest quarter",
    "foreground, second quarter",
    "foreground, third quarter",
    "foreground, brightest quarter",
)
N_BACKGROUND = 2


def strata_limits(restored: Sequence[Array]) -> list[float]:
    """Return the 5 gray levels between the strata of a result: Otsu's threshold, and quantiles below and above it.

    Parameters
    ----------
    restored : sequence of arrays
        Finite gray levels of planes of the result.

    Examples
    --------
    >>> levels = [np.r_[np.arange(100.0), np.arange(900.0, 1000.0)]]
    >>> [round(limit) for limit in strata_limits(levels)]
    [50, 100, 925, 950, 974]
    """
    levels = np.concatenate([plane.ravel() for plane in restored]).astype(np.float64)
    if levels.min() == levels.max():
        return [float(levels[0])] * (len(STRATA) - 1)
    threshold = otsu(levels)
    background, foreground = levels[levels <= threshold], levels[levels > threshold]
    quarters = np.quantile(foreground, (0.25, 0.5, 0.75)) if foreground.size else np.full(3, threshold)
    return [float(np.median(background)), threshold, *map(float, quarters)]


def stratum_of(restored: Array, limits: Sequence[float]) -> Array:
    """Return the number of the stratum of each pixel, as uint8.

    >>> stratum_of(np.array([0.0, 60, 200, 960]), [50, 100, 925, 950, 974])
    array([0, 1, 2, 4], dtype=uint8)
    """
    return np.searchsorted(np.asarray(limits), restored, side="left").astype(np.uint8)
