"""Flash frames: one or two consecutive frames with a brightness different from that of the frames before and after.

A frame is a flash only if the brightness returns after it. Light that is switched on, bleaching and transients of
several frames are not flashes, nor is a frame in which only some objects light up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decrappify.movie import Array
from decrappify.normalization import binned

Levels = NDArray[np.float64]

_PERCENTILES = (5.0, 25.0, 50.0, 75.0, 90.0, 97.0, 99.0, 99.5, 99.8)
_WIDE = 4  # the 90th percentile
_BIN = 4
_ENOUGH_BLOCKS = 20  # above a level, for a reliable value
_FEWEST = 16  # blocks: smaller frames are not compared
_LARGEST_WHOLE = 768  # pixels: larger frames are sampled by patches
_PATCH, _PATCHES = 256, 3
_STEP = 0.25  # of the unit range: smaller differences have little effect
_AGREE = 0.25  # the frames around differ by at most this fraction of the flash
_FIT = 0.08  # the whole frame follows one factor and offset, to this fraction
# Less strict above this factor, as different objects that light up do not share one factor; two levels may then differ.
_STRONG, _STRONG_FIT = 2.5, 0.2
_ALL_BUT_ONE = 3  # of the four frames around: two flashes with a frame between them, not every other frame
_SATURATED = 0.002  # share of pixels at the limit of the dtype from which the factor cannot be inverted
_MAPPED = (0.4, 50.0)  # factors that can be inverted without amplifying noise


@dataclass(frozen=True, slots=True)
class Flash:
    """Difference of a flash frame from the frames around it: ``flash = gain * usual + offset`` in network units.

    Attributes
    ----------
    gain, offset : float
        Gain and offset of the flash.
    usable : bool
        False if the frame cannot be scaled to the usual level: saturated or (nearly) black.
    """

    gain: float
    offset: float
    usable: bool


@dataclass(frozen=True, slots=True)
class Brightness:
    """Brightness of a frame.

    Attributes
    ----------
    levels : ndarray of float64
        Percentiles of the brightness in blocks of 4 × 4 pixels, in network units.
    saturated : bool
        Whether many pixels share the largest value.
    noise : float
        Expected difference between the levels of equal frames, due to the limited number of blocks.
    blocks : int
        Number of blocks.
    """

    levels: Levels
    saturated: bool
    noise: float
    blocks: int

    @classmethod
    def of(cls, patches: Sequence[Array]) -> Brightness:
        """Measure the brightness of a frame from its `sampled_patches`, float32 in network units."""
        blocks = np.concatenate([binned(patch, _BIN).ravel() for patch in patches])
        largest = max(patch.max() for patch in patches)
        at_limit = sum(int(np.count_nonzero(patch == largest)) for patch in patches)
        levels = np.asarray(np.percentile(blocks, _PERCENTILES))
        return cls(
            levels,
            bool(at_limit > _SATURATED * sum(patch.size for patch in patches)),
            float(2 * (levels[_WIDE] - levels[0]) / np.sqrt(blocks.size)) if blocks.size >= _FEWEST else np.inf,
            blocks.size,
        )

    def distance(self, other: Brightness) -> float:
        """Return the difference between the levels of two frames, in network units.

        It is the second-largest difference, as a single object that lights up changes only the highest level.
        """
        return _largest_but_one(self.levels - other.levels)

    def differs(self, other: Brightness) -> bool:
        """Return whether two frames differ so much that one of them may be a flash."""
        return self.distance(other) > _STEP + min(self.noise, other.noise)


def sampled_patches(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Return the rectangles of a frame (Y, X) on which its levels are measured: all of it, or patches if large."""
    spans = []
    for size in shape:
        if size <= _LARGEST_WHOLE:
            spans.append([slice(0, size)])
        else:
            starts = np.linspace(0, size - _PATCH, _PATCHES).astype(int) // _BIN * _BIN
            spans.append([slice(int(start), int(start) + _PATCH) for start in starts])
    return [(rows, columns) for rows in spans[0] for columns in spans[1]]


def find_flash(t: int, length: int, brightness: Callable[[int], Brightness | None]) -> Flash | None:
    """Return the difference of frame `t` from the two frames before and after it if it is a flash, else None.

    Parameters
    ----------
    t, length : int
        The frame, and the number of frames.
    brightness : callable
        Brightness of frame i, None for frames that were never recorded.
    """
    found = _difference(t, length, brightness)
    if found is None or found[1] is None:
        return None if found is None else found[0]
    # Both of two consecutive flashes must qualify separately.
    other = _difference(found[1], length, brightness)
    return found[0] if other is not None and other[1] == t else None


def _difference(t: int, length: int, brightness: Callable[[int], Brightness | None]) -> tuple[Flash, int | None] | None:
    """Return the difference of frame `t` from the frames around it, and the adjacent frame that shares it, if any."""
    own = brightness(t)
    around = range(max(0, t - 2), min(length, t + 3))
    near = {i: found for i in around if i != t and (found := brightness(i)) is not None}
    if own is None or len(near) < 2:
        return None
    distances = {i: own.distance(other) for i, other in near.items()}
    # Two flashes may differ by as much as the frames around them, scaled by their higher brightness.
    within = _AGREE * max(distances.values())
    unlike = {i: other for i, other in near.items() if own.differs(other) and distances[i] > within}
    alike = [i for i in near if i not in unlike]
    if len(alike) > 1 or len(unlike) < 2:
        return None
    partner = alike[0] if alike else None
    ends = {t + 1: (t - 1, t + 2), t - 1: (t - 2, t + 1)}
    if partner in ends and not all(i in unlike for i in ends[partner]):
        return None
    if partner is not None and partner not in ends and len(unlike) < _ALL_BUT_ONE:
        return None
    step = min(own.distance(other) for other in unlike.values())
    if max(one.distance(other) for one in unlike.values() for other in unlike.values()) > _AGREE * step:
        return None
    usual = _usual(unlike, t)
    saturated = own.saturated and bool(np.median(own.levels) > np.median(usual))
    gain, offset = _line(usual, own, saturated=saturated)
    if saturated:
        fits = bool((own.levels >= usual - _FIT * step).all())
    else:
        misfits = np.sort(np.abs(gain * usual + offset - own.levels))
        strong = gain >= _STRONG
        tolerance = _STRONG_FIT if strong or gain <= 1 / _STRONG else _FIT
        fits = bool(misfits[-3 if strong else -2] <= tolerance * step)
        fits &= strong or partner is None or partner in ends
    if not fits:
        return None
    return Flash(gain, offset, not saturated and _MAPPED[0] <= gain <= _MAPPED[1]), partner


def _largest_but_one(differences: Levels) -> float:
    return float(np.sort(np.abs(differences))[-2])


def _usual(unlike: dict[int, Brightness], t: int) -> Levels:
    """Return the mean levels of both sides, weighted equally; of the nearest frame if one side is missing."""
    sides = [[i for i in unlike if i < t], [i for i in unlike if i > t]]
    if not all(sides):
        return min(unlike.items(), key=lambda item: abs(item[0] - t))[1].levels
    return np.asarray(np.mean([np.mean([unlike[i].levels for i in side], axis=0) for side in sides], axis=0))


def _line(usual: Levels, own: Brightness, *, saturated: bool) -> tuple[float, float]:
    """Fit gain and offset; levels from few blocks have less weight, and the one that fits worst has none."""
    if saturated or np.ptp(usual) <= 0:
        return 1.0, float(np.median(own.levels - usual))
    above = own.blocks * (1 - np.array(_PERCENTILES) / 100)
    weights = np.minimum(1.0, above / _ENOUGH_BLOCKS)
    gain, offset = np.polyfit(usual, own.levels, 1, w=weights)
    kept = np.ones(len(usual), bool)
    kept[np.argmax(weights * np.abs(gain * usual + offset - own.levels))] = False
    if np.ptp(usual[kept]) > 0:
        gain, offset = np.polyfit(usual[kept], own.levels[kept], 1, w=weights[kept])
    return float(gain), float(offset)
