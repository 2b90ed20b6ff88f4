"""Optics from sampled regions of the low images, and from good images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.model import NoiseModel
from decrappify.noise.optics.blur import measure_blur
from decrappify.noise.optics.lines import measure_lines
from decrappify.noise.optics.optics import Optics
from decrappify.noise.optics.scale import Spacing, measure_scale
from decrappify.noise.optics.spectra import TileSpectra, tile_spectra

Array = NDArray[Any]
_LINE_FRAMES = 6
_LOW_TILE, _HIGH_TILE = 128, 256  # pixels; tiles of good images with smaller pixels show the same frequencies
_NOISE_MARGIN = 1.1  # upper limit of the variance of the noise, relative to the one measured in flat pixels
_WHITE, _CORRELATED = 0.05, 0.1  # correlation of neighbors
_SMALL = unknown("requires images of at least 64 pixels along Y and X")
_NO_HIGH = unknown("no good images")


def measure_optics(
    regions: Sequence[Array],
    noise: NoiseModel,
    high: Sequence[Array] | None,
    spacings: tuple[Spacing, Spacing] = ((None, None), (None, None)),
) -> Optics:
    """Measure line jitter of low images, and with good images also the blur and the scale factor.

    Parameters
    ----------
    regions : sequence of arrays (T, Y, X)
        Of the low images, the first row even.
    noise : NoiseModel
        Of the low images.
    high : sequence of arrays (1, Y, X), optional
        Good images of the same kind of specimen.
    spacings : (low, high)
        Pixel sizes in micrometers, the last two along Y and X; None if unknown.
    """
    frames = [frame for region in regions for frame in region[evenly_spaced(len(region), _LINE_FRAMES)]]
    jitter, offset = _lines([frames[k] for k in evenly_spaced(len(frames), _LINE_FRAMES)], noise)
    lines = Optics(line_jitter=jitter, bidirectional_offset=offset, blur=_NO_HIGH, scale_factor=_NO_HIGH)
    if high is None:
        return lines
    low_spectra, high_spectra = low_tiles(regions, noise), tile_spectra(high, _HIGH_TILE)
    binned = not lines.is_scanned
    scale = measure_scale(low_spectra, high_spectra, *spacings, binned=binned)
    if low_spectra is None or high_spectra is None:
        blur = _SMALL
    elif scale.value is not None and scale.error:
        blur = unknown("the scale factor was estimated from the same spectra; pass files with pixel sizes")
    else:
        notes = [] if scale.value is not None else ["pixel sizes are not known: equal ones are assumed"]
        if noise.correlation_x[1].value is None:
            notes.append("the noise is assumed to be white")
        blur = measure_blur(low_spectra, high_spectra, scale.value or 1.0, binned=binned, note="; ".join(notes))
    return Optics(line_jitter=jitter, bidirectional_offset=offset, blur=blur, scale_factor=scale)


def _lines(frames: Sequence[Array], noise: NoiseModel) -> tuple[Estimate, Estimate]:
    correlation = noise.correlation_y[1].value
    if correlation is not None and correlation > _CORRELATED:
        hidden = unknown(f"noise is correlated between neighboring rows ({correlation:.2f}), which hides their shifts")
        return hidden, hidden
    return measure_lines(frames)


def low_tiles(regions: Sequence[Array], noise: NoiseModel) -> TileSpectra | None:
    """Compute the spectra of the low images, with the measured correlation and variance of their noise."""
    lags = tuple([one.value for one in side] for side in (noise.correlation_y, noise.correlation_x))
    known = [[value for value in side if value is not None] for side in lags]
    correlation = (known[0], known[1]) if all(len(side) == 5 for side in known) else None
    if correlation is not None and max(correlation[0][1], correlation[1][1]) < _WHITE:
        correlation = None
    in_time = any(len(region) > 1 for region in regions)
    variance = _NOISE_MARGIN * noise.noise_sd.value**2 if noise.noise_sd.value and in_time else np.inf
    return tile_spectra(regions, _LOW_TILE, correlation, variance)
