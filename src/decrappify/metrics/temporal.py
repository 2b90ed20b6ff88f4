"""How steady a restored movie is, and whether it still moves: the temporal scorecard.

No figure stands alone. PSNR cannot tell flicker from a constant bias, a frozen movie has no flicker, a ghosted one
little: read TDE, flicker floor and TDR together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.pairs import PairSums, check_data_range, check_same_shape, checked_pair, frames, range_of
from decrappify.metrics.static import ENOUGH, FrameSteps, checked_movie, quiet_mask, static_mask
from decrappify.movie import Array


@dataclass(slots=True)
class StepSums:
    """Frame differences of a restored and a true movie, and their products."""

    restored: FrameSteps = field(default_factory=FrameSteps)
    truth: FrameSteps = field(default_factory=FrameSteps)
    products: float = 0.0

    def add(self, restored: Array, truth: Array) -> None:
        """Take the next float64 frame pair."""
        steps = self.restored.add(restored), self.truth.add(truth)
        if steps[0] is not None and steps[1] is not None:
            self.products += float(steps[0].ravel() @ steps[1].ravel())

    @property
    def truth_moves(self) -> bool:
        """Whether any pixel of the truth ever changes."""
        return bool(self.truth.largest.max() > 0)

    def tde(self, slope: float) -> float:
        """``RMS(slope * dR - dG) / RMS(dG)``."""
        r, g = float(self.restored.squares.sum()), float(self.truth.squares.sum())
        return math.sqrt(max(0.0, slope**2 * r - 2 * slope * self.products + g) / g)

    def tdr(self) -> float:
        """``RMS(dR) / RMS(dG)``."""
        return self.restored.rms / self.truth.rms


def tde(restored: ArrayLike, truth: ArrayLike) -> float:
    """Temporal difference error ``RMS(dR - dG) / RMS(dG)`` of frame differences, after one affine fit of the movie.

    0 is perfect, 1 is as bad as a frozen movie, more is flicker. The fit is that of `affine_fit`, never one per frame.
    Values under about 1e-7 are rounding. Noise in a measured truth counts as motion, so compare only scores against the
    same truth.

    Parameters
    ----------
    restored, truth : array-like
        (T, Y, X), equal shapes, at least 2 frames.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, there is one still only, or the truth never changes.

    Examples
    --------
    >>> truth = np.arange(24.0).reshape(4, 2, 3) ** 2
    >>> frozen = np.repeat(truth[:1], 4, axis=0)
    >>> tde(truth, truth), tde(frozen, truth)
    (0.0, 1.0)
    """
    pair, steps = _sums(restored, truth)
    return steps.tde(pair.slope)


def tdr(restored: ArrayLike, truth: ArrayLike) -> float:
    """Temporal dynamic ratio ``RMS(dR) / RMS(dG)``: 1 is right, less is ghosting or freezing, more is flicker.

    Both movies in the same grey levels; no fit is made.

    Parameters
    ----------
    restored, truth : array-like
        (T, Y, X), equal shapes, at least 2 frames.

    Raises
    ------
    InputError
        As `tde`.
    """
    return _sums(restored, truth)[1].tdr()


def flicker_floor(
    restored: ArrayLike,
    truth: ArrayLike | None = None,
    *,
    source: ArrayLike | None = None,
    data_range: float | None = None,
    sigma_psf: float = 1.5,
) -> float:
    """Flicker floor ``sqrt(mean(dR²) / 2) / D`` on pixels that stand still; 0 is best, but a frozen movie has 0 too.

    For a flicker that is independent from frame to frame this is its standard deviation as a share of the data range.
    Pixels come from `static_mask` of the truth; where that leaves under 1 % of them (the truth is noisy, or all of it
    moves), from `quiet_mask` of the truth; without a truth, from `quiet_mask` of the source.

    Parameters
    ----------
    restored : array-like
        (T, Y, X), at least 2 frames.
    truth : array-like, optional
        (T, Y, X), in the same grey levels.
    source : array-like, optional
        (T, Y, X), the degraded input; used without a truth.
    data_range : float, optional
        D in grey levels; max - min of the truth, or of the source without one.
    sigma_psf : float
        Standard deviation of the optical blur, in pixels.

    Raises
    ------
    InputError
        If neither truth nor source is given, shapes differ, a value is NaN, or there is one still only.
    """
    given, role = (source, "source") if truth is None else (truth, "truth")
    if given is None:
        raise InputError("flicker_floor got neither truth nor source; pass one to find the pixels that stand still")
    stack, reference = checked_movie(restored, "restored"), checked_movie(given, role)
    check_same_shape(stack.shape, reference.shape, ("restored", role))
    width = range_of(reference, data_range, role)
    mask = static_mask(reference, data_range=width, sigma_psf=sigma_psf) if truth is not None else None
    if mask is None or mask.mean() < ENOUGH:
        mask = quiet_mask(reference)
    steps = FrameSteps()
    for frame in frames(stack, "restored"):
        steps.add(frame)
    return steps.flicker(mask) / width


def gain_jitter(restored: ArrayLike, truth: ArrayLike) -> float:
    """Spread (standard deviation) over time of each frame's least-squares slope of restored on truth; 0 is best.

    Catches a normalization that is made anew for every frame: a gain that jitters by 3 % gives 0.03. Frames whose truth
    is constant have no slope and are left out.

    Parameters
    ----------
    restored, truth : array-like
        (T, Y, X), equal shapes, at least 2 frames.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, there is one still only, or every true frame is constant.
    """
    restored, truth = _checked_movies(restored, truth)
    slopes = []
    for r, g in zip(frames(restored, "restored"), frames(truth, "truth"), strict=True):
        slopes.append(frame_gain(PairSums().add(r, g)))
    known = [slope for slope in slopes if slope is not None]
    if not known:
        raise InputError("every frame of truth is constant, so no gain can be measured; check the file or the channel")
    return float(np.std(known))


def frame_gain(frame: PairSums) -> float | None:
    """Slope of restored on truth within one frame; None where the truth is constant."""
    return None if frame.truth_is_constant else frame.products / frame.truth_squares


def noise_draw_flicker(first: ArrayLike, second: ArrayLike, *, data_range: float | None = None) -> float:
    """Flicker without a truth: ``RMS(first - second) / sqrt(2)`` of two restorations that differ only in noise draw.

    Degrade one image twice with independent noise and restore both. 0 is best; a blur that erases everything has 0 too.

    Parameters
    ----------
    first, second : array-like
        (Y, X) or (T, Y, X), equal shapes.
    data_range : float, optional
        D in grey levels to divide by; without it the result is in grey levels.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, or `data_range` is not above 0.

    Examples
    --------
    >>> noise_draw_flicker(np.zeros((2, 2)), np.full((2, 2), 2**0.5))
    1.0
    """
    first, second = checked_pair(first, second, ("first", "second"))
    total = 0.0
    for a, b in zip(frames(first, "first"), frames(second, "second"), strict=True):
        total += float(((a - b) ** 2).sum())
    return math.sqrt(total / first.size / 2) / (1.0 if data_range is None else check_data_range(data_range))


def _checked_movies(restored: ArrayLike, truth: ArrayLike) -> tuple[Array, Array]:
    restored, truth = checked_pair(restored, truth)
    return checked_movie(restored, "restored"), checked_movie(truth, "truth")


def _sums(restored: ArrayLike, truth: ArrayLike) -> tuple[PairSums, StepSums]:
    restored, truth = _checked_movies(restored, truth)
    pair, steps = PairSums(), StepSums()
    for r, g in zip(frames(restored, "restored"), frames(truth, "truth"), strict=True):
        pair.add(r, g)
        steps.add(r, g)
    if not steps.truth_moves:
        raise InputError("truth never changes from frame to frame, so its motion cannot be scored; use flicker_floor")
    return pair, steps
