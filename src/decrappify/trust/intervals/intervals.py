"""`Intervals`: the result of a calibration on pairs, and its file."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._version import __version__
from decrappify.domain import Deviation
from decrappify.errors import FormatError, InputError
from decrappify.movie import Array, Movie
from decrappify.trust.intervals.checks import check_channels, check_model, described
from decrappify.trust.intervals.conformal import Guarantee, allowed_risk, check_fields, guarantee_of, smallest_factor
from decrappify.trust.intervals.domain import SCALES, Ranges, calibrated_ranges, deviation
from decrappify.trust.intervals.fields import FACTORS, FieldTerms, field_terms, losses_of
from decrappify.trust.intervals.files import read_intervals, write_intervals
from decrappify.trust.intervals.scale import error_scale
from decrappify.trust.intervals.strata import STRATA, stratum_of
from decrappify.trust.pair import MoviePair, opened_pair

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelIntervals:
    """Calibration of one channel.

    Attributes
    ----------
    factors : tuple of float
        Half width in units of the scale of the error, for each stratum.
    counts : tuple of int
        Fields with pixels in each stratum.
    ranges : dict
        Feature to its median and standard deviation over the fields.
    limit : float
        Largest distance from the median, in standard deviations, that is inside of the calibrated range.
    """

    factors: tuple[float, ...]
    counts: tuple[int, ...]
    ranges: Ranges
    limit: float

    def bounds(self, restored: Array, terms: FieldTerms) -> tuple[Array, Array]:
        """Return the lower and the upper bound of each pixel of a plane (Y, X), as float32."""
        level = restored.astype(np.float32)
        factors = np.asarray(self.factors, np.float32)
        half = factors[stratum_of(level, terms.limits)] * error_scale(level, terms.noise)
        return level - half, level + half


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Calibrated intervals of a model: lower and upper bound of the reference for each pixel of a result.

    Created by `decrappify.calibrate_intervals`; ``docs/intervals.md`` explains what they mean.

    Attributes
    ----------
    level : float
        Coverage: the mean share of the pixels of a new field, in each stratum, of which the interval contains the
        reference.
    guarantee : str
        ``mean`` or ``confident``, see `decrappify.trust.Guarantee`.
    n_fields : int
        Fields of the calibration.
    model, model_sha256 : str
        Name of the model, and checksum of its weights.
    channels : tuple of ChannelIntervals
        One for each channel.

    Examples
    --------
    >>> import decrappify as dc
    >>> intervals = dc.calibrate_intervals("fluorescence-still", "pairs")  # doctest: +SKIP
    >>> intervals.save("intervals.toml")  # doctest: +SKIP
    >>> low, high = dc.Intervals.load("intervals.toml").bounds(measured, restored)  # doctest: +SKIP
    """

    level: float
    guarantee: Guarantee
    n_fields: int
    model: str
    model_sha256: str
    channels: tuple[ChannelIntervals, ...]

    def bounds(self, measured: Any, restored: Any) -> tuple[Array, Array]:
        """Return the lower and the upper bound of each pixel of a result.

        Parameters
        ----------
        measured : path, Movie or array
            The movie that was restored.
        restored : path, Movie or array
            Restored by the model of the calibration, as for `decrappify.interval_map`, which also writes bounds to a
            file in constant memory.

        Returns
        -------
        tuple of arrays
            float32, in the shape of `restored` if it is an array, else (T, C, Z, Y, X).
        """
        with opened_pair(measured, restored, "intervals", None) as pair:
            terms, result = self.terms(pair), pair.restored
            self.outside(terms, result.name)
            low, high = np.empty(result.shape, np.float32), np.empty(result.shape, np.float32)
            for t, c, z in result.planes():
                low[t, c, z], high[t, c, z] = self.channels[c].bounds(result.frame(t, c, z), terms[c])
        shape = low.shape if isinstance(restored, str | os.PathLike | Movie) else np.shape(restored)
        return low.reshape(shape), high.reshape(shape)

    def terms(self, pair: MoviePair) -> list[FieldTerms]:
        """Measure the properties of a result from which its intervals are computed, one entry per channel.

        Raises
        ------
        InputError
            If the result was restored with another model, or has other channels.
        """
        check_model(pair.restored, self.model, self.model_sha256)
        check_channels(pair.restored, len(self.channels))
        return [field_terms(pair.measured, pair.restored, pair.frames, c) for c in range(len(self.channels))]

    def outside(self, terms: Sequence[FieldTerms], name: str) -> dict[int, Deviation]:
        """Return, for each channel that is outside of the range of the fields, its farthest feature; log a warning."""
        found = [
            deviation(one.features, channel.ranges, channel.limit)
            for one, channel in zip(terms, self.channels, strict=True)
        ]
        outside = {c: each for c, each in enumerate(found) if each is not None}
        for c, each in outside.items():
            channel = f", channel {c}" if len(self.channels) > 1 else ""
            logger.warning("%s%s: %s", name, channel, described(each, self.n_fields))
        return outside

    def describe(self) -> str:
        """Return level, guarantee and fields in words.

        >>> one = Intervals(level=0.9, guarantee="mean", n_fields=30, model="m", model_sha256="", channels=())
        >>> one.describe()
        '90 % intervals, calibrated on 30 fields'
        """
        return f"{100 * self.level:g} % intervals, calibrated on {self.n_fields} fields"

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a ``.toml`` file and return its path.

        Raises
        ------
        FormatError
            If the file has another suffix.
        OutputExistsError, OutputError
            If it exists and `overwrite` is False, or cannot be written.
        """
        return write_intervals(self._to_dict(), Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Intervals:
        """Read a file of `save`.

        Raises
        ------
        MissingFileError, FormatError
            If the file does not exist, or does not contain intervals.
        """
        table = read_intervals(Path(path))
        try:
            return cls(
                level=float(table["level"]),
                guarantee=Guarantee(table["guarantee"]),
                n_fields=int(table["n_fields"]),
                model=str(table["model"]),
                model_sha256=str(table["model_sha256"]),
                channels=tuple(_channel(each) for each in table["channels"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path} is damaged: {error} is missing or not valid; calibrate again") from error

    def _to_dict(self) -> dict[str, Any]:
        channels = [
            {
                "factors": list(each.factors),
                "counts": list(each.counts),
                "limit": each.limit,
                "ranges": {name: list(values) for name, values in each.ranges.items()},
            }
            for each in self.channels
        ]
        return {
            "software": f"decrappify {__version__}",
            "level": self.level,
            "guarantee": str(self.guarantee),
            "n_fields": self.n_fields,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "strata": list(STRATA),
            "channels": channels,
        }


def fit_channel(counts: Array, features: Sequence[Mapping[str, float]], level: float) -> ChannelIntervals:
    """Calibrate one channel.

    A stratum that is present in too few fields has the largest factor of the other strata.

    Parameters
    ----------
    counts : array (fields, strata, factors + 1)
        See `count_scores`.
    features : sequence of dict
        Of each field, see `FieldTerms`.
    level : float
        Coverage.

    Raises
    ------
    InputError
        If there are not enough fields, or no factor is large enough.
    """
    check_fields(len(counts), level)
    losses = losses_of(counts)
    present = (counts.sum(2) > 0).sum(0)
    factors = [
        smallest_factor(losses[:, k], FACTORS, level, guarantee_of(int(n))) if _is_enough(int(n), level) else 0.0
        for k, n in enumerate(present)
    ]
    found = [factor for factor in factors if factor is not None]
    if len(found) < len(factors) or not max(found):
        raise InputError(
            "the errors of the result are more than 10000 times its noise and contrast in some of the pairs, expected "
            "references of the same field and in the same gray levels; check the pairs"
        )
    ranges, limit = calibrated_ranges(features)
    return ChannelIntervals(
        factors=tuple(factor or max(found) for factor in found),
        counts=tuple(map(int, present)),
        ranges=ranges,
        limit=limit,
    )


def _is_enough(n_fields: int, level: float) -> bool:
    return n_fields > 0 and allowed_risk(n_fields, level, guarantee_of(n_fields)) >= 0


def _channel(table: Mapping[str, Any]) -> ChannelIntervals:
    """Return the calibration of a channel from its table in a file."""
    factors, counts = [float(each) for each in table["factors"]], [int(each) for each in table["counts"]]
    ranges = {str(name): (float(one), float(two)) for name, (one, two) in table["ranges"].items()}
    limit = float(table["limit"])
    numbers = [*factors, limit, *(each for pair in ranges.values() for each in pair)]
    if len(factors) != len(STRATA) or len(counts) != len(STRATA) or not np.isfinite(numbers).all() or min(factors) <= 0:
        raise ValueError("factors")
    if set(ranges) - set(SCALES) or any(spread <= 0 for _, spread in ranges.values()):
        raise ValueError("ranges")
    return ChannelIntervals(factors=tuple(factors), counts=tuple(counts), ranges=ranges, limit=limit)
