"""What the XML of a CZI file says about scale, time and channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from decrappify.errors import FormatError
from decrappify.io.czi_timestamps import read_timestamps
from decrappify.movie import PixelSize

_IMAGE = "Metadata/Information/Image/Dimensions"


def parse_metadata(xml: str, name: str) -> ElementTree.Element:
    """Return the root of a CZI file's XML; an empty one if the file has none."""
    try:
        return ElementTree.fromstring(xml.lstrip("\ufeff \r\n\t") or "<ImageDocument/>")
    except ElementTree.ParseError as error:
        raise FormatError(f"the metadata of {name} is damaged ({error}); copy the file again") from error


def pixel_size_um(root: ElementTree.Element) -> PixelSize:
    """Pixel size (z, y, x) in micrometres.

    Only ``Scaling/Items`` counts: ``Distance`` elements elsewhere describe the PSF or the scale before
    processing.
    """
    items = root.findall("Metadata/Scaling/Items/Distance")
    metres = {item.get("Id"): _number(item.findtext("Value")) for item in items}
    z, y, x = (None if size is None else size * 1e6 for size in map(metres.get, "ZYX"))
    return z, y, x


def frame_interval_s(root: ElementTree.Element, path: Path) -> float | None:
    """Seconds between frames: the set interval, else the listed times, else the time stamps written while recording."""
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
    """Return the median difference between neighbours; None for fewer than two times or no progress."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    return median(steps) if steps and median(steps) > 0 else None


def scene_names(root: ElementTree.Element) -> dict[int, str]:
    """Return the names of the scenes by their index; scenes without a name are left out."""
    found = {}
    for scene in root.findall(f"{_IMAGE}/S/Scenes/Scene"):
        index, name = scene.get("Index", ""), scene.get("Name", "")
        if index.isdecimal() and name:
            found[int(index)] = name
    return found


def channels(root: ElementTree.Element, n_channels: int) -> tuple[list[str], list[str | None]]:
    """Names and display colours (``"RRGGBB"``) of the channels.

    Names occur twice in the file; they are taken from the image's dimensions, and from the display settings only
    where those do not list every channel. The display settings know the colour the user chose.
    """
    image = root.findall(f"{_IMAGE}/Channels/Channel")
    display = root.findall("Metadata/DisplaySetting/Channels/Channel")
    listed = next((found for found in (image, display) if len(found) == n_channels), [])
    by_id = {channel.get("Id"): channel for channel in display}
    names, colors = [], []
    for index in range(n_channels):
        channel = listed[index] if listed else None
        shown = by_id.get(channel.get("Id")) if channel is not None else None
        if shown is None and len(display) == n_channels:
            shown = display[index]
        names.append((channel.get("Name") if channel is not None else None) or f"C{index}")
        colors.append(_color(shown) or _color(channel))
    return names, colors


def _color(channel: ElementTree.Element | None) -> str | None:
    text = "" if channel is None else (channel.findtext("Color") or "").strip().removeprefix("#")
    digits = text[-6:].upper()  # eight digits are alpha, then the colour
    return digits if len(digits) == 6 and set(digits) <= set("0123456789ABCDEF") else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
