"""Conformal calibration: the factor of the intervals from the share of pixels that each field misses.

A loss is the share of the pixels of a field that is outside of the intervals; it decreases with the factor.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np

from decrappify._common.argument_names import argument, setting
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Array

LEAST_FIELDS = 10
FIELDS_FOR_RCPS = 200
CONFIDENCE = 0.9  # probability over calibrations with which the guarantee of RCPS holds


class Guarantee(StrEnum):
    """Statement on the coverage of a new field.

    ``MEAN``: conformal risk control (Angelopoulos et al. 2024); the mean coverage, over calibrations and fields, is at
    least the level. ``CONFIDENT``: risk-controlling prediction sets (Bates et al. 2021); with a probability of 90 %
    over calibrations, the mean coverage over fields is at least the level.
    """

    MEAN = "mean"
    CONFIDENT = "confident"


def guarantee_of(n_fields: int) -> Guarantee:
    """Return the guarantee that a number of fields permits.

    >>> guarantee_of(30), guarantee_of(200)
    (<Guarantee.MEAN: 'mean'>, <Guarantee.CONFIDENT: 'confident'>)
    """
    return Guarantee.CONFIDENT if n_fields >= FIELDS_FOR_RCPS else Guarantee.MEAN


def check_fields(n_fields: int, level: float) -> None:
    """Raise InputError if the level is not between 0.5 and 0.99, or there are not enough fields for it.

    >>> check_fields(10, 0.9)
    """
    if not isinstance(level, int | float) or isinstance(level, bool) or not 0.5 <= level <= 0.99:
        raise InputError(f"{argument('level')} is {level!r}, expected the coverage as a number from 0.5 to 0.99")
    least = max(LEAST_FIELDS, math.ceil(round(1 / (1 - level), 6)) - 1)
    if n_fields < least:
        lower = (
            "" if n_fields < LEAST_FIELDS else f", or pass {setting('level', round(1 - 1 / (n_fields + 1) - 0.005, 2))}"
        )
        raise InputError(
            f"found paired images of {counted(n_fields, 'field')} of view, expected at least {least} for intervals of "
            f"{100 * level:g} %; the frames of a movie are one field: record pairs of more fields{lower}"
        )


def allowed_risk(n_fields: int, level: float, guarantee: Guarantee) -> float:
    """Return the largest mean loss of the calibration fields with which the guarantee holds; negative if none does.

    >>> round(allowed_risk(20, 0.9, Guarantee.MEAN), 3), round(allowed_risk(200, 0.9, Guarantee.CONFIDENT), 3)
    (0.055, 0.06)
    """
    alpha = 1 - level
    if guarantee is Guarantee.MEAN:
        return ((n_fields + 1) * alpha - 1) / n_fields
    low, high = -1.0, alpha
    while high - low > 1e-6:  # the p-value increases with the risk
        middle = (low + high) / 2
        if middle < 0 or p_value(middle, n_fields, alpha) <= 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return low


def p_value(risk: float, n_fields: int, alpha: float) -> float:
    """Return the Hoeffding-Bentkus p-value of a mean risk above `alpha`, given the mean loss of some fields.

    >>> round(p_value(0.06, 200, 0.1), 3), round(p_value(0.065, 200, 0.1), 3)
    (0.087, 0.154)
    """
    from scipy.stats import binom

    below = min(risk, alpha)
    entropy = _term(below, alpha) + _term(1 - below, 1 - alpha)
    tail = float(binom.cdf(math.ceil(n_fields * risk - 1e-9), n_fields, alpha))
    return min(math.exp(-n_fields * entropy), math.e * tail, 1.0)


def smallest_factor(losses: Array, factors: Array, level: float, guarantee: Guarantee) -> float | None:
    """Return the smallest factor with the guarantee; None if none has it.

    Parameters
    ----------
    losses : array (fields, factors)
        Loss of each field with each factor, decreasing; NaN rows are fields without pixels.
    factors : array (factors,)
        Ascending.
    level : float
        Coverage.
    guarantee : Guarantee
        See `guarantee_of`.
    """
    used = losses[np.isfinite(losses).all(1)]
    if not len(used):
        return None
    suffices = used.mean(0) <= allowed_risk(len(used), level, guarantee) + 1e-12
    return float(factors[np.argmax(suffices)]) if suffices.any() else None


def _term(share: float, other: float) -> float:
    return 0.0 if share == 0 else share * math.log(share / other)
