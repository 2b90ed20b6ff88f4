"""Parsers of pixel size, frame interval and channels in the metadata of ImageJ, tifffile and plain TIFF files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from decrappify.io.formats.tiff.metadata.record import TiffMetadata, spacing_without_unit
from decrappify.io.units import to_micrometers, to_seconds

# 600 dots per inch and coarser (72, 96, 300, "1") are written by image programs for printing.
_PRINT_PIXEL_UM = 42.0
_PRINT_DOTS = frozenset({72, 75, 96, 100, 150, 200, 300, 600, 1200})
_PLAUSIBLE_UM = (1e-5, 1e5)  # from electron microscopes to whole-animal scanners
_PRINT_UNITS = {2: "inch", 3: "cm"}
_TIFF_UNITS = {**_PRINT_UNITS, 4: "mm", 5: "um"}  # the last two are an extension


def read_imagej(properties: Mapping[str, Any], tags: Any, n_channels: int) -> TiffMetadata:
    """Return the metadata of an ImageJ file, or of tifffile's format, which uses ImageJ's keys.

    ImageJ's unit applies to all axes unless ``yunit`` or ``zunit`` is present.
    """
    unit, spacing = properties.get("unit"), properties.get("spacing")
    if unit is None:
        metadata = read_plain(tags)
        z_size = to_micrometers(spacing, str(properties.get("zunit") or ""))
        metadata.pixel_size_um = (z_size, *metadata.pixel_size_um[1:])
        metadata.unitless_spacing |= spacing_without_unit({"Z": spacing}, metadata)
    else:
        units = {"X": unit, "Y": properties.get("yunit", unit), "Z": properties.get("zunit", unit)}
        size_y, size_x = (_imagej_size(tags, axis, str(units[axis])) for axis in "YX")
        metadata = TiffMetadata(pixel_size_um=(to_micrometers(spacing, str(units["Z"])), size_y, size_x))
        of_prints = str(unit).strip().lower() in _PRINT_UNITS.values()  # whose sizes were rejected
        dots = {} if of_prints else {axis: _units_per_dot(tags, axis) for axis in "YX"}
        metadata.unitless_spacing = spacing_without_unit({"Z": spacing, **dots}, metadata)
    interval = properties.get("finterval")
    metadata.frame_interval_s = to_seconds(interval, str(properties.get("tunit") or "s"))
    metadata.unitless_spacing |= spacing_without_unit({"T": interval}, metadata)
    tables = properties.get("LUTs") or ()
    if len(tables) == n_channels:
        brightest = [np.asarray(table)[:, -1] for table in tables]
        metadata.channel_colors = ["".join(f"{part:02X}" for part in rgb) if rgb.any() else None for rgb in brightest]
    return metadata


def read_plain(tags: Any) -> TiffMetadata:
    """Return the pixel size of the resolution tags, unless it is a print setting such as 72 dots per inch."""
    number = int(tags.valueof("ResolutionUnit", default=2))
    size_y, size_x = (_tag_size(tags, axis) for axis in "YX")
    metadata = TiffMetadata(pixel_size_um=(None, size_y, size_x))
    dots = {axis: _units_per_dot(tags, axis) for axis in "YX"}
    if number == 1 and not any(size and round(1 / size, 3) in _PRINT_DOTS for size in dots.values()):
        metadata.unitless_spacing = spacing_without_unit(dots, metadata)
    return metadata


def _imagej_size(tags: Any, axis: str, unit: str) -> float | None:
    """Return the pixel size if the description and the ResolutionUnit tag both state a unit.

    ImageJ states the unit in the description and none in the tag. Micro-Manager, and programs derived from it, write
    "um" and pixels per centimeter, which ImageJ reads accordingly (``FileOpener.decodeDescriptionString``). Others
    write ImageJ's unit and leave inch or cm in the tag by default. If one of the readings is implausible for a
    microscope, the other is used.
    """
    by_text, by_tag = to_micrometers(_units_per_dot(tags, axis), unit), _tag_size(tags, axis)
    if by_text is None or by_tag is None:
        printed = unit.strip().lower() in _PRINT_UNITS.values() and (by_text or 0) > _PRINT_PIXEL_UM
        return None if printed else by_text
    per_cm = int(tags.valueof("ResolutionUnit", default=1)) == 3 and to_micrometers(1, unit) == 1.0
    smallest, largest = _PLAUSIBLE_UM
    return by_tag if per_cm or not smallest <= by_text <= largest else by_text


def _tag_size(tags: Any, axis: str) -> float | None:
    """Return the pixel size from the resolution tags alone, None for print settings."""
    unit = _TIFF_UNITS.get(int(tags.valueof("ResolutionUnit", default=2)))
    size = to_micrometers(_units_per_dot(tags, axis), unit)
    return None if size is None or (unit in _PRINT_UNITS.values() and size > _PRINT_PIXEL_UM) else size


def _units_per_dot(tags: Any, axis: str) -> float | None:
    value = tags.valueof(f"{axis}Resolution")
    dots, per = value if isinstance(value, tuple) and len(value) == 2 else (value, 1)
    return per / dots if dots and per else None
