"""Content of training data: shapes and checksums by which a resumed run detects changed data."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.errors import FormatError
from decrappify.limits.files import check_regular
from decrappify.movie import Movie

# Limits that keep the time below a second, even for a movie of 200 GB: bytes and planes of all movies together, planes
# of one movie, and side of the central part of a large plane.
_BYTES = 128 << 20
_FEWEST_PLANES, _MOST_PLANES, _PLANES_OF_A_MOVIE = 16, 256, 16
_SIDE = 2048  # pixels
_PHOTOGRAPHS = 256


def movie_content(movies: Iterable[tuple[str, Movie]]) -> dict[str, str]:
    """Return shape, dtype and a checksum of each movie, by its name.

    The checksum is a CRC-32 over evenly spaced planes: 128 MiB of all movies together, at least 16 and at most 256
    planes of them, and at most 16 of one movie; of large planes the central 2048 × 2048 pixels. If there are more
    movies than planes to read, only evenly spaced movies have a checksum.

    Examples
    --------
    >>> movie_content([("cells", Movie.from_array(np.ones((5, 4, 4), np.uint8)))])
    {'cells': '(5, 1, 1, 4, 4) uint8, CRC-32 2040361a of 5 planes'}
    """
    named = list(movies)
    if not named:
        return {}
    largest = max(_plane_bytes(movie) for _, movie in named)
    n_planes = max(_FEWEST_PLANES, min(_MOST_PLANES, _BYTES // largest))
    each = max(1, min(_PLANES_OF_A_MOVIE, n_planes // len(named)))
    read = set(evenly_spaced(len(named), n_planes).tolist())
    texts = [_described(movie, each if number in read else 0) for number, (_, movie) in enumerate(named)]
    return _by_name([name for name, _ in named], texts)


def photograph_content(names: Sequence[str], photographs: Sequence[Any]) -> dict[str, str]:
    """Return size and a checksum of at most 256 evenly spaced photographs (paths or arrays), by their names.

    The checksum is a CRC-32 over the first bytes of each file: 128 MiB in total, so that files up to 512 KiB are read
    completely, and larger files if there are few.
    """
    picks = evenly_spaced(len(photographs), _PHOTOGRAPHS).tolist()
    limit = _BYTES // max(1, len(picks))
    texts = {pick: _described_photograph(photographs[pick], limit) for pick in picks}
    return _by_name([names[pick] for pick in texts], list(texts.values()))


def _described(movie: Movie, n_planes: int) -> str:
    text = f"{movie.shape} {movie.dtype.name}"
    if not n_planes:
        return text
    n_t, n_c, n_z = movie.shape[:3]
    picks = evenly_spaced(n_t * n_c * n_z, n_planes, ends=n_planes > 1).tolist()
    rows, columns = (_middle(size) for size in movie.shape[3:])
    crc = 0
    for pick in picks:
        t, c, z = (int(index) for index in np.unravel_index(pick, (n_t, n_c, n_z)))
        plane = movie.region(t, c, z, rows, columns)
        crc = zlib.crc32(np.ascontiguousarray(plane, plane.dtype.newbyteorder("=")).data, crc)
    return f"{text}, CRC-32 {crc:08x} of {len(picks)} plane{'s' * (len(picks) > 1)}"


def _described_photograph(photograph: Any, limit: int) -> str:
    if isinstance(photograph, np.ndarray):
        crc = zlib.crc32(np.ascontiguousarray(photograph.ravel()[:limit]).data)
        return f"{photograph.shape} {photograph.dtype.name}, CRC-32 {crc:08x}"
    path = Path(photograph)
    try:
        check_regular(path)
        with path.open("rb") as file:
            crc = zlib.crc32(file.read(limit))
        return f"{path.stat().st_size} bytes, CRC-32 {crc:08x}"
    except (OSError, FormatError):
        return "unreadable"  # omitted from the data, and logged


def _plane_bytes(movie: Movie) -> int:
    height, width = (min(size, _SIDE) for size in movie.shape[3:])
    return height * width * movie.dtype.itemsize


def _middle(size: int) -> slice:
    start = max(0, size - _SIDE) // 2
    return slice(start, start + min(size, _SIDE))


def _by_name(names: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """Return texts by name; repeated names are followed by their number."""
    found: dict[str, str] = {}
    for number, (name, text) in enumerate(zip(names, texts, strict=True), start=1):
        found[f"{name} (number {number})" if name in found else name] = text
    return found
