"""Pixel arrays of a growing OME-Zarr image: the levels of its pyramid, written plane by plane or region by region."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from decrappify._common.argument_names import setting
from decrappify._common.planes.sampling import evenly_spaced
from decrappify.errors import InputError
from decrappify.io.formats.omezarr.blosc import with_checked_blosc
from decrappify.io.formats.omezarr.writing.metadata import level_shapes
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.movie import Array, Plane, Shape5

CHUNK = 512
_WINDOW_PLANES = 64  # planes sampled for the display window


class Pyramid:
    """Arrays of all levels in a store.

    Parameters
    ----------
    store : Path
        Folder of the image group.
    shape : tuple of int
        (T, C, Z, Y, X) of the full resolution.
    dtype : dtype
        Data type of all levels.
    """

    def __init__(self, store: Path, shape: Shape5, dtype: np.dtype[Any]) -> None:
        self._store, self._dtype = store, dtype
        self._shapes = level_shapes(shape)
        self._levels: list[Any] = []

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self._shapes)

    def create(self) -> None:
        """Create the arrays of an empty store."""
        for level, shape in enumerate(self._shapes):
            zarr.create_array(
                self._store / str(level),
                shape=shape,
                dtype=self._dtype,
                chunks=_chunks_of(shape),
                # Measured: three times the speed of zstd alone, and smaller files.
                compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
                fill_value=0,
                dimension_names=list("tczyx"),
                zarr_format=3,
            )

    def open(self) -> None:
        """Open the arrays for writing; raise FormatError if one is damaged or has another layout."""
        # Chunks of black planes must also be written.
        with self._damage_errors(), zarr.config.set({"array.write_empty_chunks": True}):
            self._levels = [self._level(level) for level in range(len(self))]

    def lengthen(self, n_frames: int) -> None:
        """Append frames without pixels to every level; `open` must follow if it has not been called."""
        self._shapes = [(n_frames, *shape[1:]) for shape in self._shapes]
        for array, shape in zip(self._levels, self._shapes, strict=False):
            array.resize(shape)

    def open_resized(self) -> None:
        """Open as `open` does, after setting the number of frames that an interrupted run may not have set."""
        for level, shape in enumerate(self._shapes):
            with self._damage_errors():
                array = zarr.open_array(self._store / str(level), mode="r+")
                if array.shape[0] != shape[0]:
                    array.resize((shape[0], *array.shape[1:]))
        self.open()

    def write_plane(self, t: int, c: int, z: int, plane: Array) -> None:
        """Write one plane to every level."""
        for level, array in enumerate(self._levels):
            plane = plane if level == 0 else halve(plane)
            array[t, c, z] = plane

    def write_region(self, t: int, c: int, z: int, rows: slice, columns: slice, values: Array) -> None:
        """Write a rectangle of one plane to the full resolution."""
        self._levels[0][t, c, z, rows, columns] = values

    def complete_plane(self, t: int, c: int, z: int) -> None:
        """Compute the coarser levels of a plane from the full resolution, band by band."""
        for finer, coarser in zip(self._levels, self._levels[1:], strict=False):
            for top in range(0, coarser.shape[3], CHUNK):
                bottom = min(top + CHUNK, coarser.shape[3])
                band = np.asarray(finer[t, c, z, 2 * top : 2 * bottom])
                coarser[t, c, z, top:bottom] = halve(band)

    def has_all_chunks(self, plane: Plane) -> bool:
        """Return whether the files of all chunks of a plane exist, in every level."""
        for level, shape in enumerate(self._shapes):
            folder = self._folder(level, plane)
            rows, columns = (range(-(-size // CHUNK)) for size in shape[3:])
            if not all((folder / str(row) / str(column)).exists() for row in rows for column in columns):
                return False
        return True

    def chunks_of(self, plane: Plane, rectangle: Rectangle) -> list[Path]:
        """Return the files of the full resolution of a rectangle of a plane, which consists of whole chunks."""
        folder, (rows, columns) = self._folder(0, plane), _chunk_ranges(rectangle)
        return [folder / str(row) / str(column) for row in rows for column in columns]

    def remove_plane(self, plane: Plane, *, coarser_only: bool = False) -> None:
        """Delete the files of a plane in every level (except the full resolution), as far as they exist."""
        for level in range(int(coarser_only), len(self)):
            shutil.rmtree(self._folder(level, plane), ignore_errors=True)

    def remove_rectangle(self, plane: Plane, rectangle: Rectangle) -> None:
        """Delete the files of a rectangle of a plane, also temporary ones, as far as they exist."""
        rows, columns = _chunk_ranges(rectangle)
        for path in self._files_in_rows(plane, rows):
            column = path.name.partition(".")[0]
            if column.isdecimal() and int(column) in columns:
                path.unlink(missing_ok=True)

    def display_windows(self) -> list[tuple[float, float]]:
        """Return the 0.1 and 99.9 percentiles of each channel's coarsest level, from planes spread over the movie."""
        n_t, n_c, n_z = self._shapes[0][:3]
        picks = evenly_spaced(n_t * n_z, _WINDOW_PLANES)
        windows = []
        with self._damage_errors():
            for c in range(n_c):
                values = np.concatenate([np.ravel(self._levels[-1][pick // n_z, c, pick % n_z]) for pick in picks])
                values = values[np.isfinite(values)].astype(np.float64) if values.dtype.kind == "f" else values
                low, high = np.percentile(values, [0.1, 99.9]) if values.size else (0.0, 1.0)
                windows.append((float(low), float(high) if high > low else float(low) + 1))
        return windows

    def _files_in_rows(self, plane: Plane, rows: range) -> Iterator[Path]:
        for row in rows:
            folder = self._folder(0, plane) / str(row)
            if folder.is_dir():
                yield from list(folder.iterdir())

    def _folder(self, level: int, plane: Plane) -> Path:
        return self._store / str(level) / "c" / "/".join(map(str, plane))

    def _level(self, level: int) -> Any:
        array = zarr.open_array(self._store / str(level), mode="r+")
        shape = self._shapes[level]
        if array.shape != shape or array.dtype != self._dtype or array.chunks != _chunks_of(shape):
            raise ValueError(f"level {level} is {array.shape} {array.dtype} in chunks {array.chunks}")
        return with_checked_blosc(array)

    def _damage_errors(self) -> AbstractContextManager[None]:
        """Convert the errors of zarr on a damaged unfinished store into one line."""
        return damage_errors(
            f"the unfinished output {self._store} cannot be opened",
            f"it is damaged: discard it and start again with {setting('overwrite', True)}",
        )


def check_region(rows: slice, columns: slice, shape: tuple[int, ...], name: str) -> None:
    """Raise InputError if a rectangle of a plane does not consist of whole chunks."""
    for part, size in zip((rows, columns), shape, strict=True):
        if part.start % CHUNK or (part.stop % CHUNK and part.stop != size) or not 0 <= part.start < part.stop <= size:
            raise InputError(
                f"region {part.start}:{part.stop} of an axis of {size} is not aligned with the chunks of {name}; "
                f"needs multiples of {CHUNK}, or the border"
            )


def halve(plane: Array) -> Array:
    """Compute the next pyramid level of a (Y, X) plane: means of 2 × 2 pixels, rounded for integers, same dtype.

    An odd last row or column is repeated, so the shape is (ceil(Y / 2), ceil(X / 2)).

    >>> halve(np.array([[0, 1, 5], [2, 2, 5]], np.uint16))
    array([[1, 5]], dtype=uint16)
    """
    if any(size % 2 for size in plane.shape):
        plane = np.pad(plane, [(0, size % 2) for size in plane.shape], mode="edge")
    corners = [plane[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    if plane.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # infinities of both signs
            mean: Array = corners[0] * plane.dtype.type(0.25)
            for corner in corners[1:]:
                mean += corner * plane.dtype.type(0.25)
        return mean
    if plane.dtype.itemsize < 4:
        total = np.full(corners[0].shape, 2, np.int32)
        for corner in corners:
            total += corner
        return np.asarray(np.right_shift(total, 2, out=total).astype(plane.dtype))
    # Quarters and remainders separately, so that 64-bit pixels neither overflow nor lose digits in a float.
    four = plane.dtype.type(4)
    whole, rest = zip(*(np.divmod(corner, four) for corner in corners), strict=True)
    return np.asarray(sum(whole) + (sum(rest) + plane.dtype.type(2)) // four, dtype=plane.dtype)


def _chunk_ranges(rectangle: Rectangle) -> tuple[range, range]:
    """Return the rows and columns of the chunks of a rectangle."""
    top, bottom, left, right = rectangle
    return range(top // CHUNK, -(-bottom // CHUNK)), range(left // CHUNK, -(-right // CHUNK))


def _chunks_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    return 1, 1, 1, min(CHUNK, shape[3]), min(CHUNK, shape[4])
