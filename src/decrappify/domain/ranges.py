"""Range of each feature in training, and the features of an input outside of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from decrappify.domain.features import measure_features
from decrappify.movie import Array

CARD_KEY = "learned_range"
"""Entry of the model card: feature to its quantiles 0.5, 5, 50, 95 and 99.5 % in training."""
_QUANTILES = 0.5, 5, 50, 95, 99.5
_LEAST_SAMPLES = 20  # fewer do not determine a range
_DIGITS = 4  # significant digits on the card


@dataclass(frozen=True, slots=True)
class _Scale:
    """Scale on which a feature is compared, and the least distance from the median that is outside."""

    least: float
    is_log: bool = False

    def of(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.is_log else value

    def back(self, value: float) -> float:
        return 10**value if self.is_log else value


_SCALES = {
    "brightness": _Scale(0.15),
    "noise": _Scale(0.3, is_log=True),
    "correlation": _Scale(0.1),
    "detail": _Scale(0.1, is_log=True),
}


@dataclass(frozen=True, slots=True)
class Deviation:
    """A feature of an input outside of the learned range.

    Attributes
    ----------
    feature : str
        Its name, see `measure_features`.
    value, low, high : float
        The value, and the limits of the learned range.
    score : float
        Distance from the learned median in units of the distance of the limit; above 1.
    """

    feature: str
    value: float
    low: float
    high: float
    score: float

    @property
    def is_high(self) -> bool:
        """Return whether the value is above the range."""
        return self.value > self.high


def learned_ranges(samples: Iterable[Sequence[Array]]) -> dict[str, list[float]]:
    """Return the quantiles of all features over training samples, for the model card.

    Parameters
    ----------
    samples : iterable of sequences of arrays (Y, X)
        Regions of one degraded field of view each.

    Returns
    -------
    dict
        Feature to its quantiles 0.5, 5, 50, 95 and 99.5 %; empty for fewer than 20 samples that can be measured.
    """
    found = [features for regions in samples if (features := measure_features(regions)) is not None]
    if len(found) < _LEAST_SAMPLES:
        return {}
    return {
        name: [float(f"{value:.{_DIGITS}g}") for value in np.percentile([each[name] for each in found], _QUANTILES)]
        for name in _SCALES
    }


def scores(features: Mapping[str, float], ranges: Mapping[str, Any]) -> dict[str, Deviation]:
    """Compare features with the learned ranges; features without a valid range are left out.

    The limits are the quantiles 0.5 and 99.5 %, but not farther from the quantiles 5 and 95 % than these from the
    median, so that single training samples do not widen the range; a minimum distance from the median keeps the range
    of few training images from being narrower than the spread between images of one kind.

    Returns
    -------
    dict
        Feature to its deviation, of which the score may be below 1.
    """
    compared = {}
    for name, scale in _SCALES.items():
        quantiles = ranges.get(name)
        if name not in features or not _is_valid(quantiles):
            continue
        lowest, low, median, high, highest = (scale.of(value) for value in quantiles)
        upper = max(min(highest, 2 * high - median), median + scale.least)
        lower = min(max(lowest, 2 * low - median), median - scale.least)
        value = scale.of(features[name])
        score = (value - median) / (upper - median) if value >= median else (median - value) / (median - lower)
        compared[name] = Deviation(name, features[name], scale.back(lower), scale.back(upper), score)
    return compared


def deviations(features: Mapping[str, float], ranges: Mapping[str, Any]) -> list[Deviation]:
    """Return the features outside of the learned ranges, the farthest first.

    >>> found = deviations({"brightness": 0.5}, {"brightness": [0.0, 0.05, 0.1, 0.2, 0.25]})
    >>> found[0].feature, found[0].is_high, round(found[0].score, 2)
    ('brightness', True, 2.67)
    """
    outside = [found for found in scores(features, ranges).values() if found.score > 1]
    return sorted(outside, key=lambda found: -found.score)


def _is_valid(quantiles: Any) -> bool:
    """Return whether an entry of a card, which may come from any file, has five ascending finite numbers."""
    if not isinstance(quantiles, list) or len(quantiles) != len(_QUANTILES):
        return False
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in quantiles):
        return False
    return all(math.isfinite(value) for value in quantiles) and quantiles == sorted(quantiles)
