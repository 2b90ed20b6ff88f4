"""Metadata document of an OME-Zarr 0.5 image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from decrappify._version import __version__
from decrappify.movie import PixelSize, Plane, Shape5

# A level of at most this size is one chunk; a coarser level has no benefit for a viewer.
COARSEST = 512
_DISPLAY_COLORS = ("FFFFFF",), ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def level_shapes(shape: Shape5) -> list[Shape5]:
    """Return the shapes of the pyramid levels: Y and X are halved (rounded up) until both fit one chunk.

    >>> level_shapes((9, 1, 1, 1500, 400))
    [(9, 1, 1, 1500, 400), (9, 1, 1, 750, 200), (9, 1, 1, 375, 100)]
    """
    shapes = [shape]
    while max(shape[3:]) > COARSEST:
        shape = (*shape[:3], -(-shape[3] // 2), -(-shape[4] // 2))
        shapes.append(shape)
    return shapes


def group_document(
    shape: Shape5,
    dtype: np.dtype[Any],
    windows: Sequence[tuple[float, float]] | None,
    *,
    name: str,
    pixel_size_um: PixelSize,
    frame_interval_s: float | None,
    channel_names: Sequence[str],
    channel_colors: Sequence[str | None],
    provenance: Mapping[str, Any],
    unitless_spacing: Mapping[str, float],
    missing: Sequence[Plane],
) -> dict[str, Any]:
    """Create the ``zarr.json`` of the image group (NGFF 0.5).

    An axis of unknown spacing has the factor of `unitless_spacing`, or 1, and no unit. `windows` is the display range
    of each channel; None while the data are unknown, in which case the store is marked as incomplete. Planes in
    `missing` were never recorded.
    """
    attributes = {
        "ome": {
            "version": "0.5",
            "multiscales": [_multiscale(shape, name, frame_interval_s, pixel_size_um, unitless_spacing)],
            "omero": {
                "channels": _channels(dtype, windows, channel_names, channel_colors),
                "rdefs": {"model": "color"},
            },
        },
        "decrappify": {
            "version": __version__,
            "complete": windows is not None,
            "channel_colors": list(channel_colors),
            "provenance": dict(provenance),
        }
        | ({"missing_planes": [list(plane) for plane in missing]} if missing else {}),
    }
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _multiscale(
    shape: Shape5, name: str, interval: float | None, size: PixelSize, unitless: Mapping[str, float]
) -> dict[str, Any]:
    axes: list[dict[str, str]] = []
    for letter, kind, unit, value in (
        ("t", "time", "second", interval),
        ("c", "channel", "", None),
        ("z", "space", "micrometer", size[0]),
        ("y", "space", "micrometer", size[1]),
        ("x", "space", "micrometer", size[2]),
    ):
        axes.append({"name": letter, "type": kind} | ({} if value is None else {"unit": unit}))
    known = dict(zip("TZYX", (interval, *size), strict=True))
    scale = [known.get(axis) or unitless.get(axis, 1.0) for axis in "TCZYX"]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [*scale[:3], scale[3] * 2**level, scale[4] * 2**level]}
            ],
        }
        for level in range(len(level_shapes(shape)))
    ]
    return {"name": name, "axes": axes, "datasets": datasets, "type": "mean"}


def _channels(
    dtype: np.dtype[Any],
    windows: Sequence[tuple[float, float]] | None,
    names: Sequence[str],
    colors: Sequence[str | None],
) -> list[dict[str, Any]]:
    limits = np.iinfo(dtype) if dtype.kind in "ui" else None
    low, high = (int(limits.min), int(limits.max)) if limits else (0.0, 1.0)
    display = _DISPLAY_COLORS[len(names) > 1]
    channels = []
    for i, (name, color) in enumerate(zip(names, colors, strict=True)):
        start, end = windows[i] if windows else (low, high)
        smallest, largest = (low, high) if limits else (start, end)
        channels.append(
            {
                "label": name,
                "color": color or display[i % len(display)],
                "window": {"min": smallest, "max": largest, "start": start, "end": end},
                "active": True,
            }
        )
    return channels
