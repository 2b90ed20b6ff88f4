"""Reader of OME-XML: its images, their metadata, and the files that contain their planes."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from decrappify._common.checks import json_value
from decrappify.io.formats.tiff.metadata.namespaces import MOVIE_NAMESPACE, PROVENANCE_NAMESPACE
from decrappify.io.formats.tiff.metadata.record import SAMPLE_COLORS, TiffMetadata, sample_names, spacing_without_unit
from decrappify.io.units import to_micrometers, to_seconds

_MOST = 2**31 - 1  # pixels, planes or samples along an axis
# Names of the images that slide scanners store in addition to the slide.
_ACCESSORY = frozenset({"label", "macro", "thumbnail", "overview", "preview", "map"})


def parse_ome(xml: str | None) -> Element | None:
    """Return the root of an OME-XML document; None if it is absent, damaged or other XML."""
    if not xml or "OME" not in xml:
        return None
    try:
        root = ElementTree.fromstring(xml.strip().strip("\0").encode())
    except (ElementTree.ParseError, ValueError, LookupError):  # LookupError for an unknown encoding
        return None
    return root if _local(root) == "OME" else None


def metadata_file(root: Element) -> str | None:
    """Return the name of the metadata file, if this document only refers to it (BinaryOnly)."""
    pointer = root.find("{*}BinaryOnly")
    return None if pointer is None else pointer.get("MetadataFile")


def image_elements(root: Element) -> list[Element]:
    """Return the images that have pixels."""
    return [image for image in root.findall("{*}Image") if image.find("{*}Pixels") is not None]


def scene_numbers(images: list[Element], own_uuid: str | None, own_name: str) -> list[int]:
    """Return the numbers of the images that are scenes, those with planes in this file first.

    Labels, overviews and thumbnails of slide scanners do not count as scenes.
    """
    numbers = [number for number, image in enumerate(images) if not is_accessory(image.get("Name"))]
    numbers = numbers or list(range(len(images)))
    own = [number for number in numbers if _is_in(images[number], own_uuid, own_name)]
    return own + [number for number in numbers if number not in own]


def is_accessory(name: str | None) -> bool:
    """Return whether a series name is that of a label, overview or thumbnail.

    >>> is_accessory("label image"), is_accessory("Macro"), is_accessory("labeled cells")
    (True, True, False)
    """
    words = (name or "").lower().split()
    return bool(words) and words[0] in _ACCESSORY and (len(words) == 1 or words[1:] == ["image"])


def files_of(image: Element) -> dict[str, str]:
    """Return the file name of each UUID that contains planes of an image."""
    return {
        (uuid.text or "").strip(): uuid.get("FileName", "")
        for uuid in image.iterfind("{*}Pixels/{*}TiffData/{*}UUID")
        if uuid.get("FileName")
    }


def missing_files(image: Element, path: Path, own_uuid: str | None) -> list[str]:
    """Return the names of the files of an image that do not exist next to `path`."""
    return [
        name
        for uuid, name in files_of(image).items()
        if uuid != own_uuid and name != path.name and not (path.parent / name).exists()
    ]


def renamed_uuid(images: list[Element], path: Path) -> str | None:
    """Return the UUID of the only file of all images if it was renamed: no file of its name exists next to `path`."""
    files = {uuid: name for image in images for uuid, name in files_of(image).items()}
    if len(files) != 1:
        return None
    ((uuid, name),) = files.items()
    return uuid if name != path.name and not (path.parent / name).exists() else None


def only_image(root: Element, number: int, uuid: str | None) -> str:
    """Return the document with only one of its images, for the file of this UUID."""
    whole = copy.copy(root)
    images = image_elements(root)
    for image in root.findall("{*}Image"):
        if image is not images[number]:
            whole.remove(image)
    if uuid:
        whole.set("UUID", uuid)
    return ElementTree.tostring(whole, encoding="unicode")


def announced_axes(image: Element) -> tuple[str, tuple[int, ...]]:
    """Return the axes of the planes of an image, slowest first, and their sizes."""
    pixels = image.find("{*}Pixels")
    order = "XYZCT" if pixels is None else pixels.get("DimensionOrder", "XYZCT")
    if sorted(order) != sorted("XYZCT") or not order.startswith("XY"):
        order = "XYZCT"
    axes = order[:1:-1]
    return axes, tuple(_count(None if pixels is None else pixels.get(f"Size{axis}")) for axis in axes)


def announced_pixels(image: Element) -> int:
    """Return the number of pixels of an image in all its planes, from sizes of any number of digits."""
    pixels = image.find("{*}Pixels")
    sizes = [None if pixels is None else pixels.get(f"Size{axis}") for axis in "XYZCT"]
    return math.prod(int(size) for size in sizes if size and size.isascii() and size.isdecimal() and len(size) < 1000)


def read_ome(root: Element | None, image: Element | None) -> TiffMetadata:
    """Return the metadata of an image of an OME-XML document (schemas 2003 to 2016)."""
    pixels = None if image is None else image.find("{*}Pixels")
    if root is None or pixels is None:
        return TiffMetadata()
    size = tuple(to_micrometers(*_length(pixels, axis)) for axis in "ZYX")
    metadata = TiffMetadata(
        pixel_size_um=(size[0], size[1], size[2]),
        frame_interval_s=to_seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
        or _interval_of_planes(pixels),
    )
    # "pixel", "reference frame", or an unknown unit
    metadata.unitless_spacing = spacing_without_unit({axis: _length(pixels, axis)[0] for axis in "ZYX"}, metadata)
    channels = pixels.findall("{*}Channel")
    for channel in channels:
        samples = _count(channel.get("SamplesPerPixel"))
        name = channel.get("Name")
        number = len(metadata.channel_names)
        parts = sample_names(samples)
        metadata.channel_names += (
            [name or f"C{number}"] if samples == 1 else [f"{name} {part}" if name else part for part in parts]
        )
        metadata.channel_colors += (
            [_ome_color(channel.get("Color"))] if samples == 1 else [SAMPLE_COLORS.get(part) for part in parts]
        )
    if len(metadata.channel_names) == len(channels) and not any(channel.get("Name") for channel in channels):
        metadata.channel_names = []  # another program may have named them in the same file
    metadata.provenance = map_annotation(root, image, PROVENANCE_NAMESPACE)
    spacing = map_annotation(root, image, MOVIE_NAMESPACE).get("unitless_spacing")
    if isinstance(spacing, dict):
        metadata.unitless_spacing |= spacing_without_unit(spacing, metadata)
    return metadata


def map_annotation(root: Element, image: Element | None, namespace: str) -> dict[str, Any]:
    """Return the entries (JSON) of the map annotation of this namespace; empty if absent.

    If an image of the document refers to annotations of this namespace, each image has its own.
    """
    found = {
        annotation.get("ID", ""): annotation
        for annotation in root.iterfind(".//{*}MapAnnotation")
        if annotation.get("Namespace") == namespace
    }
    if root.find(".//{*}Image/{*}AnnotationRef") is not None and len(root.findall("{*}Image")) > 1:
        own = set() if image is None else {ref.get("ID") for ref in image.iterfind("{*}AnnotationRef")}
        found = {name: annotation for name, annotation in found.items() if name in own}
    return next((dict(_entries(annotation)) for annotation in found.values()), {})


def _entries(annotation: Element) -> Iterator[tuple[str, Any]]:
    for entry in annotation.iterfind("{*}Value/{*}M"):
        try:
            value = json_value(entry.text or "null")
        except ValueError:
            value = entry.text  # of another program, or damaged: kept unchanged
        yield entry.get("K", ""), value


def _count(text: str | None) -> int:
    """Return a number of pixels, planes or samples; 1 if the file states none, or an invalid one."""
    return int(text) if text and text.isascii() and text.isdecimal() and 0 < int(text) <= _MOST else 1


def _length(pixels: Element, axis: str) -> tuple[str | None, str]:
    return pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")


def _is_in(image: Element, uuid: str | None, name: str) -> bool:
    files = files_of(image)
    return not files or uuid in files or name in files.values()


def _local(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _ome_color(value: str | None) -> str | None:
    try:
        return None if value is None else f"{int(value) >> 8 & 0xFFFFFF:06X}"
    except ValueError:
        return None


def _interval_of_planes(pixels: Element) -> float | None:
    times = {}
    for plane in pixels.iterfind("{*}Plane"):
        if plane.get("TheC") == "0" and plane.get("TheZ") == "0" and plane.get("DeltaT"):
            factor = to_seconds(1, plane.get("DeltaTUnit", "s"))
            try:
                times[int(plane.get("TheT", 0))] = float(plane.get("DeltaT", 0)) * (factor or np.nan)
            except ValueError:
                return None
    with np.errstate(all="ignore"):
        steps = np.diff([times[t] for t in sorted(times)])
        return float(np.median(steps)) if steps.size and np.isfinite(steps).all() and np.median(steps) > 0 else None
