"""Scale factor between low-quality and good images, from pixel sizes or spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.optics.blur import power_ratio, spread
from decrappify.noise.optics.spectra import TileSpectra

Array = NDArray[Any]
Spacing = tuple[float | None, ...]
SCALES = (1, 2, 3, 4, 8)
_GRID = np.geomspace(0.5, 10, 48)
_TOLERANCE = 0.15  # relative distance to one of SCALES
_MISFIT = 0.35  # natural logarithm of a ratio of powers: 1.5 dB
_DRAWS = 24  # of the bootstrap
_OVERSAMPLED = 0.25  # cycles per pixel, half the Nyquist frequency
_OVERSAMPLED_NOTE = "oversampled, so that upsampling adds no detail"


def measure_scale(
    low: TileSpectra | None, high: TileSpectra | None, low_um: Spacing, high_um: Spacing, *, binned: bool
) -> Estimate:
    """Estimate the size of a pixel of the low images in pixels of the good ones.

    The pixel sizes of the files decide. Without them, the scale factor is that at which the spectra of the structure
    coincide, which assumes equal optical resolution.

    Parameters
    ----------
    low, high : TileSpectra or None
        None if the images are too small.
    low_um, high_um : tuple
        Pixel sizes in micrometers, the last two along Y and X; None if unknown.
    binned : bool
        Whether a low pixel integrates an area, as that of a camera, or samples a point.
    """
    cutoff = None if low is None else cutoff_frequency(low)
    oversampled = cutoff is not None and cutoff < _OVERSAMPLED
    known = _ratio_of_sizes(low_um, high_um)
    if known is not None:
        note = "from the pixel sizes"
        return Estimate(known, 0.0, note=f"{note}; {_OVERSAMPLED_NOTE}" if oversampled and known > 1.05 else note)
    if low is None or high is None:
        return unknown("no pixel sizes, and images of fewer than 64 pixels along Y or X")
    if cutoff is None:
        return unknown("no structure above the noise in the low images, and no pixel sizes")
    if oversampled:
        share = 200 * (cutoff or 0)
        return unknown(f"no pixel sizes; structure up to {share:.0f} % of the Nyquist frequency; {_OVERSAMPLED_NOTE}")
    return _from_spectra(low, high, binned)


def cutoff_frequency(spectra: TileSpectra) -> float | None:
    """Return the frequency up to which structure exceeds the noise; None if it does nowhere."""
    power, noise = spectra.mean()
    hidden = np.flatnonzero(~(power - noise > noise)[2:])
    stop = 2 + int(hidden[0]) if len(hidden) else len(power)
    return None if stop <= 3 else float(spectra.frequency[stop - 1])


def _ratio_of_sizes(low_um: Spacing, high_um: Spacing) -> float | None:
    sizes = [(low, high) for low, high in zip(low_um[-2:], high_um[-2:], strict=True) if low and high]
    if not sizes:
        return None
    return float(np.mean([low / high for low, high in sizes]))


def _from_spectra(low: TileSpectra, high: TileSpectra, binned: bool) -> Estimate:
    factor, misfit = _stretch(low, high, None, None, binned)
    error = spread(low, high, lambda a, b: np.log(_stretch(low, high, a, b, binned)[0]), _DRAWS)
    without = "no pixel sizes, and the spectra do not determine it"
    if not np.isfinite(factor) or not np.isfinite(error) or misfit > _MISFIT:
        return unknown(without)
    if factor < 1 - _TOLERANCE:
        return unknown(f"{without}: the low images are smoother; equal pixel sizes are assumed for the blur")
    nearest = min(SCALES, key=lambda one: abs(np.log(factor / one)))
    if abs(np.log(factor / nearest)) > _TOLERANCE or error > _TOLERANCE:
        return unknown(f"{without}: {factor:.2g} ± {factor * error:.1g}")
    note = f"from the spectra ({factor:.2f}), which assumes equal optical resolution; pixel sizes are not known"
    return Estimate(float(nearest), float(factor * error), note=note)


def _stretch(
    low: TileSpectra, high: TileSpectra, low_tiles: Array | None, high_tiles: Array | None, binned: bool
) -> tuple[float, float]:
    """Return the factor of the frequencies at which the spectra coincide, and the misfit there; NaN if none does."""
    misfits = np.full(len(_GRID), np.inf)
    for k, factor in enumerate(_GRID):
        ratio = power_ratio(low, high, float(factor), low_tiles, high_tiles, binned=binned)
        if ratio is not None:
            weights = ratio.frequency / ratio.frequency.sum()
            mean = float((weights * ratio.logarithm).sum())
            misfits[k] = np.sqrt((weights * np.square(ratio.logarithm - mean)).sum())
    best = int(misfits.argmin())
    return (float(_GRID[best]), float(misfits[best])) if np.isfinite(misfits[best]) else (np.nan, np.inf)
