"""Range of the calibrated fields, and movies outside of it, for which the coverage is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from decrappify.domain import Deviation
from decrappify.domain.ranges import Scale

SCALES = {
    "brightness": Scale(0.02),
    "noise": Scale(0.02, is_log=True),
    "correlation": Scale(0.02),
    "detail": Scale(0.02, is_log=True),
    "signal": Scale(0.02, is_log=True),
    "residual": Scale(0.02, is_log=True),
}
"""Scale of each feature; `least` is the least standard deviation."""
FALSE_ALARMS = 0.05
_LEAST_FIELDS = 10
_DIGITS = 5

Ranges = dict[str, tuple[float, float]]


def calibrated_ranges(features: Sequence[Mapping[str, float]]) -> tuple[Ranges, float]:
    """Return center and spread of each feature over the fields, and the largest distance that is inside.

    The distance of a field is that of its farthest feature from the median of the other fields, in their standard
    deviations. 5 % of new fields of the same kind are outside, with n < 19 fields 1 in n + 1.

    Returns
    -------
    dict and float
        Feature to (median, standard deviation) on its scale; empty for fewer than 10 fields with features.
    """
    known = [each for each in features if all(name in each for name in SCALES)]
    if len(known) < _LEAST_FIELDS:
        return {}, 0.0
    distances = sorted(_farthest(each, _ranges(known[:i] + known[i + 1 :]))[1] for i, each in enumerate(known))
    rank = min(math.ceil((1 - FALSE_ALARMS) * (len(known) + 1)), len(known))
    return _ranges(known), _rounded(distances[rank - 1])


def _ranges(features: Sequence[Mapping[str, float]]) -> Ranges:
    values = {name: [scale.of(each[name]) for each in features] for name, scale in SCALES.items()}
    return {
        name: (_rounded(float(np.median(each))), _rounded(max(float(np.std(each)), SCALES[name].least)))
        for name, each in values.items()
    }


def deviation(features: Mapping[str, float], ranges: Ranges, limit: float) -> Deviation | None:
    """Return the farthest feature if it is outside of the range of the calibrated fields."""
    if not ranges or not all(name in features for name in ranges):
        return None
    name, distance = _farthest(features, ranges)
    if distance <= limit:
        return None
    scale, (center, spread) = SCALES[name], ranges[name]
    low, high = (scale.back(center + sign * limit * spread) for sign in (-1, 1))
    return Deviation(name, features[name], low, high, distance / limit if limit else math.inf)


def _farthest(features: Mapping[str, float], ranges: Ranges) -> tuple[str, float]:
    distances = {name: abs(SCALES[name].of(features[name]) - ranges[name][0]) / ranges[name][1] for name in ranges}
    name = max(distances, key=lambda each: distances[each])
    return name, distances[name]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
