"""Width of the blur that leads from good to low-quality images, from their spectra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.optics.spectra import TileSpectra, radial_mean

Array = NDArray[Any]
_LEAST_RINGS = 5
_LOWEST = 3  # rings; below is shading
_LARGEST = 0.4  # cycles per pixel; above is aliased detail
_DRAWS = 60
_SIGNIFICANT = 3.0
_MODEL_ERROR = 0.03  # relative error of the width beyond that of the spectra, from simulations
_MISFIT = 0.35  # natural logarithm of a ratio of powers: 1.5 dB


@dataclass(frozen=True, slots=True)
class Ratio:
    """Logarithm of the power of the structure in low images relative to that in good ones.

    Attributes
    ----------
    frequency : float array (n,)
        Cycles per pixel of the low images.
    logarithm : float array (n,)
    """

    frequency: Array
    logarithm: Array

    def fit(self) -> tuple[float, float]:
        """Return the variance of the Gaussian blur in squared pixels, and the root mean square of the misfit."""
        weights = np.sqrt(self.frequency)
        design = np.stack([np.ones_like(self.frequency), -4 * np.pi**2 * self.frequency**2], 1)
        found = np.linalg.lstsq(design * weights[:, None], self.logarithm * weights, rcond=None)[0]
        return float(found[1]), float(np.sqrt(np.square(self.logarithm - design @ found).mean()))


def measure_blur(low: TileSpectra, high: TileSpectra, scale: float, *, binned: bool, note: str = "") -> Estimate:
    """Estimate the standard deviation of the Gaussian blur in pixels of the low images.

    Structure of the same kind of specimen has the same mean spectrum in both sets; the logarithm of the ratio falls
    with the squared frequency by ``4 pi^2 sigma^2``. The images need not show the same fields.

    Parameters
    ----------
    low, high : TileSpectra
        Of the low-quality and the good images.
    scale : float
        Size of a pixel of the low images, in pixels of the good ones.
    binned : bool
        Whether a low pixel integrates an area, as that of a camera, or samples a point.
    note : str
        Condition of the measurement.
    """
    whole = power_ratio(low, high, scale, binned=binned)
    if whole is None:
        return unknown("too little structure above the noise in the low or the good images")
    variance, misfit = whole.fit()
    error = spread(low, high, lambda a, b: _variance(power_ratio(low, high, scale, a, b, binned=binned)))
    if not np.isfinite(error):
        return unknown("too little structure above the noise in parts of the images")
    if variance < -_SIGNIFICANT * error:
        return unknown(
            "the low images have more fine detail than the good ones, or correlated noise; check the order of the "
            "images and their pixel sizes"
        )
    if variance <= _SIGNIFICANT * error:
        return unknown(f"not detected; below {np.sqrt(max(variance, 0) + _SIGNIFICANT * error):.2g} pixels")
    sigma = float(np.sqrt(variance))
    notes = [note] if note else []
    if low.n_images < 4 or high.n_images < 4:
        notes.append("few images: the error does not include differences between specimens")
    valid = misfit <= _MISFIT
    if not valid:
        notes.append(f"the spectra differ by more than a Gaussian blur ({misfit * 10 / np.log(10):.1f} dB)")
    return Estimate(sigma, float(np.hypot(error / (2 * sigma), _MODEL_ERROR * sigma)), valid, "; ".join(notes))


def power_ratio(
    low: TileSpectra,
    high: TileSpectra,
    scale: float,
    low_tiles: Array | None = None,
    high_tiles: Array | None = None,
    *,
    binned: bool,
) -> Ratio | None:
    """Compute the ratio on contiguous rings where structure exceeds the noise; None for fewer than 5 rings."""
    (power, noise), (good, good_noise) = low.mean(low_tiles), high.mean(high_tiles)
    frequency = low.frequency
    signal = power - noise
    expected = np.interp(frequency / scale, high.frequency, good - good_noise)
    visible = (signal > noise) & (expected > np.interp(frequency / scale, high.frequency, good_noise))
    visible &= frequency <= _LARGEST
    hidden = np.flatnonzero(~visible[_LOWEST:])
    stop = _LOWEST + int(hidden[0]) if len(hidden) else len(visible)
    if stop - _LOWEST < _LEAST_RINGS:
        return None
    rings = slice(_LOWEST, stop)
    integrated = radial_mean(lambda y, x: _block(y, scale) * _block(x, scale), frequency[rings]) if binned else 1.0
    return Ratio(frequency[rings], np.log(signal[rings] / (expected[rings] * integrated)))


def spread(low: TileSpectra, high: TileSpectra, value: Callable[[Array, Array], float], draws: int = _DRAWS) -> float:
    """Return the bootstrap standard error of a value of both sets; infinite if it is often not determined."""
    rng = np.random.default_rng(0)
    values = np.array([value(low.draw(rng), high.draw(rng)) for _ in range(draws)])
    known = np.isfinite(values)
    return float(values[known].std()) if known.mean() > 0.8 else np.inf


def _variance(ratio: Ratio | None) -> float:
    return np.nan if ratio is None else ratio.fit()[0]


def _block(frequency: Array, scale: float) -> Array:
    """Return the power that the mean of `scale` pixels passes, at a frequency in cycles per large pixel."""
    if scale <= 1:
        return np.ones_like(frequency)
    inner = np.maximum(np.abs(frequency) * np.pi, 1e-9)
    return np.asarray(np.square(np.sin(inner) / (scale * np.sin(inner / scale))))
