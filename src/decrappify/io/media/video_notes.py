"""Metadata of a movie in the comment of a film written by this package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from decrappify._common.checks import json_value
from decrappify.movie import PixelSize


@dataclass(frozen=True, slots=True)
class VideoNotes:
    """Metadata of a movie for which a film has no other field.

    Attributes
    ----------
    frame_interval_s : float or None
        Seconds between frames of the movie; the film itself has a rate suitable for viewing.
    pixel_size_um : tuple
        (z, y, x) in micrometers, None where unknown.
    channel_names : tuple of str
        Channels of the movie, which are merged in the film.
    size : tuple of int
        Rows and columns before padding to even numbers.
    display_range : tuple of (low, high)
        Gray levels shown as black and as full brightness, per channel.
    provenance : mapping
        Processing history of the movie.
    """

    frame_interval_s: float | None
    pixel_size_um: PixelSize
    channel_names: tuple[str, ...]
    size: tuple[int, int]
    display_range: tuple[tuple[float, float], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_comment(self) -> str:
        """Return the notes as one line of JSON."""
        return json.dumps({"software": "decrappify", **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> VideoNotes | None:
        """Return the notes in a film's metadata; None for a film of another program."""
        try:
            values: dict[str, Any] = json_value(metadata.get("comment", ""))
            if values["software"] != "decrappify":
                return None
            z, y, x = values["pixel_size_um"]
            rows, columns = values["size"]
            interval, names = values["frame_interval_s"], tuple(map(str, values["channel_names"]))
            provenance = values.get("provenance")
            provenance = provenance if isinstance(provenance, dict) else {}
            return cls(interval, (z, y, x), names, (int(rows), int(columns)), provenance=provenance)
        except (ValueError, KeyError, TypeError):
            return None
