"""Shared parts of the metrics: input checks, the data range, and sums that accumulate frame by frame."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from decrappify._common.argument_names import argument
from decrappify.errors import InputError
from decrappify.movie import Array

# A correlation this close to 1 is rounding: sums in float64 cannot distinguish it from a perfect fit.
_UNEXPLAINED_FLOOR = 1e-13
SAMPLE_SIZE = 2**20


def checked_stack(image: ArrayLike, role: str) -> Array:
    """Return `image` as (T, Y, X); raise InputError if it is not (Y, X) or (T, Y, X) of real numbers."""
    stack = np.asarray(image)
    if stack.ndim not in (2, 3) or stack.size == 0:
        raise InputError(f"{role} has shape {stack.shape}, expected (Y, X) or (T, Y, X) with at least one pixel")
    if stack.dtype.kind not in "uifb":
        raise InputError(f"{role} has dtype {stack.dtype}, expected integers or real floats")
    return stack if stack.ndim == 3 else stack[None]


def checked_pair(
    first: ArrayLike, second: ArrayLike, roles: tuple[str, str] = ("restored", "reference")
) -> tuple[Array, Array]:
    """Return two images as (T, Y, X) arrays; raise InputError if their shapes differ."""
    one, two = checked_stack(first, roles[0]), checked_stack(second, roles[1])
    check_same_shape(one.shape, two.shape, roles)
    return one, two


def check_same_shape(first: tuple[int, ...], second: tuple[int, ...], roles: tuple[str, str]) -> None:
    """Raise InputError if two shapes (T, Y, X) differ."""
    if first != second:
        raise InputError(
            f"{roles[0]} has shape (T, Y, X) = {first} and {roles[1]} has {second}; they must be equal: "
            "crop, resize or select frames of one of them"
        )


def finite(frame: Array, t: int, role: str) -> Array:
    """Return one frame as float64; raise InputError for NaN and infinity, which would invalidate every score."""
    frame = frame.astype(np.float64)
    if not np.isfinite(frame).all():
        raise InputError(f"frame {t} of {role} contains NaN or infinity; repair the file or omit the frame")
    return frame


def frames(stack: Array, role: str) -> Iterator[Array]:
    """Iterate over a (T, Y, X) array, one float64 (Y, X) frame at a time."""
    return (finite(frame, t, role) for t, frame in enumerate(stack))


def check_data_range(data_range: float) -> float:
    """Return `data_range`; raise InputError if it is not a finite number above 0."""
    if not math.isfinite(data_range) or data_range <= 0:
        raise InputError(
            f"{argument('data_range')} is {data_range!r}, expected a finite number above 0, such as max - min of the "
            "reference"
        )
    return float(data_range)


def measured_range(low: float, high: float, role: str = "reference") -> float:
    """Return ``high - low`` of a whole movie; raise InputError if it is constant."""
    if high <= low:
        raise constant_error(role, low)
    return float(high - low)


def constant_error(role: str, level: float) -> InputError:
    """Return the error for an image without contrast."""
    return InputError(
        f"{role} is constant (every pixel {level:g}), so no metric can be computed; "
        "check the file or choose another channel"
    )


def range_of(stack: Array, data_range: float | None, role: str = "reference") -> float:
    """Return D: `data_range`, or max - min of the whole (T, Y, X) array."""
    if data_range is not None:
        return check_data_range(data_range)
    extremes = [(frame.min(), frame.max()) for frame in frames(stack, role)]
    return measured_range(min(low for low, _ in extremes), max(high for _, high in extremes), role)


@dataclass(slots=True)
class PairSums:
    """Running means and squares of a restored and a reference movie, numerically stable for any offset and length.

    Attributes
    ----------
    n : int
        Pixels added.
    restored_mean, reference_mean : float
        Means in gray levels.
    restored_squares, reference_squares, products : float
        Sums of squares and products about the means.
    error_squares : float
        Sum of ``(restored - reference)²``.
    """

    n: int = 0
    restored_mean: float = 0.0
    reference_mean: float = 0.0
    restored_squares: float = 0.0
    reference_squares: float = 0.0
    products: float = 0.0
    error_squares: float = 0.0

    def add(self, restored: Array, reference: Array) -> PairSums:
        """Add one float64 frame pair and return the sums of this frame alone."""
        error = (restored - reference).ravel()
        means = float(restored.mean()), float(reference.mean())
        r, g = (restored - means[0]).ravel(), (reference - means[1]).ravel()
        frame = PairSums(restored.size, *means, float(r @ r), float(g @ g), float(r @ g), float(error @ error))
        self._merge(frame)
        return frame

    def _merge(self, other: PairSums) -> None:
        n = self.n + other.n
        weight, shift_r = self.n * other.n / n, other.restored_mean - self.restored_mean
        shift_g = other.reference_mean - self.reference_mean
        self.restored_squares += other.restored_squares + weight * shift_r**2
        self.reference_squares += other.reference_squares + weight * shift_g**2
        self.products += other.products + weight * shift_r * shift_g
        self.error_squares += other.error_squares
        self.restored_mean += shift_r * other.n / n
        self.reference_mean += shift_g * other.n / n
        self.n = n

    @property
    def reference_is_constant(self) -> bool:
        """Return whether the reference has no contrast beyond rounding."""
        return _is_rounding(self.reference_squares, self.reference_mean, self.n)

    @property
    def reference_sd(self) -> float:
        """Population standard deviation of the reference, in gray levels."""
        return math.sqrt(self.reference_squares / self.n)

    @property
    def slope(self) -> float:
        """`a` of the least-squares fit ``reference ≈ a * restored + b``; 0 for a constant restored movie."""
        if _is_rounding(self.restored_squares, self.restored_mean, self.n):
            return 0.0
        return self.products / self.restored_squares

    @property
    def intercept(self) -> float:
        """`b` of the least-squares fit ``reference ≈ a * restored + b``, in gray levels of the reference."""
        return self.reference_mean - self.slope * self.restored_mean

    @property
    def unexplained(self) -> float:
        """``1 - rho²``: the share of the reference's variance that an affine fit does not explain; 0 to 1."""
        share = 1.0 - self.slope * self.products / self.reference_squares
        return share if share > _UNEXPLAINED_FLOOR else 0.0

    def psnr(self, data_range: float) -> float:
        """Compute ``20 log10(D / RMSE)`` in dB."""
        return decibel(data_range, math.sqrt(self.error_squares / self.n))

    def si_psnr(self, data_range: float) -> float:
        """Compute ``20 log10(D / sd) - 10 log10(1 - rho²)`` in dB."""
        return decibel(data_range, self.reference_sd * math.sqrt(self.unexplained))


@dataclass(slots=True)
class PixelSample:
    """Evenly spaced pixel pairs of a movie, at most about `SAMPLE_SIZE`, for quantiles in constant memory.

    All pixels of a movie of up to `SAMPLE_SIZE` pixels are used. The spacing and the width have no common factor, so
    that every column is sampled.
    """

    restored: Array
    reference: Array
    spacing: int
    seen: int = 0
    taken: int = 0

    @classmethod
    def of_shape(cls, shape: tuple[int, ...]) -> PixelSample:
        """Return an empty sample for a movie of `shape` (T, Y, X)."""
        spacing = -(-math.prod(shape) // SAMPLE_SIZE)
        while math.gcd(spacing, shape[2]) > 1:
            spacing += 1
        size = -(-math.prod(shape) // spacing)
        return cls(np.empty(size), np.empty(size), spacing)

    def add(self, restored: Array, reference: Array) -> None:
        """Add the sampled pixels of the next frame."""
        start = -self.seen % self.spacing
        picks = restored.ravel()[start :: self.spacing]
        here = slice(self.taken, self.taken + picks.size)
        self.restored[here], self.reference[here] = picks, reference.ravel()[start :: self.spacing]
        self.seen += restored.size
        self.taken += picks.size


def pair_sums(restored: Array, reference: Array) -> PairSums:
    """Return the sums over all frames of two (T, Y, X) arrays."""
    sums = PairSums()
    for r, g in zip(frames(restored, "restored"), frames(reference, "reference"), strict=True):
        sums.add(r, g)
    return sums


def decibel(data_range: float, error: float) -> float:
    """Compute ``20 log10(data_range / error)``; infinite for no error."""
    return math.inf if error == 0 else 20 * math.log10(data_range / error)


def _is_rounding(squares: float, mean: float, n: int) -> bool:
    return squares <= n * (16 * sys.float_info.epsilon * mean) ** 2
