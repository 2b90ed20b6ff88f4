"""Crappifier parts that simulate a noise model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from decrappify._common.checks import short
from decrappify.crappify import (
    BadPixels,
    CorrelatedNoise,
    FixedPattern,
    Gaussian,
    Part,
    PoissonGaussian,
    RowNoise,
    Stretch,
)
from decrappify.errors import InputError

_WHITE = 0.05
_MOST_BITS = 16  # of `Stretch`


def noise_parts(
    values: Mapping[str, float | None], neighbors: tuple[float, float], levels: tuple[float, float]
) -> list[Part]:
    """Return the parts that simulate measured noise.

    Parameters
    ----------
    values : mapping of name to value
        Quantities of a `NoiseModel`; None for those that are not determined.
    neighbors : (float, float)
        Correlation of the noise of neighbors along Y and X.
    levels : (low, high)
        Gray levels of signal 0 and 1.
    """
    low, high = levels
    if not low < high:
        raise InputError(f"levels is {short(levels)}, expected two gray levels (low, high) with low < high")
    span = high - low
    known = {name: value or 0.0 for name, value in values.items()}
    parts = [_pixel_noise(values, neighbors, low, span)]
    if known["row_noise"] or known["column_noise"]:
        parts.append(RowNoise(rows=known["row_noise"] / span, columns=known["column_noise"] / span))
    if known["fixed_pattern"]:
        parts.append(FixedPattern(offset=known["fixed_pattern"] / span))
    if known["hot_pixels"] and known["hot_level"] > 0:
        parts.append(BadPixels(hot=known["hot_pixels"], level=known["hot_level"] / span))
    if not isinstance(parts[0], PoissonGaussian):
        parts += _digitizer(values, low, span)
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


def _pixel_noise(values: Mapping[str, float | None], neighbors: tuple[float, float], low: float, span: float) -> Part:
    gain, intercept, read_noise = values["gain"], values["intercept"], values["read_noise"]
    if gain is None or intercept is None:
        if values["noise_sd"] is None:
            raise InputError("neither gain nor standard deviation of the noise is determined; calibrate a raw movie")
        return Gaussian(sigma=values["noise_sd"] / span)
    photons, dark = span / gain, max(gain * low + intercept, 0.0) / gain**2  # electrons of variance at signal 0
    read = dark**0.5 if read_noise is None else min(read_noise / gain, dark**0.5)
    background = max(dark - read**2, 0.0)
    background = background if background > 1e-6 else 0.0  # electrons; the difference of equal values
    sigmas = [kernel_sigma(correlation) for correlation in neighbors]
    if max(sigmas) > 0:
        rows_only = sigmas[0] == 0
        sigma = sigmas[1] if rows_only else sum(sigmas) / 2
        return CorrelatedNoise(
            photons=photons, read_noise=read, background=background, sigma=sigma, rows_only=rows_only
        )
    bits = values["bit_depth"]
    step = _gray_step(values)
    return PoissonGaussian(
        photons=photons,
        read_noise=read,
        background=background,
        gain=gain / step,
        offset=max(low - gain * background, 0.0) / step,
        bit_depth=None if bits is None else int(bits),
    )


def _gray_step(values: Mapping[str, float | None]) -> float:
    """Return the gray levels per step of the digitizer: 16 for 12 bits that are stored in 16."""
    saturation, bits = values["saturation"], values["bit_depth"]
    return 1.0 if saturation is None or bits is None else saturation / (2 ** int(bits) - 1)


def _digitizer(values: Mapping[str, float | None], low: float, span: float) -> list[Part]:
    """Return the part that rounds and clips to the gray levels of the digitizer; none if its limits are not known.

    It follows all noise, since `CorrelatedNoise` and `Gaussian` do not digitize.
    """
    saturation, bits = values["saturation"], values["bit_depth"]
    if saturation is None:
        return []
    return [Stretch(low=-low / span, high=(saturation - low) / span, bits=_MOST_BITS if bits is None else int(bits))]
