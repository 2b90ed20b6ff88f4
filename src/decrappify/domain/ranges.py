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
class Scale:
    """Scale on which a feature is compared.

    Attributes
    ----------
    least : float
        Least distance of a limit from the median.
    widening : float
        Factor of the distance of a limit from the median: images vary more than those of a training set.
    is_log : bool
        Compare decimal logarithms.
    """

    least: float
    widening: float = 1.0
    is_log: bool = False

    def of(self, value: float) -> float:
        """Convert a value to the scale."""
        return math.log10(max(value, 1e-9)) if self.is_log else value

    def back(self, value: float) -> float:
        """Convert a position on the scale to a value."""
        return 10**value if self.is_log else value


# Least distances and factors are chosen on the inputs of benchmarks/noise_and_trust/input_check.py.
SCALES = {
    "brightness": Scale(0.15, widening=1.1),
    "noise": Scale(0.3, is_log=True),
    "correlation": Scale(0.1),
    "detail": Scale(0.2, widening=1.25, is_log=True),
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
        for name in SCALES
    }


def scores(features: Mapping[str, float], ranges: Mapping[str, Any]) -> dict[str, Deviation]:
    """Compare features with the learned ranges; features without a valid range are left out.

    The limits are the quantiles 0.5 and 99.5 %, at most twice as far from the median as the quantiles 5 and 95 %, so
    that single training samples do not widen the range. `Scale` widens them further.

    Returns
    -------
    dict
        Feature to its deviation, of which the score may be below 1.
    """
    compared = {}
    for name, scale in SCALES.items():
        quantiles = _valid(ranges.get(name))
        if name not in features or quantiles is None:
            continue
        lowest, low, median, high, highest = (scale.of(value) for value in quantiles)
        above = min(highest - median, 2 * (high - median)) * scale.widening
        below = min(median - lowest, 2 * (median - low)) * scale.widening
        upper, lower = median + max(above, scale.least), median - max(below, scale.least)
        value = scale.of(features[name])
        score = (value - median) / (upper - median) if value >= median else (median - value) / (median - lower)
        compared[name] = Deviation(name, features[name], scale.back(lower), scale.back(upper), score)
    return compared


def deviations(features: Mapping[str, float], ranges: Mapping[str, Any]) -> list[Deviation]:
    """Return the features outside of the learned ranges, the farthest first.

    >>> found = deviations({"brightness": 0.5}, {"brightness": [0.0, 0.05, 0.1, 0.2, 0.25]})
    >>> found[0].feature, found[0].is_high, round(found[0].score, 2)
    ('brightness', True, 2.42)
    """
    outside = [found for found in scores(features, ranges).values() if found.score > 1]
    return sorted(outside, key=lambda found: -found.score)


def _valid(quantiles: Any) -> list[float] | None:
    """Return an entry of a card if it has five ascending finite numbers; the card may come from any file."""
    if not isinstance(quantiles, list) or len(quantiles) != len(_QUANTILES):
        return None
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in quantiles):
        return None
    return quantiles if all(map(math.isfinite, quantiles)) and quantiles == sorted(quantiles) else None
