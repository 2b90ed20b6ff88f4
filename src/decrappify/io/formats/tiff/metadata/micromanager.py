"""Parsers of Micro-Manager metadata: the summary, the metadata of planes, and the positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from decrappify.io.formats.tiff.metadata.record import TiffMetadata
from decrappify.io.units import to_micrometers, to_seconds


def read_micromanager(
    summary: Mapping[str, Any], first: Mapping[str, Any], last: Mapping[str, Any], n_intervals: int
) -> TiffMetadata:
    """Return the metadata of a Micro-Manager image stack or NDTiff data set.

    Parameters
    ----------
    summary : mapping
        Summary metadata (``micromanager_metadata["Summary"]`` of tifffile).
    first, last : mapping
        Metadata of the first and of the last plane of one channel and slice (tag 51123); may be empty.
    n_intervals : int
        Number of time points between those planes.

    Notes
    -----
    An interval of 0 means "as fast as possible": it is then computed from the elapsed times of the planes.
    """
    size = next(
        (
            found
            for found in (
                to_micrometers(_plain(words.get(key)), "um")
                for words in (first, summary)
                for key in ("PixelSizeUm", "PixelSize_um")
            )
            if found is not None
        ),
        None,
    )
    interval = to_seconds(_plain(summary.get("Interval_ms")), "ms")
    if interval is None and n_intervals > 0:
        start, end = (_number(words.get("ElapsedTime-ms")) for words in (first, last))
        if start is not None and end is not None:
            interval = to_seconds((end - start) / n_intervals, "ms")
    step = _number(summary.get("z-step_um"))
    names = summary.get("ChNames")
    colors = summary.get("ChColors")
    return TiffMetadata(
        pixel_size_um=(to_micrometers(abs(step) if step else None, "um"), size, size),
        frame_interval_s=interval,
        channel_names=[str(name) for name in names] if isinstance(names, list) else [],
        channel_colors=[_color(color) for color in colors] if isinstance(colors, list) else [],
    )


def position_names(summary: Mapping[str, Any], count: int) -> list[str]:
    """Return the names of the positions of a recording: its labels, or ``Pos0``, ``Pos1``, ...

    >>> position_names({"StagePositions": [{"Label": "A1"}, {"Label": "A2"}]}, 2), position_names({}, 1)
    (['A1', 'A2'], ['Pos0'])
    """
    for key in ("StagePositions", "InitialPositionList"):
        listed = summary.get(key)
        if isinstance(listed, list) and len(listed) >= count:
            labels = [str(_label(entry)) for entry in listed[:count]]
            if all(labels):
                return labels
    return [f"Pos{number}" for number in range(count)]


def ndtiff_channels(axes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the channel names of an NDTiff index, in the order in which they first appear in it."""
    names = dict.fromkeys(entry["channel"] for entry in axes if "channel" in entry)
    return [str(name) for name in names] if all(isinstance(name, str) for name in names) else []


def _label(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return ""
    return _plain(entry.get("Label") or entry.get("LABEL") or "")


def _plain(value: Any) -> Any:
    """Return the value of an entry, which later versions wrap together with its type."""
    if isinstance(value, Mapping):
        return value.get("scalar", value.get("PropVal"))
    return value


def _number(value: Any) -> float | None:
    try:
        return float(_plain(value))
    except (TypeError, ValueError):
        return None


def _color(value: Any) -> str | None:
    try:
        return f"{int(value) & 0xFFFFFF:06X}"
    except (TypeError, ValueError):
        return None
