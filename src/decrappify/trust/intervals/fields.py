"""Measurements of one field: what its intervals are computed from, and the distribution of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.domain import measure_features, plane_regions
from decrappify.errors import InputError
from decrappify.movie import Array, Movie
from decrappify.normalization import sampled_planes
from decrappify.trust.intervals.scale import Noise, error_scale, measure_noise
from decrappify.trust.intervals.strata import STRATA, strata_limits, stratum_of

FACTORS = np.logspace(-2, 4, 601)
"""Factors of the scale among which the calibration selects: 100 per decade."""
_PLANES = 6


@dataclass(frozen=True, slots=True)
class FieldTerms:
    """Properties of one channel of a result, measured on regions of a few planes.

    Attributes
    ----------
    noise : Noise
        Of measured minus restored.
    limits : tuple of float
        Gray levels between the strata.
    features : dict of str to float
        Those of `decrappify.domain.measure_features` in the measured movie, and in gray levels ``signal``, the range of
        the result (1st to 99.8th percentile), and ``residual``, the standard deviation of measured minus restored.
        Empty for fields of less than 64 × 64 px and those without contrast.
    """

    noise: Noise
    limits: tuple[float, ...]
    features: dict[str, float]


def field_terms(measured: Movie, restored: Movie, frames: Sequence[int], channel: int) -> FieldTerms:
    """Measure the properties of a channel; `frames` are the measured frames of the restored ones."""
    pairs = _sampled(measured, restored, frames, channel)
    finite = [np.isfinite(low) & np.isfinite(high) for low, high in pairs]
    one, two = ([each[i][known] for each, known in zip(pairs, finite, strict=True)] for i in (0, 1))
    if not any(values.size for values in two):
        raise InputError(
            f"{restored.name} contains no finite pixels in channel {restored.channel_names[channel]}, expected a "
            "restored movie; omit the channel"
        )
    residuals = np.concatenate([a.astype(np.float64) - b for a, b in zip(one, two, strict=True)])
    low, high = np.percentile(np.concatenate(two), (1, 99.8))
    features = measure_features([each for each, _ in pairs]) or {}
    if features and high > low:
        features |= {"signal": float(high - low), "residual": float(np.sqrt(np.mean(np.square(residuals))))}
    return FieldTerms(measure_noise(one, two), tuple(strata_limits(two)), features if high > low else {})


def count_scores(restored: Array, reference: Array, terms: FieldTerms) -> Array:
    """Count the pixels of a plane (Y, X) by stratum and by the smallest factor whose interval contains the reference.

    Returns
    -------
    array (strata, factors + 1)
        int64; the last column contains the pixels outside of all intervals. Pixels that are not finite are omitted.
    """
    score = np.abs(reference.astype(np.float64) - restored) / error_scale(restored, terms.noise)
    used = np.isfinite(score)
    index = np.searchsorted(FACTORS, score[used], side="left")
    n_columns = len(FACTORS) + 1
    flat = stratum_of(restored[used], terms.limits).astype(np.int64) * n_columns + index
    return np.bincount(flat, minlength=len(STRATA) * n_columns).reshape(len(STRATA), n_columns)


def losses_of(counts: Array) -> Array:
    """Return the share of pixels outside of the intervals, by stratum and factor; NaN for a stratum without pixels.

    >>> counts = np.zeros((1, len(FACTORS) + 1), int)
    >>> counts[0, [0, 200]] = 3, 1
    >>> losses_of(counts)[0, [0, 199, 200]]
    array([0.25, 0.25, 0.  ])
    """
    total = counts.sum(-1, keepdims=True).astype(np.float64)
    total[total == 0] = np.nan
    return np.asarray(1 - np.cumsum(counts[..., :-1], axis=-1) / total)


def _sampled(measured: Movie, restored: Movie, frames: Sequence[int], channel: int) -> list[tuple[Array, Array]]:
    """Read the same regions of both movies: of at most 6 planes that were recorded."""
    planes = [(t, z) for t, z in sampled_planes(restored, channel) if (frames[t], channel, z) not in measured.missing]
    found: list[tuple[Array, Array]] = []
    for k in evenly_spaced(len(planes), _PLANES).tolist() if planes else []:
        t, z = planes[k]
        found += zip(
            plane_regions(measured, frames[t], channel, z), plane_regions(restored, t, channel, z), strict=True
        )
    return found
