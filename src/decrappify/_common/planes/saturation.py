"""Conversion of gray levels to an output dtype: rounded and clipped to the range of the dtype, never wrapped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def saturate(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return `values` in `dtype`, rounded to nearest (integers) and clipped to its finite range.

    NaN and infinity are kept in float dtypes; integers cannot represent NaN, so the caller must reject it first.

    Parameters
    ----------
    values : ndarray
        Any shape, integers or floats.
    dtype : dtype
        Integer or float dtype.

    Examples
    --------
    >>> saturate(np.array([-1.0, 0.6, 1e30]), np.dtype(np.uint64)).tolist()
    [0, 1, 18446744073709551615]
    >>> saturate(np.array([1e9, -np.inf]), np.dtype(np.float16)).tolist()
    [65504.0, -inf]
    """
    if values.dtype == dtype:
        return values
    if dtype.kind == "f":
        return _to_floats(values, dtype)
    limits = np.iinfo(dtype)
    if values.dtype.kind != "f":
        own = np.iinfo(values.dtype)
        return np.clip(values, max(own.min, limits.min), min(own.max, limits.max)).astype(dtype)
    whole = np.rint(values, dtype=np.promote_types(values.dtype, np.float32))  # float16 has a smaller range
    low, high = _float_limits(whole.dtype, dtype)
    # The largest integers of a wide dtype are not floats: values beyond the largest float are set to the limit itself.
    above = whole > high if int(high) < limits.max else None
    result: Array = np.clip(whole, low, high, out=whole).astype(dtype)
    if above is not None:
        result[above] = limits.max
    return result


def count_outside(values: Array, dtype: np.dtype[Any], margin: float = 0.0) -> tuple[int, int]:
    """Count the finite values that `saturate` clips at the lower and at the upper limit of `dtype`.

    Infinity counts for integers, which cannot represent it. Values within `margin` beyond a limit are not counted.

    >>> count_outside(np.array([-0.4, 255.4, 300.0]), np.dtype(np.uint8))
    (0, 1)
    """
    if not values.size or (dtype.kind == "f" and not _is_narrower(dtype, values.dtype)):
        return 0, 0
    if dtype.kind == "f":
        limit = float(np.finfo(dtype).max)
        if -limit <= values.min() <= values.max() <= limit:
            return 0, 0
        finite = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
        return int(np.count_nonzero(finite & (values < -limit))), int(np.count_nonzero(finite & (values > limit)))
    limits = np.iinfo(dtype)
    if values.dtype.kind != "f":
        own = np.iinfo(values.dtype)
        below = 0 if own.min >= limits.min else int(np.count_nonzero(values < limits.min))
        return below, 0 if own.max <= limits.max else int(np.count_nonzero(values > limits.max))
    wide = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    whole = np.rint(wide) if margin == 0 else wide
    # limits.max + 1 is a power of two and exact as a float; limits.max itself may not be.
    above = whole >= float(limits.max) + 1 if margin == 0 else whole > float(limits.max) + margin
    return int(np.count_nonzero(whole < float(limits.min) - margin)), int(np.count_nonzero(above))


def _to_floats(values: Array, dtype: np.dtype[Any]) -> Array:
    if not _is_narrower(dtype, values.dtype):
        return values.astype(dtype)
    with np.errstate(over="ignore"):
        result: Array = values.astype(dtype)
    overflowed = np.isinf(result)
    if values.dtype.kind == "f":
        overflowed &= np.isfinite(values)
    if overflowed.any():
        result[overflowed] = np.copysign(np.finfo(dtype).max, values[overflowed].astype(np.float64))
    return result


def _is_narrower(dtype: np.dtype[Any], than: np.dtype[Any]) -> bool:
    """Return whether a float dtype has a smaller range than another dtype."""
    largest = float(np.finfo(than).max if than.kind == "f" else np.iinfo(than).max) if than.kind in "uif" else 1.0
    return float(np.finfo(dtype).max) < largest


def _float_limits(floats: np.dtype[Any], integers: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the smallest and the largest value of a float dtype that an integer dtype can represent."""
    limits = np.iinfo(integers)
    low, high = floats.type(limits.min), floats.type(limits.max)
    return low, np.nextafter(high, floats.type(0)) if int(high) > limits.max else high
