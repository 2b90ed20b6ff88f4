"""Measurement of the normalization and outlier limits of a channel, robust against outliers.

One hot pixel in a small frame, or one flash among the sampled frames, would stretch the range of the whole movie.
Planes without outliers are read once, and result in exactly the normalization of `decrappify.normalization.measure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from decrappify._common.planes.bands import bands
from decrappify.movie import Array, Movie
from decrappify.normalization import (
    ChannelStatistics,
    ConstantChannelError,
    Normalization,
    NormalizationRule,
    finite_blocks,
    finite_frame,
    sampled_planes,
)
from decrappify.restoration.measurement.flashes import Brightness, find_flash, sampled_patches
from decrappify.restoration.measurement.outliers import (
    Mask,
    NoiseOnDemand,
    OutlierLimits,
    find_outliers,
    isolated_pixels,
    replaced,
)
from decrappify.restoration.measurement.plane_sample import HIGH, LOW, PlaneSample
from decrappify.restoration.measurement.repair import filled

_FAR = 0.2  # in units of the movie's range
_BEYOND = 1.1, 0.25  # factor and offset of the limits beyond the extremes of clean planes
# A static outlier, which may be within the range, is an outlier in at least half of the planes, at least three planes.
_STATIC_SHARE, _STATIC_PLANES = 0.5, 3


@dataclass(frozen=True, slots=True)
class Channel:
    """Values measured for one channel before the first plane is restored.

    Attributes
    ----------
    normalization : Normalization
        Gray levels to network units; a constant channel becomes 0 everywhere.
    limits : OutlierLimits or None
        None if outliers are kept.
    constant : float or None
        The gray level of a constant channel; None for other channels.
    """

    normalization: Normalization
    limits: OutlierLimits | None = None
    constant: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain types for the state of a run."""
        return {
            "offset": self.normalization.offset,
            "scale": self.normalization.scale,
            "limits": None if self.limits is None else self.limits.to_dict(),
            "constant": self.constant,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Channel:
        """Create a channel from the result of `to_dict`."""
        limits = values["limits"]
        return cls(
            Normalization(values["offset"], values["scale"]),
            None if limits is None else OutlierLimits.from_dict(limits),
            values["constant"],
        )


def measure_channel(
    movie: Movie,
    channel: int,
    rule: NormalizationRule | ChannelStatistics,
    *,
    nan: str = "error",
    outliers: bool = True,
    flashes: bool = True,
) -> Channel:
    """Measure normalization and outlier limits of one channel.

    Parameters
    ----------
    movie : Movie
        At most 32 of its planes are read, those with outliers up to four times; all only if these are constant.
    channel : int
        The channel.
    rule : NormalizationRule or ChannelStatistics
        Rule of the model.
    nan : {"error", "fill", "zero"}
        As for `decrappify.normalization.measure`.
    outliers : bool
        Whether to find outliers; otherwise only the normalization is measured.
    flashes : bool
        Whether frames are consecutive in time, so that one may be a flash.

    Returns
    -------
    Channel
        With `constant` set if the channel has one gray level.

    Raises
    ------
    InputError
        As for `decrappify.normalization.measure`, except for constant channels.
    """
    if sum(c == channel for _, c, _ in movie.missing) == movie.shape[0] * movie.shape[2] and movie.shape[1] > 1:
        return Channel(Normalization(0.0, 1.0), None, 0.0)  # never recorded; reported by report_start
    fixed = rule.normalization(channel, movie.dtype) if isinstance(rule, ChannelStatistics) else None
    if fixed is not None and not outliers:
        return Channel(fixed)
    own_rule = NormalizationRule() if isinstance(rule, ChannelStatistics) else rule
    try:
        measured, limits = _measured(PlaneSample(movie, channel, own_rule, nan), outliers=outliers, flashes=flashes)
    except ConstantChannelError as error:
        constant = Channel(fixed or Normalization(error.value, 1.0), None, error.value)
        others = _differing_planes(movie, channel, error.value)
        if not others:
            return constant
        try:
            constant_ones = sampled_planes(movie, channel)[: len(others)]
            sample = PlaneSample(movie, channel, own_rule, nan, sorted({*others, *constant_ones}))
            measured, limits = _measured(sample, outliers=outliers, flashes=flashes)
        except ConstantChannelError:  # constant except for outliers
            return constant
    if fixed is None or limits is None:
        return Channel(measured, limits)
    return Channel(fixed, _converted(limits, measured, fixed))


def _measured(sample: PlaneSample, *, outliers: bool, flashes: bool) -> tuple[Normalization, OutlierLimits | None]:
    measured = sample.normalization()
    return _without_outliers(sample, measured, flashes=flashes) if outliers else (measured, None)


def _differing_planes(movie: Movie, channel: int, value: float, limit: int = 32) -> list[tuple[int, int]]:
    """Return frame and slice of planes of a channel with a gray level other than `value`; may read all planes."""
    found: list[tuple[int, int]] = []
    for t, c, z in movie.planes():
        if c == channel and (t, c, z) not in movie.missing and len(found) < limit:
            frame = movie.frame(t, c, z)
            known = frame[np.isfinite(frame)] if frame.dtype.kind == "f" else frame
            if known.size and (known.min() != value or known.max() != value):
                found.append((t, z))
    return found


def _without_outliers(
    sample: PlaneSample, usual: Normalization, *, flashes: bool
) -> tuple[Normalization, OutlierLimits]:
    """Measure again if outliers or flashes were among the sampled planes, first with a range that ignores them."""
    range_ = sample.robust(usual)
    kept = list(range(len(sample.places)))
    if flashes:
        kept = _without_flashes(sample, range_)
        if len(kept) < len(sample.places):
            sample.keep(kept)
            usual = sample.normalization()
            range_ = sample.robust(usual)
    suspects = sample.suspects(range_)
    original = {i: sample.blocks[i] for i in suspects}
    cleaned = _Cleaned()
    for _ in range(2 if suspects else 0):
        for i, blocks in original.items():
            sample.blocks[i] = blocks
        cleaned = _clean(sample, suspects, range_)
        range_ = sample.normalization()
        if not cleaned.extremes:
            break
    return (range_, _limits(sample, range_, cleaned)) if cleaned.extremes else (usual, _limits(sample, usual, cleaned))


@dataclass(slots=True)
class _Cleaned:
    """Result of the replacement: extremes of cleaned planes, static outliers, least bright and least dark outlier."""

    extremes: dict[int, tuple[float, float]] = field(default_factory=dict)
    static: tuple[tuple[int, int], ...] = ()
    least_bright: float = np.inf
    least_dark: float = -np.inf


def _clean(sample: PlaneSample, suspects: list[int], range_: Normalization) -> _Cleaned:
    """Replace the outliers of the suspect planes in the sample's blocks."""
    bright, dark = sample.excess(range_)
    limits = OutlierLimits(zero=0.0, high=HIGH, low=LOW, bright=bright / range_.scale, dark=dark / range_.scale)
    cleaned = _Cleaned()
    counts: dict[tuple[int, int], int] = {}
    clusters_of: dict[int, Mask] = {}
    for i in suspects:
        gray = sample.plane(i)[0]
        if gray.dtype.kind == "f" and np.isnan(gray).all():
            continue
        plane = _in_units(gray, range_)
        noise = NoiseOnDemand(plane)
        clusters = find_outliers(plane, limits, noise)
        if clusters is not None:
            clusters_of[i] = clusters
            bright_ones = gray[clusters & (plane > 0)].astype(np.float64)  # integers have no infinity
            dark_ones = gray[clusters & (plane < 0)].astype(np.float64)
            cleaned.least_bright = min(cleaned.least_bright, float(bright_ones.min(initial=np.inf)))
            cleaned.least_dark = max(cleaned.least_dark, float(dark_ones.max(initial=-np.inf)))
        if not sample.is_examined(i):
            continue
        both = isolated_pixels(plane, limits.bright, limits.dark, noise)
        if clusters is not None:
            both |= clusters
        for y, x in np.argwhere(both).tolist():
            counts[y, x] = counts.get((y, x), 0) + 1
    examined = sum(sample.is_examined(i) for i in range(len(sample.places)))
    places = sorted(place for place, count in counts.items() if count >= _STATIC_SHARE * examined)
    cleaned.static = tuple(places) if examined >= _STATIC_PLANES else ()
    for i in suspects:
        gray, unknown = sample.plane(i)
        found = clusters_of.get(i, np.zeros(gray.shape, bool))
        if cleaned.static:
            found[tuple(np.transpose(cleaned.static))] = True
        found &= ~unknown
        if found.any():
            gray = replaced(gray.astype(np.float64, copy=False), found)
            cleaned.extremes[i] = float(gray.min()), float(gray.max())
            gray[unknown] = np.nan
            sample.blocks[i] = finite_blocks(gray, sample.rule.bin_size)
    return cleaned


def _in_units(plane: Array, range_: Normalization) -> Array:
    values = np.empty(plane.shape, np.float32)
    for rows in bands(plane.shape):
        exact = (plane[rows].astype(np.float64) - range_.offset) / range_.scale
        values[rows] = np.clip(exact, -1e30, 1e30, out=exact)
    return values


def _limits(sample: PlaneSample, range_: Normalization, cleaned: _Cleaned) -> OutlierLimits:
    """Return limits beyond all values of clean planes, in units of the range, but not beyond the found outliers."""
    clean = np.array([cleaned.extremes.get(i, sample.extremes(i)) for i in range(len(sample.places))])
    lowest, highest = (np.array([clean[:, 0].min(), clean[:, 1].max()]) - range_.offset) / range_.scale
    least_bright, least_dark = (
        0.999 * (level - range_.offset) / range_.scale for level in (cleaned.least_bright, cleaned.least_dark)
    )
    factor, offset = _BEYOND
    bright, dark = sample.excess(range_)
    return OutlierLimits(
        zero=0.0,
        high=max(HIGH, min(factor * float(highest) + offset, least_bright)),
        low=min(LOW, max(factor * float(lowest) - offset, least_dark)),
        bright=bright / range_.scale,
        dark=dark / range_.scale,
        static=cleaned.static,
    )


def _without_flashes(sample: PlaneSample, range_: Normalization) -> list[int]:
    """Return the sampled planes without flashes; for a possible flash, the frames around it are read as well."""
    shape = (sample.movie.shape[3], sample.movie.shape[4])
    known: dict[tuple[int, int], Brightness | None] = {}

    def brightness(t: int, z: int) -> Brightness | None:
        if (t, z) not in known:
            known[t, z] = None
            if (t, sample.channel, z) not in sample.movie.missing:
                frame = finite_frame(sample.movie, t, sample.channel, z, nan=sample.nan)
                if frame.dtype.kind != "f" or not np.isnan(frame).all():
                    plane = range_.apply(filled(frame)[0] if frame.dtype.kind == "f" else frame)
                    known[t, z] = Brightness.of([plane[patch] for patch in sampled_patches(shape)])
        return known[t, z]

    kept = []
    levels = [np.percentile(blocks, (5, 50, 90, 99)) if blocks.size else None for blocks in sample.blocks]
    for i, (t, z) in enumerate(sample.places):
        others = [levels[j] for j, (_, other_z) in enumerate(sample.places) if other_z == z and j != i]
        may_be = _is_far_out(levels[i], [one for one in others if one is not None], sample.blocks[i].size, range_)
        if not may_be or find_flash(t, sample.movie.shape[0], partial(brightness, z=z)) is None:
            kept.append(i)
    return kept or list(range(len(sample.places)))


def _is_far_out(own: Array | None, usual: list[Array], n_blocks: int, range_: Normalization) -> bool:
    """Return whether the levels of a plane's blocks are far beyond those of most other planes of its slice."""
    if own is None or not usual:
        return False
    middle = np.median(usual, axis=0)
    noise = 2 * (middle[2] - middle[0]) / np.sqrt(n_blocks)
    return bool(np.abs(own - middle)[[1, 3]].max() > _FAR * range_.scale + noise)


def _converted(limits: OutlierLimits, range_: Normalization, units: Normalization) -> OutlierLimits:
    """Convert limits to the units of another normalization."""
    factor = range_.scale / units.scale
    shift = (range_.offset - units.offset) / units.scale
    return replace(
        limits,
        zero=limits.zero * factor + shift,
        high=limits.high * factor + shift,
        low=limits.low * factor + shift,
        bright=limits.bright * factor,
        dark=limits.dark * factor,
    )
