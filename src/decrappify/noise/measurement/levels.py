"""Digitizer: saturation level, clipping at the lowest gray level, step and bit depth, from gray level histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown

Array = NDArray[Any]
_LEAST_CLIPPED = 8  # pixels
_PILE = 4.0  # ratio of a clipped level to its neighbors
_NEIGHBORS = 8
_SHARE = 5e-4  # of the pixels that are clipped, from which it is stated
_EXACT = 2.0**53  # integers below are exact in float64
_DEPTHS = (8, 10, 11, 12, 14, 16)


def measure_step(values: Array) -> float:
    """Return the largest gray level step of which all integers are multiples; 1 for floats and constant images."""
    if values.dtype.kind not in "ui":
        return 1.0
    levels = np.unique(values)
    step = int(np.gcd.reduce(np.diff(levels.astype(np.int64)))) if len(levels) > 1 else 1
    return float(max(step, 1))


def rounding_step(values: Array) -> float | None:
    """Return the step to which gray levels were rounded; None for floating-point numbers that are not integers.

    >>> rounding_step(np.array([2.0, 6.0, 8.0])), rounding_step(np.array([0.5, 1.0]))
    (2.0, None)
    """
    if values.dtype.kind in "ui":
        return measure_step(values)
    is_integral = np.abs(values).max(initial=0) < _EXACT and np.array_equal(values, np.rint(values))
    return measure_step(values.astype(np.int64)) if is_integral else None


def clipped_levels(values: Array) -> tuple[float | None, float | None]:
    """Return the lowest and the highest gray level if pixels pile up there; None for a level without clipping."""
    if values.dtype.kind not in "ui" or not values.size:
        return None, None
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) < 3:
        return None, None
    low, high = (_is_piled(ordered) for ordered in (counts, counts[::-1]))
    # Without clipping, the histogram falls toward the highest level, to a few pixels.
    high = high or bool(counts[-1] > _SHARE * values.size and counts[-1] > counts[-2])
    # Unsigned integers cannot represent the lower half of the noise.
    low = low or bool(levels[0] == 0 and values.dtype.kind == "u" and counts[0] > 0.001 * values.size)
    return float(levels[0]) if low else None, float(levels[-1]) if high else None


def _is_piled(counts: Array) -> bool:
    """Return whether the first level has many more pixels than those next to it."""
    return bool(counts[0] >= _LEAST_CLIPPED and counts[0] >= _PILE * counts[1 : 1 + _NEIGHBORS].max())


def clipping(values: Array) -> str:
    """Return the shares of clipped pixels and what to do about them; empty for shares of less than 0.05 %.

    >>> clipping(np.array([1, 2, 3, 4, 5, 6, 9, 9, 9, 9], np.uint8))
    '40 % of the pixels are clipped at the highest gray level, 9; lower the exposure or the gain, or export without \
stretching or clipping the gray levels'
    """
    levels = clipped_levels(values)
    found = []
    for level, name in zip(levels, ("lowest", "highest"), strict=True):
        share = 0.0 if level is None else float((values == level).mean())
        if share > _SHARE:
            found.append(f"{100 * share:.2g} % of the pixels are clipped at the {name} gray level, {level:g}")
    if not found:
        return ""
    remedies = ["raise the offset of the detector"] if levels[0] is not None else []
    remedies += ["lower the exposure or the gain"] if levels[1] is not None else []
    return (
        f"{' and '.join(found)}; {', '.join([*remedies, 'or export without stretching or clipping the gray levels'])}"
    )


def measure_saturation(values: Array) -> Estimate:
    """Estimate the gray level at which pixels are saturated."""
    high = clipped_levels(values)[1]
    if high is None:
        return unknown(f"no pixels are saturated; the level is above {values.max():g}")
    return Estimate(high, 0.0, note=f"{int((values >= high).sum())} of {values.size} sampled pixels are saturated")


def measure_bit_depth(values: Array) -> Estimate:
    """Estimate the bits of the digitizer, from the level of saturated pixels and the gray level step."""
    if values.dtype.kind not in "ui":
        return unknown("gray levels are floating-point numbers")
    high, step = clipped_levels(values)[1], measure_step(values)
    least = int(np.ceil(np.log2(max(float(values.max()) / step, 1) + 1)))
    if high is None:
        return unknown(f"no pixels are saturated; at least {least} bits in steps of {step:g}")
    for bits in _DEPTHS:
        if abs(high / step - (2**bits - 1)) < 0.5:
            return Estimate(float(bits), 0.0, note=f"gray levels in steps of {step:g}")
    return unknown(f"pixels are saturated at {high:g}, not the full scale of {', '.join(map(str, _DEPTHS))} bits")
