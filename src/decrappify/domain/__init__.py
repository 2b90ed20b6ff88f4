"""Range of inputs that a model learned: features of images, their quantiles in training, and the comparison."""

from __future__ import annotations

from decrappify.domain.features import measure_features, unexpected_correlation
from decrappify.domain.ranges import CARD_KEY, Deviation, deviations, learned_ranges
from decrappify.domain.regions import plane_regions, sampled_regions

__all__ = [
    "CARD_KEY",
    "Deviation",
    "deviations",
    "learned_ranges",
    "measure_features",
    "plane_regions",
    "sampled_regions",
    "unexpected_correlation",
]
