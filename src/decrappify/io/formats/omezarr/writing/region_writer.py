"""Writer of some planes of a growing OME-Zarr movie, for several processes that write the same one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from decrappify.io.formats.omezarr.writing.pyramid import Pyramid
from decrappify.io.store.durable import output_errors, sync_files
from decrappify.io.store.planes.finished_planes import FinishedPlanes
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.io.store.planes.regions import locked_region, region_journal
from decrappify.io.store.working_paths import partial_path, working_path
from decrappify.limits.threads import check_zarr_threads
from decrappify.movie import Array, Plane, Shape5


class RegionWriter:
    """Planes of one region of a growing store; resumes those of a process that was killed.

    The store must exist (`ZarrMovieWriter`). Every plane, or rectangle of a plane, must be in one region only: two
    processes may write different regions of one store, and the lock on a region prevents that both write the same one.

    Parameters
    ----------
    path : Path
        The final store.
    name : str
        Name of the region, also of its journal.
    shape : tuple of int
        (T, C, Z, Y, X) of the store.
    dtype : dtype
        Data type of the store.
    done : collection of (t, c, z)
        Planes of the region that are finished already, in its rectangle.
    rectangle : Rectangle, optional
        The only rectangle of the planes that is written, at full resolution; it consists of whole chunks. The process
        that has all rectangles of a plane computes its pyramid (`ZarrMovieWriter.complete_plane`).
    longest_wait_s : float
        Time to wait for another process that writes the region.

    Attributes
    ----------
    state : dict
        Small JSON values, stored with the journal of the region by `save_state`.

    Raises
    ------
    OutputInUseError
        If another process writes the region after that time.
    OutputError
        If the journal cannot be written.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        shape: Shape5,
        dtype: np.dtype[Any],
        done: Collection[Plane] = (),
        rectangle: Rectangle | None = None,
        longest_wait_s: float = 0.0,
    ) -> None:
        self.path, self.name = path, name
        self._done, self._rectangle = frozenset(done), rectangle
        self._pyramid = Pyramid(partial_path(path), shape, dtype)
        working = working_path(path)
        self.journal = region_journal(working, name)
        check_zarr_threads()
        self._lock = locked_region(working, name, path, longest_wait_s=longest_wait_s)
        try:
            with output_errors(path):
                self._planes = FinishedPlanes(self.journal, partial_path(path), len(self._pyramid))
                self._pyramid.open()
                if self.journal.exists():
                    self._planes.append_from_here()
                else:
                    self._planes.start()
                if rectangle is not None and self._planes.within is None:
                    self._planes.record_within(rectangle)
        except BaseException:
            self._lock.release()
            raise
        self.state: dict[str, Any] = dict(self._planes.state)

    @property
    def notes(self) -> dict[Plane, dict[str, Any]]:
        """Values recorded with planes by `write_note`."""
        return self._planes.notes

    @property
    def written(self) -> set[Plane]:
        """Planes written by this process and those that it resumes."""
        return self._planes.done

    def is_done(self, t: int, c: int, z: int) -> bool:
        """Return whether a plane is finished."""
        return (t, c, z) in self._done or (t, c, z) in self._planes.done

    def write_plane(self, t: int, c: int, z: int, plane: Array) -> None:
        """Write one (Y, X) plane to every pyramid level, or the rectangle of it, then record it as done."""
        with output_errors(self.path):
            if self._rectangle is not None:
                self._write_rectangle((t, c, z), self._rectangle, plane)
                return
            if not self.is_done(t, c, z):  # a killed process can leave temporary files next to the chunks
                self._pyramid.remove_plane((t, c, z))
            self._pyramid.write_plane(t, c, z, plane)
            self._planes.record(t, c, z)

    def _write_rectangle(self, plane: Plane, rectangle: Rectangle, values: Array) -> None:
        self._pyramid.remove_rectangle(plane, rectangle)
        self._pyramid.write_region(*plane, rectangle.rows, rectangle.columns, values)
        # Only these files: others of the plane are being written by other processes.
        sync_files(self._pyramid.chunks_of(plane, rectangle), below=partial_path(self.path))
        self._planes.record(*plane, is_on_disk=True)

    def write_note(self, t: int, c: int, z: int, note: Mapping[str, Any]) -> None:
        """Record small JSON values with a plane, before it is written."""
        with output_errors(self.path):
            self._planes.record_note(t, c, z, note)

    def save_state(self) -> None:
        """Save `state` with the journal of the region."""
        with output_errors(self.path):
            self._planes.save_state(self.state)

    def synchronize(self) -> None:
        """Wait until all planes so far are on the disk."""
        with output_errors(self.path):
            self._planes.synchronize()

    def close(self) -> None:
        """Stop writing, and release the lock on the region; the journal is kept."""
        try:
            with suppress(OSError):  # such as a full disk; a power cut may then lose planes
                self._planes.synchronize()
        finally:
            self._planes.close()
            self._lock.release()
