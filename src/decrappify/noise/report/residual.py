"""Spectrum of the noise along rows and columns, from differences of frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate

Array = NDArray[Any]
_SEGMENT = 64  # pixels


class ResidualSpectrum(NamedTuple):
    """Power of the differences of frames, divided by 2, along Y and X; that of white noise is its variance.

    `frequency` is in cycles per pixel.
    """

    frequency: Array
    along_y: Array
    along_x: Array


def residual_spectrum(regions: Sequence[Array]) -> ResidualSpectrum | None:
    """Compute the spectrum of the differences of successive frames; None without regions of 64 pixels and 2 frames."""
    differences = [
        np.diff(one.astype(np.float64), axis=0) / np.sqrt(2)
        for one in regions
        if len(one) > 1 and min(one.shape[1:]) >= _SEGMENT
    ]
    if not differences:
        return None
    across = [_power(one.transpose(0, 2, 1)) for one in differences], [_power(one) for one in differences]
    along_y, along_x = (np.mean(powers, 0) for powers in across)
    return ResidualSpectrum(np.fft.rfftfreq(_SEGMENT)[1:], along_y[1:], along_x[1:])


def expected_spectrum(frequency: Array, variance: float, lags: Sequence[Estimate]) -> Array | None:
    """Return the spectrum of noise with the measured autocorrelation along a line; None if it was not measured."""
    known = [one.value for one in lags if one.value is not None]
    if len(known) < len(lags):
        return None
    waves = [rho * np.cos(2 * np.pi * frequency * lag) for lag, rho in enumerate(known) if lag]
    return np.asarray(variance * (1 + 2 * np.sum(waves, 0)))


def _power(images: Array) -> Array:
    """Return the mean power along the last axis under a Hann window."""
    number = images.shape[2] // _SEGMENT
    lines = images[:, :, : number * _SEGMENT].reshape(-1, _SEGMENT)
    window = np.hanning(_SEGMENT + 2)[1:-1]
    window = window / np.sqrt(np.square(window).sum())
    spectra = np.fft.rfft((lines - lines.mean(1, keepdims=True)) * window, axis=1)
    return np.asarray(np.square(np.abs(spectra)).mean(0))
