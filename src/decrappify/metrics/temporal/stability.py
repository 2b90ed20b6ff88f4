"""Temporal metrics: flicker, and preservation of motion.

No single metric is sufficient. PSNR does not distinguish flicker from a constant bias, a frozen movie has no flicker,
and a ghosted one has little: use TDE, flicker floor and TDR together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import PairSums, check_data_range, check_same_shape, checked_pair, frames, range_of
from decrappify.metrics.temporal.static import ENOUGH, FrameSteps, checked_movie, quiet_mask, static_mask
from decrappify.movie import Array


@dataclass(slots=True)
class StepSums:
    """Frame differences of a restored and a reference movie, and their products."""

    restored: FrameSteps = field(default_factory=FrameSteps)
    reference: FrameSteps = field(default_factory=FrameSteps)
    products: float = 0.0

    def add(self, restored: Array, reference: Array) -> None:
        """Add the next float64 frame pair."""
        steps = self.restored.add(restored), self.reference.add(reference)
        if steps[0] is not None and steps[1] is not None:
            self.products += float(steps[0].ravel() @ steps[1].ravel())

    @property
    def reference_moves(self) -> bool:
        """Return whether any pixel of the reference changes."""
        return bool(self.reference.largest.max() > 0)

    def tde(self, slope: float) -> float:
        """Compute ``RMS(slope * dR - dG) / RMS(dG)``."""
        r, g = float(self.restored.squares.sum()), float(self.reference.squares.sum())
        return math.sqrt(max(0.0, slope**2 * r - 2 * slope * self.products + g) / g)

    def tdr(self) -> float:
        """Compute ``RMS(dR) / RMS(dG)``."""
        return self.restored.rms / self.reference.rms


def tde(restored: ArrayLike, reference: ArrayLike) -> float:
    """Compute the temporal difference error ``RMS(dR - dG) / RMS(dG)`` after one affine fit of the movie.

    dR and dG are frame differences of restored and reference movie. 0 is perfect, 1 equals a frozen movie, more is
    flicker. The fit is that of `affine_fit`, never one per frame. Values under about 1e-7 are rounding. Noise in a
    measured reference counts as motion, so compare only scores against the same reference.

    Parameters
    ----------
    restored, reference : array-like
        (T, Y, X), equal shapes, at least 2 frames.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, there is one frame only, or the reference never changes.

    Examples
    --------
    >>> reference = np.arange(24.0).reshape(4, 2, 3) ** 2
    >>> frozen = np.repeat(reference[:1], 4, axis=0)
    >>> tde(reference, reference), tde(frozen, reference)
    (0.0, 1.0)
    """
    pair, steps = _sums(restored, reference)
    return steps.tde(pair.slope)


def tdr(restored: ArrayLike, reference: ArrayLike) -> float:
    """Compute the temporal dynamic ratio ``RMS(dR) / RMS(dG)``: 1 is ideal, less is ghosting, more is flicker.

    Both movies must have the same gray levels; they are not fitted.

    Parameters
    ----------
    restored, reference : array-like
        (T, Y, X), equal shapes, at least 2 frames.

    Raises
    ------
    InputError
        As `tde`.
    """
    return _sums(restored, reference)[1].tdr()


def flicker_floor(
    restored: ArrayLike,
    reference: ArrayLike | None = None,
    *,
    source: ArrayLike | None = None,
    data_range: float | None = None,
    sigma_psf: float = 1.5,
) -> float:
    """Compute the flicker floor ``sqrt(mean(dR²) / 2) / D`` on static pixels; 0 is best, but also for a frozen movie.

    For a flicker that is independent between frames, this is its standard deviation as a share of the data range.
    Pixels are from `static_mask` of the reference; if those are under 1 % (the reference is noisy, or all of it moves),
    from `quiet_mask` of the reference; without a reference, from `quiet_mask` of the source.

    Parameters
    ----------
    restored : array-like
        (T, Y, X), at least 2 frames.
    reference : array-like, optional
        (T, Y, X), in the same gray levels.
    source : array-like, optional
        (T, Y, X), the degraded input; used without a reference.
    data_range : float, optional
        D in gray levels; max - min of the reference, or of the source without one.
    sigma_psf : float
        Standard deviation of the optical blur, in pixels.

    Raises
    ------
    InputError
        If neither reference nor source is given, shapes differ, a value is NaN, or there is one frame only.
    """
    given, role = (source, "source") if reference is None else (reference, "reference")
    if given is None:
        raise InputError(
            "flicker_floor needs a reference or a source, found neither; pass one of them to determine the static "
            "pixels"
        )
    stack, guide = checked_movie(restored, "restored"), checked_movie(given, role)
    check_same_shape(stack.shape, guide.shape, ("restored", role))
    width = range_of(guide, data_range, role)
    mask = static_mask(guide, data_range=width, sigma_psf=sigma_psf) if reference is not None else None
    if mask is None or mask.mean() < ENOUGH:
        mask = quiet_mask(guide)
    steps = FrameSteps()
    for frame in frames(stack, "restored"):
        steps.add(frame)
    return steps.flicker(mask) / width


def gain_jitter(restored: ArrayLike, reference: ArrayLike) -> float:
    """Compute the standard deviation over time of the least-squares slope of restored on reference; 0 is best.

    Detects per-frame normalization; the value for a gain jitter of 3 % is 0.03. Frames with a constant reference have
    no slope and are omitted.

    Parameters
    ----------
    restored, reference : array-like
        (T, Y, X), equal shapes, at least 2 frames.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, there is one frame only, or every reference frame is constant.
    """
    restored, reference = _checked_movies(restored, reference)
    slopes = []
    for r, g in zip(frames(restored, "restored"), frames(reference, "reference"), strict=True):
        slopes.append(frame_gain(PairSums().add(r, g)))
    known = [slope for slope in slopes if slope is not None]
    if not known:
        raise InputError(
            "every frame of reference is constant, so no gain can be measured; check the file or the channel"
        )
    return float(np.std(known))


def frame_gain(frame: PairSums) -> float | None:
    """Compute the slope of restored on reference within one frame; None if the reference is constant."""
    return None if frame.reference_is_constant else frame.products / frame.reference_squares


def noise_draw_flicker(first: ArrayLike, second: ArrayLike, *, data_range: float | None = None) -> float:
    """Compute ``RMS(first - second) / sqrt(2)`` of two restorations that differ only in noise draw.

    A flicker measure without a reference. Degrade one image twice with independent noise and restore both. 0 is best,
    but also the value of a blur that removes everything.

    Parameters
    ----------
    first, second : array-like
        (Y, X) or (T, Y, X), equal shapes.
    data_range : float, optional
        D in gray levels to divide by; without it the result is in gray levels.

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


def _checked_movies(restored: ArrayLike, reference: ArrayLike) -> tuple[Array, Array]:
    restored, reference = checked_pair(restored, reference)
    return checked_movie(restored, "restored"), checked_movie(reference, "reference")


def _sums(restored: ArrayLike, reference: ArrayLike) -> tuple[PairSums, StepSums]:
    restored, reference = _checked_movies(restored, reference)
    pair, steps = PairSums(), StepSums()
    for r, g in zip(frames(restored, "restored"), frames(reference, "reference"), strict=True):
        pair.add(r, g)
        steps.add(r, g)
    if not steps.reference_moves:
        raise InputError(
            "reference never changes from frame to frame, so its motion cannot be scored; use flicker_floor"
        )
    return pair, steps
