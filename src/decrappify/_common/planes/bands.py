"""Bands of rows of a plane, small enough for the caches of a processor."""

from __future__ import annotations

from collections.abc import Iterator

_PIXELS = 1 << 16


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the rows of a plane (Y, X) in bands of about 65 000 pixels.

    >>> list(bands((300, 500)))
    [slice(0, 131, None), slice(131, 262, None), slice(262, 300, None)]
    """
    height, width = shape
    rows = max(1, _PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
