"""Movie as HTML for notebooks: metadata, and a thumbnail of one frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from decrappify._common.counting import counted
from decrappify._common.pages.cards import html_card
from decrappify._common.pages.png import thumbnail_png
from decrappify.errors import DecrappifyError
from decrappify.movie.sources import Array, PixelSize, Plane, Shape5

_LARGEST = 4096  # rows and columns that are read; of larger frames, the middle
_MOST_NAMES = 8  # of channels
_UNKNOWN = "unknown"


class Shown(Protocol):
    """Attributes of a movie that are displayed; `Movie` itself imports this module."""

    name: str
    shape: Shape5
    dtype: np.dtype[Any]
    pixel_size_um: PixelSize
    frame_interval_s: float | None
    channel_names: tuple[str, ...]
    missing: frozenset[Plane]

    @property
    def nbytes(self) -> int:
        """Size of all pixels in bytes."""

    @property
    def unitless_spacing(self) -> Mapping[str, float]:
        """Distance between samples along the axes with a unitless spacing."""

    def planes(self) -> Iterator[Plane]:
        """Iterate over every (t, c, z)."""

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a rectangle of one plane as a (Y, X) array."""


def movie_html(movie: Shown) -> str:
    """Return the HTML of a movie; one frame is read for the thumbnail.

    Examples
    --------
    >>> from decrappify.movie import Movie
    >>> html = movie_html(Movie.from_array(np.zeros((4, 8, 9), np.uint16), frame_interval_s=2.0))
    >>> "T 4, C 1, Z 1, Y 8, X 9" in html, "2 s" in html, "data:image/png" in html
    (True, True, True)
    """
    png, note = _thumbnail(movie)
    return html_card("Movie", movie.name, _rows(movie), png, note)


def _rows(movie: Shown) -> list[tuple[str, str]]:
    size = ", ".join(f"{axis} {length}" for axis, length in zip("TCZYX", movie.shape, strict=True))
    names = ", ".join(movie.channel_names[:_MOST_NAMES])
    more = movie.shape[1] - _MOST_NAMES
    interval = _UNKNOWN if movie.frame_interval_s is None else f"{movie.frame_interval_s:g} s"
    rows = [
        ("shape", size),
        ("data type", f"{movie.dtype}, {_bytes_text(movie.nbytes)}"),
        ("pixel size", _pixel_size_text(movie)),
        ("frame interval", interval),
        ("channels", f"{names} and {more} more" if more > 0 else names),
    ]
    if movie.unitless_spacing:
        spacing = ", ".join(f"{axis} {value:g}" for axis, value in movie.unitless_spacing.items())
        rows.append(("spacing without unit", spacing))
    if movie.missing:
        rows.append(("missing", counted(len(movie.missing), "plane")))
    return rows


def _pixel_size_text(movie: Shown) -> str:
    """Return the known pixel sizes, such as ``y 0.1, x 0.1 µm``."""
    sizes = zip("zyx", movie.pixel_size_um, strict=True)
    known = [f"{axis} {size:.4g}" for axis, size in sizes if size is not None]
    return f"{', '.join(known)} µm" if known else _UNKNOWN


def _bytes_text(n_bytes: int) -> str:
    """Return a size with its unit.

    >>> _bytes_text(999), _bytes_text(5_243_000)
    ('999 bytes', '5.2 MB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}" if n_bytes >= 10 * size else f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"


def _thumbnail(movie: Shown) -> tuple[bytes | None, str]:
    """Return a PNG of the first recorded frame, or the reason why it cannot be read."""
    plane = next((plane for plane in movie.planes() if plane not in movie.missing), None)
    if plane is None:
        return None, "no frame was recorded"
    try:
        return thumbnail_png(_frame(movie, plane)), ""
    except (DecrappifyError, OSError) as error:
        return None, f"the first frame cannot be read: {error}"


def _frame(movie: Shown, plane: Plane) -> Array:
    """Read the middle of a frame: (Y, X), or (Y, X, 3) uint8 of a color movie."""
    t, c, z = plane
    starts = [max(0, (length - _LARGEST) // 2) for length in movie.shape[3:]]
    rows, columns = (slice(start, start + _LARGEST) for start in starts)
    if movie.channel_names == ("R", "G", "B") and movie.dtype == np.uint8:
        return np.stack([movie.region(t, channel, z, rows, columns) for channel in range(3)], axis=-1)
    return movie.region(t, c, z, rows, columns)
