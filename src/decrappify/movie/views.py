"""Lazy views of a frame source: a selection along T, C and Z, a crop, exchange of Z and T."""

from __future__ import annotations

from pathlib import Path

from decrappify.movie.sources import Array, FrameSource, Plane, Shape5

NOTHING_MISSING: frozenset[Plane] = frozenset()


def missing_planes(source: FrameSource) -> frozenset[Plane]:
    """Return the planes (t, c, z) of a source that were never recorded."""
    return frozenset(getattr(source, "missing", NOTHING_MISSING))


def source_files(source: FrameSource) -> frozenset[Path]:
    """Return the files and folders that a source reads, as far as known."""
    return frozenset(getattr(source, "files", ()))


def plane_version(source: FrameSource, t: int, c: int, z: int) -> str | None:
    """Return a text that differs whenever the stored pixels of a plane may have changed; None if unknown."""
    version = getattr(source, "version", None)
    found: str | None = None if version is None else version(t, c, z)
    return found


class SelectedSource:
    """The planes `picks` (ranges along T, C and Z) of a source."""

    def __init__(self, source: FrameSource, picks: tuple[range, ...]) -> None:
        self._source, self._picks = source, picks
        self.shape: Shape5 = (len(picks[0]), len(picks[1]), len(picks[2]), *source.shape[3:])
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of the view."""
        return self._source.read(self._picks[0][t], self._picks[1][c], self._picks[2][z], rows, columns)

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of the source's plane."""
        return plane_version(self._source, self._picks[0][t], self._picks[1][c], self._picks[2][z])

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class CroppedSource:
    """A rectangle of every plane of a source."""

    def __init__(self, source: FrameSource, rows: range, columns: range) -> None:
        self._source, self._top, self._left = source, rows.start, columns.start
        self.shape: Shape5 = (*source.shape[:3], len(rows), len(columns))
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of the view."""
        top, left = self._top, self._left
        return self._source.read(
            t, c, z, slice(rows.start + top, rows.stop + top), slice(columns.start + left, columns.stop + left)
        )

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of the source's plane."""
        return plane_version(self._source, t, c, z)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class SwappedSource:
    """A source with Z and T exchanged."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        n_t, n_c, n_z, n_y, n_x = source.shape
        self.shape: Shape5 = (n_z, n_c, n_t, n_y, n_x)
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of the view."""
        return self._source.read(z, c, t, rows, columns)

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of the source's plane."""
        return plane_version(self._source, z, c, t)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
