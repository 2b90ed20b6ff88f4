"""Geometry of the tiles over a frame and of the weights that blend their predictions without seams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.planes.rounding import round_up
from decrappify.errors import InputError
from decrappify.movie import Array


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis.

    Attributes
    ----------
    source : slice
        Pixels of the padded frame that the network reads; start and length are multiples of the size multiple.
    kept : slice
        Part of the tile's prediction that is used (output pixels, within the tile).
    place : slice
        Position of that part in the padded output frame.
    weights : ndarray of float32
        Its blending weights; over all tiles they sum to 1 at every pixel.
    """

    source: slice
    kept: slice
    place: slice
    weights: Array


@dataclass(frozen=True, slots=True)
class FramePart:
    """A rectangle of a restored frame, and the part of the input frame that was read for it.

    Attributes
    ----------
    rows, columns : slice
        The rectangle, in output pixels.
    source : tuple of slice
        Rows and columns of the input frame; they contain all tiles of the rectangle, and start on the tiles' grid.
    """

    rows: slice
    columns: slice
    source: tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class TileSet:
    """Tiles over an array of output pixels.

    Attributes
    ----------
    rows, columns : tuple of Span
        Tiles along Y and X.
    output_shape, result_shape : tuple of int
        Shape (Y, X) of the array, and of the upper left part of it that is the result.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    output_shape: tuple[int, int]
    result_shape: tuple[int, int]

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        return ((row, column) for row in self.rows for column in self.columns)


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """The tiles of a frame, the same for every frame of a movie.

    Origins and sizes are multiples of `multiple`, so that the pooling grid of every tile is that of the whole frame.
    The weights are 0 over the `margin` pixels that an inner tile border affects, rise linearly over the rest of the
    overlap and are 1 along the borders of the frame.

    Attributes
    ----------
    frame_shape : tuple of int
        (Y, X) of the input frame, in pixels; any size from 1.
    tile_size : int
        Largest side of a tile, in input pixels; all tiles have one size, which may be smaller.
    overlap : int
        Minimum overlap of neighboring tiles, in input pixels.
    multiple, margin, scale : int
        `size_multiple`, `margin` and `scale` of the network.

    Raises
    ------
    InputError
        If the tile is too small for its overlap, or one of them is not a multiple of `multiple`.

    Examples
    --------
    >>> grid = TileGrid(frame_shape=(100, 60), tile_size=64, overlap=16, multiple=8, margin=6)
    >>> grid.padded_shape, grid.tile_shape, len(grid)
    ((104, 64), (64, 64), 2)
    >>> [tile[0].source for tile in grid]
    [slice(0, 64, None), slice(40, 104, None)]
    """

    frame_shape: tuple[int, int]
    tile_size: int
    overlap: int
    multiple: int = 1
    margin: int = 0
    scale: int = 1

    def __post_init__(self) -> None:
        for side, name in ((self.tile_size, "tile_size"), (self.overlap, "tile_overlap")):
            if side % self.multiple or side < 0:
                raise InputError(f"{setting(name, side)} must be a multiple of the network's {self.multiple} pixels")
        if self.tile_size < max(self.padded_shape) and self.tile_size <= self.overlap:
            raise InputError(
                f"{setting('tile_size', self.tile_size)} is too small for {setting('tile_overlap', self.overlap)}, "
                f"expected at least {setting('tile_size', self.overlap + self.multiple)}, or a smaller overlap"
            )

    @cached_property
    def padded_shape(self) -> tuple[int, int]:
        """Shape (Y, X) of the frame padded to the network's multiple."""
        return round_up(self.frame_shape[0], self.multiple), round_up(self.frame_shape[1], self.multiple)

    @cached_property
    def rows(self) -> tuple[Span, ...]:
        """Tiles along Y."""
        return self._spans(self.padded_shape[0])

    @cached_property
    def columns(self) -> tuple[Span, ...]:
        """Tiles along X."""
        return self._spans(self.padded_shape[1])

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Shape (Y, X) of every tile, in input pixels."""
        rows, columns = self.rows[0].source, self.columns[0].source
        return rows.stop - rows.start, columns.stop - columns.start

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        return iter(self.whole())

    def whole(self) -> TileSet:
        """Return all tiles, over the padded frame."""
        y, x = self.padded_shape
        height, width = self.frame_shape
        return TileSet(
            self.rows, self.columns, (y * self.scale, x * self.scale), (height * self.scale, width * self.scale)
        )

    def within(self, part: FramePart) -> TileSet:
        """Return the tiles of a rectangle, over that rectangle; they are the same as those of the whole frame."""
        rows, columns = (
            tuple(_cut(span, wanted, read.start) for span in touching(spans, wanted))
            for spans, wanted, read in zip(
                (self.rows, self.columns), (part.rows, part.columns), part.source, strict=True
            )
        )
        shape = part.rows.stop - part.rows.start, part.columns.stop - part.columns.start
        return TileSet(rows, columns, shape, shape)

    def source_of(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Return rows and columns of the input that the tiles of a rectangle of the output read.

        >>> grid = TileGrid(frame_shape=(100, 60), tile_size=64, overlap=16, multiple=8, margin=6)
        >>> grid.source_of(slice(90, 100), slice(0, 20))
        (slice(40, 100, None), slice(0, 60, None))
        """
        down, across = touching(self.rows, rows), touching(self.columns, columns)
        height, width = self.frame_shape
        return (
            slice(down[0].source.start, min(down[-1].source.stop, height)),
            slice(across[0].source.start, min(across[-1].source.stop, width)),
        )

    def pad(self, frame: Array) -> Array:
        """Pad (..., Y, X) at the bottom and the right, by reflection, or by the edge if the frame is too small."""
        for axis, (size, padded) in enumerate(zip(self.frame_shape, self.padded_shape, strict=True), start=-2):
            if padded > size:
                widths = [(0, 0)] * frame.ndim
                widths[axis] = (0, padded - size)
                frame = np.pad(frame, widths, mode="reflect" if padded - size < size else "edge")
        return frame

    def _spans(self, length: int) -> tuple[Span, ...]:
        size, starts = _equal_tiles(length, self.tile_size, self.overlap, self.multiple)
        weights = self._weights(length, size, starts)
        spans = []
        for start, row in zip(starts, weights, strict=True):
            used = np.flatnonzero(row)
            first, last = int(used[0]), int(used[-1]) + 1
            origin = start * self.scale
            spans.append(
                Span(
                    slice(start, start + size),
                    slice(first - origin, last - origin),
                    slice(first, last),
                    row[first:last].astype(np.float32),
                )
            )
        return tuple(spans)

    def _weights(self, length: int, size: int, starts: list[int]) -> Array:
        """Compute weights (tile, output pixel) that sum to 1 along this axis, and in the plane as their product."""
        weights = np.zeros((len(starts), length * self.scale))
        rise = _rise(self.overlap * self.scale, self.margin * self.scale)
        for row, start in zip(weights, starts, strict=True):
            tile = row[start * self.scale : (start + size) * self.scale]
            tile[:] = 1
            if start > 0:
                tile[: len(rise)] *= rise
            if start + size < length:
                tile[len(tile) - len(rise) :] *= rise[::-1]
        return np.asarray(weights / weights.sum(axis=0))


def touching(spans: tuple[Span, ...], wanted: slice) -> tuple[Span, ...]:
    """Return the tiles along one axis that contribute to a range of output pixels."""
    return tuple(span for span in spans if span.place.start < wanted.stop and wanted.start < span.place.stop)


def _cut(span: Span, wanted: slice, origin: int) -> Span:
    """Return the part of a tile in a range of output pixels, relative to it, and to input pixels from `origin`."""
    first, last = max(span.place.start, wanted.start), min(span.place.stop, wanted.stop)
    used = slice(first - span.place.start, last - span.place.start)
    return Span(
        slice(span.source.start - origin, span.source.stop - origin),
        slice(span.kept.start + used.start, span.kept.start + used.stop),
        slice(first - wanted.start, last - wanted.start),
        span.weights[used],
    )


def _equal_tiles(length: int, tile_size: int, overlap: int, multiple: int) -> tuple[int, list[int]]:
    """Return side and origins of the fewest tiles of equal size, at most `tile_size`, with the least overlap."""
    if tile_size >= length:
        return length, [0]
    count = -(-(length - overlap) // (tile_size - overlap))
    step = round_up(-(-(length - overlap) // count), multiple)
    size = step + overlap
    return size, [min(start, length - size) for start in range(0, length - overlap, step)]


def _rise(overlap: int, margin: int) -> Array:
    """Return the weights from an inner tile border inwards, mirroring the neighbor's: 0, a linear ramp, then 1."""
    margin = min(margin, overlap // 2)
    ramp = overlap - 2 * margin
    rise = np.ones(overlap)
    rise[:margin] = 0
    rise[margin : margin + ramp] = np.arange(1, ramp + 1) / (ramp + 1)
    return rise
