"""Offset, read noise, fixed pattern and hot pixels from frames recorded without light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.measurement.kernels import LAPLACIAN, redundancy
from decrappify.noise.measurement.patterns import dark_hot_pixels, fixed_pattern
from decrappify.noise.measurement.transfer import truncated_variance

Array = NDArray[Any]
_INSEPARABLE = unknown("no dark frames: offset and read noise cannot be separated")
_PATTERN = unknown("no dark frames: a constant pattern cannot be separated from the specimen")


@dataclass(frozen=True, slots=True)
class Dark:
    """Quantities of dark frames, in gray levels; all are unknown without dark frames."""

    offset: Estimate = _INSEPARABLE
    read_noise: Estimate = _INSEPARABLE
    fixed_pattern: Estimate = _PATTERN
    hot_pixels: Estimate | None = None
    hot_level: Estimate | None = None


def measure_dark(regions: Sequence[Array]) -> Dark:
    """Measure dark frames, regions (T, Y, X) of consecutive frames or single images (1, Y, X)."""
    from scipy.ndimage import correlate

    variances, levels, sizes = [], [], []
    for region in regions:
        levels.append(float(np.median(region.mean(0))) if len(region) > 1 else float(region.mean()))
        sizes.append(region.size)
        if len(region) > 1:
            noise = (region[1:] - region[:-1]) / np.sqrt(2)
            variances.append(truncated_variance(noise.ravel()) or float(noise.var()))
        else:
            filtered = correlate(region[0], LAPLACIAN)[2:-2, 2:-2].ravel()
            variances.append(truncated_variance(filtered) or float(filtered.var()))
    variance = float(np.average(variances, weights=sizes))
    n_pixels = sum(sizes)
    single = all(len(region) == 1 for region in regions)
    spread = redundancy(LAPLACIAN, in_time=False) if single else 1.5
    largest = max(regions, key=lambda region: region.size)
    values = np.concatenate([region.mean(0).ravel() for region in regions])
    offset = float(np.mean(values[np.abs(values - np.median(values)) <= 8 * max(values.std(), 1e-9)]))
    note = "from a single dark image: contains its fixed pattern" if single else ""
    deviation = variance**0.5
    return Dark(
        Estimate(offset, max(float(np.std(levels)), deviation / n_pixels**0.5)),
        Estimate(deviation, deviation * (spread / (2 * n_pixels)) ** 0.5, note=note),
        fixed_pattern(largest, variance),
        *dark_hot_pixels(largest.mean(0), deviation / len(largest) ** 0.5),
    )


def hot_estimates(dark: Dark, pixels: Estimate, level: Estimate) -> dict[str, Estimate]:
    """Return share and level of the hot pixels, both from the dark frames or both from the movie, by name.

    Dark frames show more of them, as no specimen hides them, and are preferred. Those of the movie, `pixels` and
    `level`, are kept if the dark frames have none: the movie was recorded at the settings to simulate.
    """
    if dark.hot_pixels is None or dark.hot_level is None:
        return {"hot_pixels": pixels, "hot_level": level}
    if dark.hot_pixels.value or not pixels.value:
        chosen, origin = (dark.hot_pixels, dark.hot_level), "of the dark frames"
    else:
        chosen, origin = (pixels, level), "of the movie; the dark frames have no hot pixels"
    notes = [one.note if one.value is None else f"{one.note} {origin}".strip() for one in chosen]
    return {
        name: replace(one, note=note)
        for name, one, note in zip(("hot_pixels", "hot_level"), chosen, notes, strict=True)
    }
