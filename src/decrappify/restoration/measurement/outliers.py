"""Isolated outliers of a plane: hot and dead pixels, small clusters and lines, detected robustly and replaced.

A restoration network is nearly homogeneous: one pixel of ten times the range changes all predictions within its
receptive field. A pixel counts as an outlier only if it is far outside the range of the movie *and* isolated: it
exceeds all its surroundings by more than the noise, and its direct neighbors do not rise with it, as they do for any
structure imaged through an objective.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.planes.bands import bands
from decrappify.movie import Array
from decrappify.restoration.measurement.neighbors import excess_by_bands, highest_neighbor

Mask = NDArray[np.bool_]

_LEVEL_STEP = 4.0  # the next level of brightness at which clusters are searched
_CLUSTER = 6  # pixels of the largest cluster; the rim of a point spread function is raised with its center
_MOST = 0.8  # least fraction of the pixels of a cluster that must be outliers for all of them to be replaced
_LINE = 5  # pixels of the shortest line, at most two wide
# An outlier exceeds its neighbors by this many standard deviations of the noise. The lower number is sufficient if the
# excess is at least this many times that of 1 pixel in 200.
_DEVIATIONS = 6.5, 9.0
_TIMES_USUAL, _USUAL_PERCENTILE = 8.0, 99.5
_NOISE_GROUPS = (50.0, 75.0, 90.0, 97.0)  # percentiles of brightness between which noise is measured
_TRIMMED = 0.005, 8  # fraction and number of the largest differences that are ignored, as outliers may cause them
_ENOUGH_DIFFERENCES = 96
_LARGEST_WHOLE = 512  # pixels: the noise of larger planes is measured on patches of them
_PATCH, _PATCHES = 192, 3
_SPREADS = 1.5  # excess of an outlier over its surroundings, in units of their spread
_NEIGHBORS_RISE = 0.1  # at most, as a fraction of the outlier's rise
_LARGEST = 1e30  # replaces infinity
_REACH = 2  # pixels: 5 × 5 surroundings
_FITTED = 12  # known neighbors needed to fit a surface


@dataclass(frozen=True, slots=True)
class PixelNoise:
    """Noise of single pixels: the variance at gray level g is ``constant + slope * max(g, least)``.

    Attributes
    ----------
    constant, slope : float
        Terms of the variance: camera noise, and photon noise, with `slope` gray levels per photon.
    least : float
        Gray level of one photon above the dark level, the lowest level for the variance, since single photons also
        occur in darker pixels.
    usual_excess : float
        Gray levels by which 1 pixel in 200 differs from all its neighbors in the same direction.
    """

    constant: float = 0.0
    slope: float = 0.0
    least: float = 0.0
    usual_excess: float = 0.0

    @classmethod
    def of(cls, plane: Array) -> PixelNoise:
        """Estimate the noise of a plane (Y, X) from the differences of neighboring pixels, without the largest ones."""
        rows, columns = (_sampled(size) for size in plane.shape)
        thinned: Array = plane[np.ix_(rows, columns)]
        # A faulty line affects only the differences across it.
        both = [_noise_along_rows(values) for values in (thinned, thinned.T)]
        noise = min(both, key=lambda noise: noise.deviation(noise.least))
        usual = [float(np.percentile(each - highest_neighbor(each), _USUAL_PERCENTILE)) for each in (thinned, -thinned)]
        return replace(noise, usual_excess=max(0.0, *usual))

    def deviation(self, level: Any) -> Any:
        """Return the standard deviation at one or more gray levels."""
        return np.sqrt(np.maximum(self.constant + self.slope * np.maximum(level, self.least), 0.0))

    def excess(self, level: Any) -> Any:
        """Return the excess of an outlier over the gray level of its highest neighbor."""
        deviation = self.deviation(level)
        lower, upper = (times * deviation for times in _DEVIATIONS)
        return np.maximum(lower, np.minimum(upper, _TIMES_USUAL * self.usual_excess))

    def least_excess(self) -> float:
        """Return the excess of an outlier over the darkest surroundings."""
        return float(self.excess(self.least))


def _sampled(size: int) -> NDArray[np.intp]:
    """Return all indices of an axis, or sections of a long one; trimming removes the differences at their seams."""
    if size <= _LARGEST_WHOLE:
        return np.arange(size)
    starts = np.linspace(0, size - _PATCH, _PATCHES).astype(int)
    return np.unique(starts[:, None] + np.arange(_PATCH))


def _noise_along_rows(plane: Array) -> PixelNoise:
    if plane.shape[0] < 3 or plane.shape[1] < 3:
        return PixelNoise()
    wide = plane.astype(np.float64)
    difference = (wide[1:-1, 1:-1] - (wide[1:-1, :-2] + wide[1:-1, 2:]) / 2).ravel() ** 2 / 1.5
    level = np.minimum(wide[:-2, 1:-1], wide[2:, 1:-1]).ravel()  # not the level of an adjacent hot pixel
    ends = np.unique((np.array([0.0, *_NOISE_GROUPS, 100.0]) / 100 * level.size).astype(int))
    order = np.argpartition(level, ends[1:-1])  # several times as fast as sorting, which the groups do not need
    found = []
    for start, end in pairwise(ends.tolist()):
        if end - start >= min(_ENOUGH_DIFFERENCES, level.size // 4):
            picks = order[start:end]
            trimmed = min(max(int(_TRIMMED[0] * picks.size), _TRIMMED[1]), picks.size // 2)
            kept = picks.size - trimmed
            differences = np.partition(difference[picks], kept - 1)[:kept]
            found.append((float(np.median(level[picks])), float(differences.mean())))
    if not found:
        return PixelNoise()
    dark, least = found[0]
    slope = max([0.0, *((noise - least) / (bright - dark) for bright, noise in found[1:] if bright > dark)])
    return PixelNoise(least - slope * dark, slope, dark + slope)


class NoiseOnDemand:
    """Noise of one plane (Y, X), estimated when it is first needed.

    >>> NoiseOnDemand(np.zeros((9, 9), np.float32)).noise.deviation(0.0)
    np.float64(0.0)
    """

    def __init__(self, plane: Array) -> None:
        self._plane = plane

    @cached_property
    def noise(self) -> PixelNoise:
        """The estimate."""
        return PixelNoise.of(self._plane)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierLimits:
    """Criteria for outliers in one channel of a movie, in network units; measured once.

    Attributes
    ----------
    zero : float
        The dark level.
    high, low : float
        Only pixels beyond these values are examined in every frame.
    bright, dark : float
        An outlier exceeds (falls below) all its surroundings by at least this value.
    static : tuple of (y, x)
        Pixels that are outliers in most frames; replaced in all.
    """

    zero: float
    high: float
    low: float
    bright: float
    dark: float
    static: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as plain values for the state of a run."""
        return asdict(self) | {"static": [list(place) for place in self.static]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OutlierLimits:
        """Create limits from the result of `to_dict`."""
        return cls(**{**values, "static": tuple((int(y), int(x)) for y, x in values["static"])})


def find_outliers(plane: Array, limits: OutlierLimits, noise: NoiseOnDemand | None = None) -> Mask | None:
    """Find the outliers of one plane; return None if there are none, usually after comparing only its extremes.

    Parameters
    ----------
    plane : ndarray of float32, (Y, X)
        Plane in network units, without NaN.
    limits : OutlierLimits
        Limits of the channel; positions in `static` must be within the plane.
    noise : NoiseOnDemand, optional
        Noise of the plane, which may be brighter than others; if it is also needed elsewhere.

    Examples
    --------
    >>> plane = np.zeros((9, 9), np.float32)
    >>> plane[4, 6] = 10
    >>> limits = OutlierLimits(zero=0.0, high=2.0, low=-1.0, bright=0.5, dark=0.5)
    >>> np.argwhere(find_outliers(plane, limits)).tolist()
    [[4, 6]]
    """
    found = None
    noise = noise or NoiseOnDemand(plane)
    if plane.max() > limits.high:
        found = _isolated(plane, limits.zero, 1, limits.high - limits.zero, limits.bright, noise)
    if plane.min() < limits.low:
        dark = _isolated(plane, limits.zero, -1, limits.zero - limits.low, limits.dark, noise)
        found = dark if found is None else found | dark
    if limits.static:
        found = np.zeros(plane.shape, bool) if found is None else found
        found[tuple(np.transpose(limits.static))] = True
    return found if found is not None and found.any() else None


def replaced(plane: Array, outliers: Mask) -> Array:
    """Return a copy of a plane with the outliers replaced by values fitted to their surroundings.

    A surface of second order is fitted to the 5 × 5 pixels around each, without outliers, and limited to the range of
    the direct neighbors; next to large clusters and borders it is the median of the known pixels around.

    Parameters
    ----------
    plane : ndarray of float32, (Y, X)
        Any units.
    outliers : ndarray of bool, (Y, X)
        Pixels to replace.
    """
    result = plane.copy()
    rows, columns = np.nonzero(outliers)
    patches, known = _patches(plane, rows, columns), ~_patches(outliers, rows, columns)
    for i, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        result[row, column] = _estimate(patches[i].ravel(), known[i].ravel(), plane, outliers, (row, column))
    return result


def isolated_pixels(plane: Array, bright: float, dark: float, noise: NoiseOnDemand | None = None) -> Mask:
    """Return single pixels that exceed their surroundings by more than `bright` or `dark`, at any level.

    Parameters
    ----------
    plane : ndarray of float32, (Y, X)
        Without NaN.
    bright, dark : float
        As for `OutlierLimits`, in the units of the plane.
    noise : NoiseOnDemand, optional
        As for `find_outliers`.
    """
    found = np.zeros(plane.shape, bool)
    noise = noise or NoiseOnDemand(plane)
    for sign, least in ((1, bright), (-1, dark)):
        above = ((top, excess > least) for top, excess in excess_by_bands(plane, sign))
        places = [np.add(np.argwhere(band), (top, 0)) for top, band in above if band.any()]
        if places:
            rows, columns = np.concatenate(places).T
            candidates = np.zeros(plane.shape, bool)
            candidates[rows, columns] = True
            values = plane if sign > 0 else -plane
            passed, _ = _are_outliers(values, candidates, rows, columns, _Excess(least, noise, sign))
            found[rows[passed], columns[passed]] = True
    return found


@dataclass(frozen=True, slots=True)
class _Excess:
    """Excess of an outlier over its surroundings, for values ``sign * gray + shift``."""

    least: float
    on_demand: NoiseOnDemand
    sign: int
    shift: float = 0.0

    def of_noise(self, highest: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.on_demand.noise.excess(self.sign * (highest - self.shift)))


def _isolated(plane: Array, zero: float, sign: int, first: float, excess: float, noise: NoiseOnDemand) -> Mask:
    """Return isolated small clusters and lines above `first` and its multiples, starting with the highest level."""
    values = _above(plane, zero, sign)
    found = np.zeros(values.shape, bool)
    largest = float(values.max())
    levels = [first]
    while levels[-1] * _LEVEL_STEP < largest:
        levels.append(levels[-1] * _LEVEL_STEP)
    for level in reversed(levels):
        candidates = (values > level) & ~found
        rows, columns, cluster = _in_small_clusters(candidates)
        if rows.size:
            needed = _Excess(excess, noise, sign, -sign * zero)
            passed, tested = _are_outliers(values, candidates | found, rows, columns, needed)
            passed |= _most_passed(passed, tested, cluster)
            found[rows[passed], columns[passed]] = True
    return found


def _above(plane: Array, zero: float, sign: int) -> Array:
    """Return the height of a plane above (-1: below) the dark level; NaN becomes 0, and infinity a large number."""
    values = np.empty(plane.shape, np.result_type(plane, np.float32))
    for rows in bands(plane.shape):
        part = sign * (plane[rows] - zero)
        np.nan_to_num(part, copy=False, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        np.clip(part, -_LARGEST, _LARGEST, out=values[rows])
    return values


def _in_small_clusters(candidates: Mask) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return rows, columns and cluster numbers of the pixels in small connected clusters, or lines along an axis."""
    from scipy import ndimage  # most movies need no labels, and importing it takes longer than measuring a short one

    labels, count = ndimage.label(candidates, structure=np.ones((3, 3)))
    rows, columns = np.nonzero(candidates)
    cluster = labels[rows, columns]
    sizes = np.bincount(cluster, minlength=count + 1)
    small = sizes <= _CLUSTER
    if (sizes >= _LINE).any():
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            sides = [part.stop - part.start for part in box]
            small[number] |= max(sides) >= _LINE and min(sides) <= 2
    kept = small[cluster]
    return rows[kept], columns[kept], cluster[kept]


def _most_passed(passed: Mask, tested: Mask, cluster: NDArray[Any]) -> Mask:
    """Return whether pixels are in clusters in which most of the tested pixels passed."""
    n_passed, n_tested = (np.bincount(cluster, weights=which) for which in (passed, tested))
    return np.asarray(((n_passed > 0) & (n_passed >= _MOST * n_tested))[cluster])


def _are_outliers(
    values: Array, others: Mask, rows: NDArray[np.intp], columns: NDArray[np.intp], excess: _Excess
) -> tuple[Mask, Mask]:
    """Return whether each pixel is an outlier in its 5 × 5 surroundings, and whether it could be tested.

    Other candidates in the surroundings are ignored.
    """
    ring = _patches(values, rows, columns).astype(np.float64)
    unknown = _patches(others, rows, columns)
    unknown[:, _REACH, _REACH] = True
    ring[unknown] = np.nan
    inner = ring[:, 1:4, 1:4].reshape(len(rows), -1)
    outer = ring.reshape(len(rows), -1)
    tested = (np.isfinite(inner).sum(axis=1) >= 3) & (np.isfinite(outer).sum(axis=1) >= 8)
    passed = np.zeros(len(rows), bool)
    if not tested.any():
        return passed, tested
    inner, outer = inner[tested], outer[tested]
    value = values[rows[tested], columns[tested]].astype(np.float64)
    base, highest = np.nanmedian(outer, axis=1), np.nanmax(outer, axis=1)
    spread = highest - np.nanmin(outer, axis=1)
    rises = np.nanmean(inner, axis=1) - base
    isolated = (value - highest > np.maximum(excess.least, _SPREADS * spread)) & (
        rises <= _NEIGHBORS_RISE * (value - base)
    )
    if isolated.any():  # of most planes no pixel is, and their noise is not needed
        isolated &= value - highest > excess.of_noise(highest)
    passed[tested] = isolated
    return passed, tested


def _patches(plane: Array, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    """Return the 5 × 5 surroundings (n, 5, 5) of pixels, mirrored at the borders."""
    steps = np.arange(-_REACH, _REACH + 1)
    y, x = (_mirrored(places[:, None] + steps, size) for places, size in zip((rows, columns), plane.shape, strict=True))
    return plane[y[:, :, None], x[:, None, :]]


def _mirrored(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    period = max(2 * (size - 1), 1)
    index = index % period
    return np.minimum(index, np.abs(period - index)) if size > 1 else np.zeros_like(index)


_Y, _X = (step.ravel().astype(np.float64) for step in np.mgrid[-2:3, -2:3])
_SURFACE = np.stack([np.ones(25), _Y, _X, _Y * _Y, _Y * _X, _X * _X], axis=1)
_WEIGHTS = np.exp(-(_Y**2 + _X**2) / 4.0)
_INNER = (np.abs(_Y) <= 1) & (np.abs(_X) <= 1)


def _estimate(patch: Array, known: Mask, plane: Array, outliers: Mask, place: tuple[int, int]) -> float:
    inner = patch[known & _INNER]
    if known.sum() < _FITTED or inner.size < 3:
        return _wider_median(plane, outliers, place)
    weights = _WEIGHTS[known]
    fit, *_ = np.linalg.lstsq(_SURFACE[known] * weights[:, None], patch[known].astype(np.float64) * weights, rcond=None)
    return float(np.clip(fit[0], inner.min(), inner.max()))


def _wider_median(plane: Array, outliers: Mask, place: tuple[int, int]) -> float:
    """Return the median of the known pixels in the smallest square around a pixel that has enough of them."""
    for reach in (2, 4, 8, 16):
        around = tuple(slice(max(0, at - reach), at + reach + 1) for at in place)
        known = plane[around][~outliers[around]]
        if known.size >= _FITTED:
            return float(np.median(known))
    return float(np.median(plane))
