"""Sample of the planes of a channel: block means, and the excess of single pixels over their neighbors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.movie import Array, Movie
from decrappify.normalization import (
    Normalization,
    NormalizationRule,
    finite_blocks,
    finite_frame,
    normalization_of,
    sampled_planes,
)
from decrappify.restoration.measurement.medians import block_medians
from decrappify.restoration.measurement.neighbors import excess_by_bands
from decrappify.restoration.measurement.outliers import PixelNoise
from decrappify.restoration.measurement.repair import filled

HIGH, LOW = 2.0, -1.0  # gray levels beyond which a plane is examined for outliers, in units of the movie's range
_EXCESS = 0.5  # in units of the movie's range
_EXAMINED_PIXELS = 1 << 23  # in total
_FEWEST = 5  # planes to examine, and those whose noise is estimated


class PlaneSample:
    """Planes spread over the movie: block means, and excess of pixels over their neighbors, in gray levels."""

    def __init__(
        self,
        movie: Movie,
        channel: int,
        rule: NormalizationRule,
        nan: str,
        places: list[tuple[int, int]] | None = None,
    ) -> None:
        self.movie, self.channel, self.rule, self.nan = movie, channel, rule, nan
        self.places = places or sampled_planes(movie, channel)
        self.blocks: list[Array] = []
        self._facts: list[_Facts] = []
        pixels = movie.shape[3] * movie.shape[4]
        examined = evenly_spaced(len(self.places), max(_FEWEST, _EXAMINED_PIXELS // pixels))
        noisy = examined[evenly_spaced(len(examined), _FEWEST)]
        for i, (t, z) in enumerate(self.places):
            frame = finite_frame(movie, t, channel, z, nan=nan)
            self.blocks.append(finite_blocks(frame, rule.bin_size))
            self._facts.append(_facts(frame, with_noise=i in noisy) if i in examined else _extremes(frame))

    def normalization(self) -> Normalization:
        """Return the normalization of the current blocks."""
        return normalization_of(self.movie, self.channel, self.rule, self.blocks)

    def robust(self, usual: Normalization) -> Normalization:
        """Return the range of block medians, which small outliers do not change; `usual` if that range is empty."""
        medians = [facts.medians for facts in self._facts if facts.medians.size]
        if not medians:
            return usual
        low, high = np.percentile(np.concatenate(medians), [self.rule.low, self.rule.high])
        return Normalization(float(low), float(high - low)) if high > low else usual

    def excess(self, range_: Normalization) -> tuple[float, float]:
        """Return the least number of gray levels by which a bright and a dark outlier exceed their neighbors."""
        noise = np.median([facts.noise.least_excess() for facts in self._facts if facts.noise is not None] or [0.0])
        least = max(_EXCESS * range_.scale, float(noise))
        return least, least

    def suspects(self, range_: Normalization) -> list[int]:
        """Return the planes that may contain outliers."""
        bright, dark = self.excess(range_)
        high, low = (range_.offset + range_.scale * limit for limit in (HIGH, LOW))
        return [
            i
            for i, facts in enumerate(self._facts)
            if facts.largest > high
            or facts.smallest < low
            or facts.largest_excess[0] > bright
            or facts.largest_excess[1] > dark
        ]

    def plane(self, i: int) -> tuple[Array, Array]:
        """Return a plane, NaN filled (gray levels; floats are float64), and the mask of NaN."""
        t, z = self.places[i]
        frame = finite_frame(self.movie, t, self.channel, z, nan=self.nan)
        if frame.dtype.kind != "f":
            return frame, np.zeros(frame.shape, bool)
        frame = frame.astype(np.float64)
        return (frame, np.isnan(frame)) if np.isnan(frame).all() else filled(frame)

    def keep(self, picks: list[int]) -> None:
        """Keep only the selected planes."""
        self.places, self.blocks = [self.places[i] for i in picks], [self.blocks[i] for i in picks]
        self._facts = [self._facts[i] for i in picks]

    def is_examined(self, i: int) -> bool:
        """Return whether single pixels of a plane were compared with their neighbors."""
        return self._facts[i].examined

    def extremes(self, i: int) -> tuple[float, float]:
        """Return the smallest and the largest gray level of a plane."""
        return self._facts[i].smallest, self._facts[i].largest


@dataclass(frozen=True, slots=True)
class _Facts:
    """Extremes of a plane and, if it was examined, the excess of single pixels."""

    smallest: float
    largest: float
    examined: bool = False
    largest_excess: tuple[float, float] = (0.0, 0.0)
    noise: PixelNoise | None = None
    medians: Array = field(default_factory=lambda: np.empty(0))


def _extremes(frame: Array) -> _Facts:
    known = frame[~np.isnan(frame)] if frame.dtype.kind == "f" else frame
    return _Facts(float(known.min()), float(known.max())) if known.size else _Facts(np.inf, -np.inf)


def _facts(frame: Array, *, with_noise: bool) -> _Facts:
    if frame.dtype.kind == "f":
        if np.isnan(frame).all():
            return _Facts(np.inf, -np.inf)
        frame, _ = filled(frame)
    wide: NDArray[np.floating[Any]] = frame.astype(np.float32 if frame.dtype.itemsize <= 2 else np.float64)
    extremes, medians = (float(wide.min()), float(wide.max())), block_medians(wide)
    bright, dark = (max(float(excess.max()) for _, excess in excess_by_bands(wide, sign)) for sign in (1, -1))
    return _Facts(*extremes, True, (bright, dark), PixelNoise.of(wide) if with_noise else None, medians)
