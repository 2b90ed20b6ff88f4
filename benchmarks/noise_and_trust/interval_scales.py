"""Scales of the error of a restored plane that intervals.py compares, from measured and restored gray levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.trust.intervals.fields import FieldTerms
from decrappify.trust.intervals.scale import error_scale

Array = NDArray[Any]
Scale = Callable[[Array, Array, FieldTerms], Array]


def _contrast(restored: Array) -> Array:
    from scipy.ndimage import gaussian_filter

    level = restored.astype(np.float64)
    variance = gaussian_filter(level**2, 2) - gaussian_filter(level, 2) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 1e-6)))


def _local_residual(measured: Array, restored: Array, sigma: float) -> Array:
    from scipy.ndimage import gaussian_filter

    return np.asarray(np.sqrt(gaussian_filter((measured.astype(np.float64) - restored) ** 2, sigma) + 1e-6))


def _gradient(restored: Array) -> Array:
    from scipy.ndimage import gaussian_gradient_magnitude

    return np.asarray(gaussian_gradient_magnitude(restored.astype(np.float64), 1) + 1e-3)


SCALES: dict[str, Scale] = {
    "noise^0.7 × contrast^0.3 (used)": lambda y, r, terms: error_scale(r, terms.noise),
    "constant in each field": lambda y, r, terms: np.full(r.shape, terms.features["residual"]),
    "noise at the restored brightness": lambda y, r, terms: terms.noise.deviation(r),
    "local contrast of the result (2 px)": lambda y, r, terms: _contrast(r),
    "gradient of the result": lambda y, r, terms: _gradient(r),
    "local residual (3 px)": lambda y, r, terms: _local_residual(y, r, 3),
    "local residual (5 px)": lambda y, r, terms: _local_residual(y, r, 5),
    "noise and contrast, root of the sum of squares": lambda y, r, terms: np.hypot(
        terms.noise.deviation(r), _contrast(r)
    ),
    "noise and gradient, root of the sum of squares": lambda y, r, terms: np.hypot(
        terms.noise.deviation(r), _gradient(r)
    ),
    "residual and contrast, root of the sum of squares": lambda y, r, terms: np.hypot(
        _local_residual(y, r, 5), _contrast(r)
    ),
}
