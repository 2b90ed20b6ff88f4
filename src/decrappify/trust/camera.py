"""Noise of one channel as the trust map needs it: variance by gray level, skewness and correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.pixels.splitting import with_excess

Array = NDArray[Any]
_LEAST_CORRELATION = 0.05  # as of `calibrate`: below it, noise is not distinguished from white noise
_LEAST_TAIL = 0.02  # of the lags beyond the first
_LEAST_PHOTONS = 0.1  # per pixel, so that the variance of a black result is not 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneNoise:
    """Noise of a channel.

    Attributes
    ----------
    gain, intercept : float
        The variance is ``gain * mean + intercept`` in squared gray levels.
    least_variance : float
        Variance below which the noise does not fall.
    excess : array (Y, X) or None
        Variance of each pixel beyond that of its gray level.
    read_variance : (float, float)
        Lower and upper limit of the variance without light; equal if dark frames were measured.
    correlation : array (9, 9) or None
        Autocorrelation at lags -4 to 4 along Y and X; None for white noise.
    saturation : float or None
        Gray level from which pixels are not evaluated.
    has_row_noise, has_column_noise : bool
        Whether rows or columns have offsets that change from frame to frame.
    """

    gain: float
    intercept: float
    least_variance: float = 0.0
    excess: Array | None = None
    read_variance: tuple[float, float] = (0.0, 0.0)
    correlation: Array | None = None
    saturation: float | None = None
    has_row_noise: bool = False
    has_column_noise: bool = False

    def variance(self, gray_level: Array) -> Array:
        """Return the variance at expected gray levels."""
        least = max(self.gain**2 * _LEAST_PHOTONS + self.read_variance[0], self.least_variance)
        variance = np.maximum(np.float32(self.gain) * gray_level + np.float32(self.intercept), np.float32(least))
        return np.asarray(with_excess(variance, self.excess))


def plane_noise(noise: NoiseModel, name: str, *, measured_here: bool = False) -> PlaneNoise:
    """Return the noise of a channel from a noise model.

    Parameters
    ----------
    noise : NoiseModel
        As measured by `calibrate`.
    name : str
        Name of the movie, for messages.
    measured_here : bool
        Whether it was calibrated from the movie itself; its gain must then be valid.

    Raises
    ------
    InputError
        If the gain is not determined.
    """
    gain, intercept = noise.gain.value, noise.intercept.value
    if gain is None or intercept is None or gain <= 0 or (measured_here and not noise.gain.valid):
        raise InputError(
            f"trust cannot be evaluated for {name}: the gain of its noise is not determined "
            f"({noise.gain.note or 'no reason recorded'}), expected raw camera data or a noise model of the camera",
            advice=f"pass {setting('noise', 'camera.toml')}, a file of calibrate for a raw movie of this camera",
            option="noise",
        )
    known = None if noise.read_noise.value is None else noise.read_noise.value**2
    background = noise.variance(noise.levels[0])
    return PlaneNoise(
        gain=gain,
        intercept=intercept,
        least_variance=noise.least_variance,
        read_variance=(0.0, background) if known is None else (known, known),
        correlation=_correlation(noise.correlation_y, noise.correlation_x),
        saturation=noise.saturation.value if noise.saturation.valid else None,
        has_row_noise=bool(noise.row_noise.value),
        has_column_noise=bool(noise.column_noise.value),
    )


def _correlation(along_y: tuple[Estimate, ...], along_x: tuple[Estimate, ...]) -> Array | None:
    """Return the product of the autocorrelations along the axes; None if both are those of white noise."""
    rows, columns = _significant(along_y), _significant(along_x)
    if not rows[1] and not columns[1]:
        return None
    product = np.outer(np.array(rows), np.array(columns))
    half = np.concatenate([product[:0:-1], product])
    return np.concatenate([half[:, :0:-1], half], axis=1)


def _significant(lags: tuple[Estimate, ...]) -> list[float]:
    """Return the correlation at lags 0 to 4, 0 from the first lag on that is not significant."""
    values = [1.0]
    for lag, one in enumerate(lags[1:], 1):
        least = max(_LEAST_CORRELATION if lag == 1 else _LEAST_TAIL, 3 * (one.error or 0.0))
        if one.value is None or abs(one.value) < least:
            break
        values.append(one.value)
    return values + [0.0] * (len(lags) - len(values))
