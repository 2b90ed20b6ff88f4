"""Pixel size, frame interval and channels from the words of OME, ImageJ and plain TIFF files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from decrappify.io.ome_xml import PROVENANCE_NAMESPACE
from decrappify.io.units import to_micrometres, to_seconds
from decrappify.movie import PixelSize

# 600 dots per inch and coarser (72, 96, 300, "1") are what picture programs write for printing.
_PRINT_PIXEL_UM = 42.0
SAMPLE_COLORS = {"R": "FF0000", "G": "00FF00", "B": "0000FF"}
_TIFF_UNITS = {2: "inch", 3: "cm"}


@dataclass(slots=True)
class TiffMetadata:
    """What a file says about its pixels; None and empty where it says nothing."""

    pixel_size_um: PixelSize = (None, None, None)
    frame_interval_s: float | None = None
    channel_names: list[str] = field(default_factory=list)
    channel_colors: list[str | None] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)


def read_ome(xml: str, scene: int) -> TiffMetadata:
    """Metadata of image number `scene` of an OME-XML document (schemas 2003 to 2016); empty where it is damaged."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return TiffMetadata()
    images = root.findall("{*}Image")
    pixels = images[scene].find("{*}Pixels") if scene < len(images) else None
    if pixels is None:
        return TiffMetadata()
    size = tuple(
        to_micrometres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"
    )
    metadata = TiffMetadata(
        pixel_size_um=(size[0], size[1], size[2]),
        frame_interval_s=to_seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
        or _interval_of_planes(pixels),
    )
    for channel in pixels.findall("{*}Channel"):
        samples = int(channel.get("SamplesPerPixel") or 1)
        name = channel.get("Name")
        number = len(metadata.channel_names)
        parts = sample_names(samples)
        metadata.channel_names += (
            [name or f"C{number}"] if samples == 1 else [f"{name} {part}" if name else part for part in parts]
        )
        metadata.channel_colors += (
            [_ome_color(channel.get("Color"))] if samples == 1 else [SAMPLE_COLORS.get(part) for part in parts]
        )
    for annotation in root.iterfind(".//{*}MapAnnotation"):
        if annotation.get("Namespace") == PROVENANCE_NAMESPACE:
            metadata.provenance = {
                entry.get("K", ""): json.loads(entry.text or "null") for entry in annotation.iterfind("{*}Value/{*}M")
            }
    return metadata


def read_imagej(properties: dict[str, Any], tags: Any, n_channels: int) -> TiffMetadata:
    """Metadata of an ImageJ file, or of tifffile's own, which takes over ImageJ's words."""
    unit = properties.get("unit")
    if unit is None:
        metadata = read_plain(tags)
    else:
        size_y, size_x = (_per_dot(tags, f"{axis}Resolution", unit) for axis in "YX")
        metadata = TiffMetadata(pixel_size_um=(to_micrometres(properties.get("spacing"), unit), size_y, size_x))
    metadata.frame_interval_s = to_seconds(properties.get("finterval"), properties.get("tunit") or "s")
    tables = properties.get("LUTs") or ()
    if len(tables) == n_channels:
        brightest = [np.asarray(table)[:, -1] for table in tables]
        metadata.channel_colors = ["".join(f"{part:02X}" for part in rgb) if rgb.any() else None for rgb in brightest]
    return metadata


def read_plain(tags: Any) -> TiffMetadata:
    """Pixel size from the resolution tags, unless it is a print setting such as 72 dots per inch."""
    unit = _TIFF_UNITS.get(int(tags.valueof("ResolutionUnit", default=2)))
    size_y, size_x = (_per_dot(tags, f"{axis}Resolution", unit) for axis in "YX")
    return TiffMetadata(pixel_size_um=(None, size_y, size_x))


def sample_names(samples: int) -> list[str]:
    """Name the samples of one pixel: R, G and B, whatever else there is by number."""
    return ["R", "G", "B"] if samples == 3 else [f"C{i}" for i in range(samples)]


def _ome_color(value: str | None) -> str | None:
    try:
        return None if value is None else f"{int(value) >> 8 & 0xFFFFFF:06X}"
    except ValueError:
        return None


def _interval_of_planes(pixels: ElementTree.Element) -> float | None:
    times = {}
    for plane in pixels.iterfind("{*}Plane"):
        if plane.get("TheC") == "0" and plane.get("TheZ") == "0" and plane.get("DeltaT"):
            factor = to_seconds(1, plane.get("DeltaTUnit", "s"))
            times[int(plane.get("TheT", 0))] = float(plane.get("DeltaT", 0)) * (factor or np.nan)
    steps = np.diff([times[t] for t in sorted(times)])
    return float(np.median(steps)) if steps.size and np.isfinite(steps).all() and np.median(steps) > 0 else None


def _per_dot(tags: Any, name: str, unit: str | None) -> float | None:
    value = tags.valueof(name)
    dots, per = value if isinstance(value, tuple) and len(value) == 2 else (value, 1)
    if not dots or not per:
        return None
    size = to_micrometres(per / dots, unit)
    print_unit = unit in ("inch", "cm")
    return None if size is None or (print_unit and size > _PRINT_PIXEL_UM) else size
