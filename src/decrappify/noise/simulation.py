"""Crappifier parts that simulate a noise model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from decrappify.crappify import (
    BadPixels,
    CorrelatedNoise,
    FixedPattern,
    Gaussian,
    Part,
    PoissonGaussian,
    RowNoise,
)
from decrappify.errors import InputError

if TYPE_CHECKING:
    from decrappify.noise.estimate import Estimate
    from decrappify.noise.model import NoiseModel

_WHITE = 0.05


def noise_parts(model: NoiseModel, levels: tuple[float, float]) -> list[Part]:
    """Return the parts of a noise model; `levels` are the gray levels of signal 0 and 1."""
    low, high = levels
    if not low < high:
        raise InputError(f"levels is {levels!r}, needs two gray levels (low, high) with low < high")
    span = high - low
    parts = [_pixel_noise(model, low, span)]
    rows, columns = (_number(one) / span for one in (model.row_noise, model.column_noise))
    if rows > 0 or columns > 0:
        parts.append(RowNoise(rows=rows, columns=columns))
    if _number(model.fixed_pattern) > 0:
        parts.append(FixedPattern(offset=_number(model.fixed_pattern) / span))
    if _number(model.hot_pixels) > 0 and _number(model.hot_level) > 0:
        parts.append(BadPixels(hot=_number(model.hot_pixels), level=_number(model.hot_level) / span))
    return parts


def kernel_sigma(correlation: float) -> float:
    """Return the sigma of the Gaussian kernel for a correlation of neighbors; 0 up to 0.05.

    >>> round(kernel_sigma(0.58), 2), kernel_sigma(0.0)
    (0.7, 0.0)
    """
    from scipy.ndimage import gaussian_filter1d

    if correlation <= _WHITE:
        return 0.0
    sigmas = np.arange(0.3, 5.01, 0.02)
    impulse = np.zeros(51)
    impulse[25] = 1
    kernels = [gaussian_filter1d(impulse, sigma) for sigma in sigmas]
    values = [float((kernel[1:] * kernel[:-1]).sum() / np.square(kernel).sum()) for kernel in kernels]
    return float(np.interp(correlation, values, sigmas))


def _pixel_noise(model: NoiseModel, low: float, span: float) -> Part:
    if model.gain.value is None:
        if model.noise_sd.value is None:
            raise InputError(f"neither gain nor standard deviation of the noise is determined: {model.gain.note}")
        return Gaussian(sigma=model.noise_sd.value / span)
    gain = model.gain.value
    photons, dark = span / gain, model.variance(low) / gain**2  # electrons of variance at signal 0
    read = min(_number(model.read_noise) / gain, dark**0.5) if model.read_noise.value is not None else dark**0.5
    background = max(dark - read**2, 0.0)
    background = background if background > 1e-6 else 0.0  # electrons; the difference of equal values
    sigmas = [kernel_sigma(_number(lags[1])) for lags in (model.correlation_y, model.correlation_x)]
    if max(sigmas) > 0:
        rows_only = sigmas[0] == 0
        sigma = sigmas[1] if rows_only else sum(sigmas) / 2
        return CorrelatedNoise(
            photons=photons, read_noise=read, background=background, sigma=sigma, rows_only=rows_only
        )
    bits = model.bit_depth.value
    return PoissonGaussian(
        photons=photons,
        read_noise=read,
        background=background,
        gain=gain,
        offset=max(low - gain * background, 0.0),
        bit_depth=None if bits is None else int(bits),
    )


def _number(estimate: Estimate) -> float:
    return 0.0 if estimate.value is None else float(estimate.value)
