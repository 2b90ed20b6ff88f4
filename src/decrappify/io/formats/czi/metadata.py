"""Parsers of pixel size, frame interval, scenes and channels in the XML of a CZI file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from decrappify._common.checks import reason
from decrappify.errors import FormatError
from decrappify.io.formats.czi.timestamps import read_timestamps
from decrappify.movie import PixelSize

_MOST_DIGITS = 10  # of a number of positions
_IMAGE = "Metadata/Information/Image/Dimensions"


def parse_metadata(xml: str, name: str) -> ElementTree.Element:
    """Return the root of a CZI file's XML; an empty one if the file has none."""
    try:
        return ElementTree.fromstring(xml.lstrip("\ufeff \r\n\t") or "<ImageDocument/>")
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError for an unknown encoding
        raise FormatError(f"the metadata of {name} are damaged ({reason(error)}); copy the file again") from error


def pixel_size_um(root: ElementTree.Element) -> PixelSize:
    """Return the pixel size (z, y, x) in micrometers.

    Only ``Scaling/Items`` is used: ``Distance`` elements elsewhere describe the PSF or the scale before
    processing.
    """
    items = root.findall("Metadata/Scaling/Items/Distance")
    meters = {item.get("Id"): _number(item.findtext("Value")) for item in items}
    z, y, x = (None if size is None else size * 1e6 for size in map(meters.get, "ZYX"))
    return z, y, x


def frame_interval_s(root: ElementTree.Element, path: Path) -> float | None:
    """Return the seconds between frames: the set interval, else the listed times, else the recorded time stamps."""
    positions = root.find(f"{_IMAGE}/T/Positions")
    if positions is None:
        return None
    increment = _number(positions.findtext("Interval/Increment"))
    if increment:
        return increment
    listed = positions.findtext("List/Offsets")
    if listed:
        times = [_number(offset) for offset in listed.replace(",", " ").split()]
        return median_step([time for time in times if time is not None])
    if positions.find("BinaryList") is not None:
        return median_step(read_timestamps(path))
    return None


def median_step(times: Sequence[float]) -> float | None:
    """Return the median difference between neighbors; None for fewer than two times or if it is not positive."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    return median(steps) if steps and median(steps) > 0 else None


def listed_sizes(root: ElementTree.Element) -> dict[str, int]:
    """Return the number of positions along T, C and Z, for those that the metadata list."""
    texts = {letter: root.findtext(f"Metadata/Information/Image/Size{letter}", "").strip() for letter in "TCZ"}
    return {letter: int(text) for letter, text in texts.items() if text.isdecimal() and len(text) < _MOST_DIGITS}


def scene_names(root: ElementTree.Element, numbers: Sequence[int | None]) -> list[str | None]:
    """Return the names of the scenes with these numbers, None for a scene without a name.

    A scene in a well is named after both, such as "P1-B4". If the scenes are not numbered from 0 without gaps,
    a scene without a name is named after its number, such as "S5".
    """
    found = _scene_elements(root, numbers)
    renumbered = any(number not in (None, position) for position, number in enumerate(numbers))
    return [
        (None if scene is None else _scene_name(scene)) or (f"S{number}" if renumbered else None)
        for number, scene in zip(numbers, found, strict=True)
    ]


def scene_centers_um(root: ElementTree.Element, numbers: Sequence[int | None]) -> list[tuple[float, float] | None]:
    """Return the stage positions (y, x) of the centers of the scenes with these numbers, None if absent."""
    texts = [
        ("" if scene is None else scene.findtext("CenterPosition") or "").split(",")
        for scene in _scene_elements(root, numbers)
    ]
    parts = [[_number(part) for part in text] for text in texts]
    return [
        (part[1], part[0]) if len(part) == 2 and part[0] is not None and part[1] is not None else None for part in parts
    ]


def _scene_elements(root: ElementTree.Element, numbers: Sequence[int | None]) -> list[ElementTree.Element | None]:
    """Return the elements of the scenes with these numbers, None for a scene without one."""
    elements = root.findall(f"{_IMAGE}/S/Scenes/Scene")
    by_number = {scene.get("Index", ""): scene for scene in elements}
    found = [by_number.get(str(number)) for number in numbers]
    if len(elements) == len(numbers) and not any(scene is not None for scene in found):
        return list(elements)
    return found


def channels(
    root: ElementTree.Element, numbers: Sequence[int], all_numbers: Sequence[int]
) -> tuple[list[str], list[str | None]]:
    """Return names and display colors (``"RRGGBB"``) of the channels.

    A name is read from the image's dimensions, then from the display settings, then from the fluorophore or dye of
    either. Colors are those of the display settings, which contain the user's choice.

    Parameters
    ----------
    root : Element
        The metadata.
    numbers : sequence of int
        Numbers of the channels in the file.
    all_numbers : sequence of int
        Numbers of all channels of the file.
    """
    image = root.findall(f"{_IMAGE}/Channels/Channel")
    display = root.findall("Metadata/DisplaySetting/Channels/Channel")
    shown_by_id = {channel.get("Id"): channel for channel in display if channel.get("Id")}
    image_entry, display_entry = _entries(image, all_numbers), _entries(display, all_numbers)
    names, colors = [], []
    for index, number in enumerate(numbers):
        channel = image_entry(number)
        shown = None if channel is None else shown_by_id.get(channel.get("Id"))
        if shown is None:
            shown = display_entry(number)
        names.append(_channel_name(channel, shown) or f"C{index}")
        colors.append(_color(shown) or _color(channel))
    return names, colors


def _entries(
    elements: Sequence[ElementTree.Element], all_numbers: Sequence[int]
) -> Callable[[int], ElementTree.Element | None]:
    """Return a function from the number of a channel to its element.

    An element is found by its position if every channel has one, else by its Id, else by the number of the channel.
    """
    if len(elements) == len(all_numbers):
        return dict(zip(all_numbers, elements, strict=True)).get
    by_id = {element.get("Id"): element for element in elements}
    by_number = dict(enumerate(elements)) if max(all_numbers) < len(elements) else {}
    return lambda number: by_id.get(f"Channel:{number}", by_number.get(number))


def _channel_name(channel: ElementTree.Element | None, shown: ElementTree.Element | None) -> str | None:
    present = [element for element in (channel, shown) if element is not None]
    texts = [element.get("Name") for element in present]
    texts += [element.findtext(tag) for tag in ("Fluor", "DyeName", "ShortName") for element in present]
    return next((text.strip() for text in texts if text and text.strip()), None)


def _scene_name(scene: ElementTree.Element) -> str | None:
    name = (scene.get("Name") or "").strip()
    shape = scene.find("Shape")
    well = ("" if shape is None else shape.get("Name") or "").strip() or (scene.findtext("ArrayName") or "").strip()
    if well and name and well not in name.split("-"):
        return f"{name}-{well}"
    return name or well or None


def _color(channel: ElementTree.Element | None) -> str | None:
    text = "" if channel is None else (channel.findtext("Color") or "").strip().removeprefix("#")
    digits = text[-6:].upper()  # eight digits are alpha, then the color
    return digits if len(digits) == 6 and set(digits) <= set("0123456789ABCDEF") else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
