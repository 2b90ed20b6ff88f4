"""Metadata of the pixels of a TIFF file, in units of this package, and their merging from several sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from decrappify.movie import PixelSize

SAMPLE_COLORS = {"R": "FF0000", "G": "00FF00", "B": "0000FF"}


@dataclass(slots=True)
class TiffMetadata:
    """Metadata of the pixels in a file; None or empty if not stated."""

    pixel_size_um: PixelSize = (None, None, None)
    frame_interval_s: float | None = None
    channel_names: list[str] = field(default_factory=list)
    channel_colors: list[str | None] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    unitless_spacing: dict[str, float] = field(default_factory=dict)


def merged(*sources: TiffMetadata) -> TiffMetadata:
    """Merge metadata of several sources; the first one that states an item takes precedence.

    Y and X are merged together, and a spacing without a unit is superseded by any pixel size.
    """
    result = TiffMetadata()
    for source in sources:
        z, y, x = result.pixel_size_um
        own_z, own_y, own_x = source.pixel_size_um
        y, x = (own_y, own_x) if y is None and x is None else (y, x)
        result.pixel_size_um = (own_z if z is None else z, y, x)
        if result.frame_interval_s is None:
            result.frame_interval_s = source.frame_interval_s
        result.channel_names = result.channel_names or source.channel_names
        result.channel_colors = result.channel_colors if any(result.channel_colors) else source.channel_colors
        result.provenance = source.provenance | result.provenance
        result.unitless_spacing = source.unitless_spacing | result.unitless_spacing
    return result


def spacing_without_unit(values: Mapping[str, object], known: TiffMetadata) -> dict[str, float]:
    """Return the values above 0, other than 1, of axes with unknown physical size."""
    sizes = dict(zip("TZYX", (known.frame_interval_s, *known.pixel_size_um), strict=True))
    spacing = {}
    for axis, value in values.items():
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            continue
        if axis in sizes and sizes[axis] is None and 0 < number < float("inf") and number != 1:
            spacing[axis] = number
    return spacing if set(spacing) & set("TZ") or len(set(spacing) & set("YX")) != 1 else {}


def sample_names(samples: int) -> list[str]:
    """Return the names of the samples of one pixel: R, G and B, other numbers of samples by index."""
    return ["R", "G", "B"] if samples == 3 else [f"C{i}" for i in range(samples)]
