"""Resumable plane-by-plane writer of OME-Zarr 0.5."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.io.formats.omezarr.writing.group_document import GroupDocument
from decrappify.io.formats.omezarr.writing.pyramid import Pyramid, check_region
from decrappify.io.store.durable import output_errors, sync_files
from decrappify.io.store.locks import OutputLock
from decrappify.io.store.outputs import check_output
from decrappify.io.store.planes.finished_planes import FinishedPlanes
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.io.store.working_folder import WorkingFolder
from decrappify.io.store.working_paths import partial_path
from decrappify.limits.threads import check_zarr_threads
from decrappify.movie import Array, PixelSize, Plane, Shape5

logger = logging.getLogger(__name__)


class ZarrMovieWriter:
    """A growing OME-Zarr movie: planes in any order, resumable, never incomplete under its final name.

    All data are written into the folder ``<path>.partial``: the store, a valid OME-Zarr that can be opened while it
    grows, and a journal of finished planes. `finish` renames the store to `path`. A run killed at any time, even with
    SIGKILL, and restarted with the same planes writes the same files, byte for byte, as an uninterrupted one. After a
    power cut, the planes of the last seconds are written again. Only one process at a time can write an output.

    Parameters
    ----------
    path : path
        The final store, such as ``cells.ome.zarr``.
    shape : tuple of int
        (T, C, Z, Y, X).
    dtype : dtype
        Integer or real float.
    name, pixel_size_um, frame_interval_s, channel_names, channel_colors, provenance, unitless_spacing, missing
        As for `Movie`. Do not put times or random names into `provenance`, or a resumed file will differ.
    run_key : str
        Identifies the content (inputs and settings); a partial store is only resumed with the same key.
    overwrite : bool
        Replace an existing `path` (when finished), and discard the partial store of another run.
    resume : bool
        Resume a partial store with the same `run_key`; if False, start from an empty one.
    lock : OutputLock, optional
        The lock on `path`, which the caller acquired and releases; by default the writer acquires and releases one.
    growing : bool
        Whether frames may be appended by `lengthen`, so that a partial store may have fewer frames than `shape`.
    keeps_rectangles : bool
        Whether finished rectangles of planes that other processes have written are kept; else their planes count as
        unfinished.

    Attributes
    ----------
    state : dict
        Small JSON values of the caller, stored with the partial store by `save_state` and restored on resuming.
    resumed : bool
        True if finished planes were found.
    partial_path : Path
        The store while it grows.
    placed_key : str
        Identifies the written content for a later run, if this one is killed; `run_key` by default.

    Raises
    ------
    OutputExistsError
        If `path` exists, or a partial store of another run, and `overwrite` is False.
    OutputError
        If the folder is missing or not writable, another process writes this output, or the name of the working
        folder is used by something else; on a full disk, or if the partial store was deleted, from any write.
    InputError
        If the shape or dtype cannot be stored.

    References
    ----------
    NGFF 0.5, https://ngff.openmicroscopy.org/0.5
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        shape: Shape5,
        dtype: DTypeLike,
        name: str = "movie",
        pixel_size_um: PixelSize = (None, None, None),
        frame_interval_s: float | None = None,
        channel_names: Sequence[str] | None = None,
        channel_colors: Sequence[str | None] | None = None,
        provenance: Mapping[str, Any] | None = None,
        unitless_spacing: Mapping[str, float] | None = None,
        missing: Iterable[Plane] = (),
        run_key: str = "",
        overwrite: bool = False,
        resume: bool = True,
        lock: OutputLock | None = None,
        growing: bool = False,
        keeps_rectangles: bool = False,
    ) -> None:
        self.path = Path(path)
        self.partial_path = partial_path(self.path.absolute().parent.resolve() / self.path.name)
        self.shape: Shape5 = tuple(int(n) for n in shape)  # type: ignore[assignment]
        self.dtype = np.dtype(dtype)
        if len(self.shape) != 5 or min(self.shape) < 1 or self.dtype.kind not in "uif":
            raise InputError(
                f"{self.path.name} cannot be written with shape {self.shape} and dtype {self.dtype}; "
                "needs (T, C, Z, Y, X) of integers or real floats"
            )
        n_channels = self.shape[1]
        self._document = GroupDocument(
            self.partial_path,
            self.shape,
            self.dtype,
            name=name,
            pixel_size_um=pixel_size_um,
            frame_interval_s=frame_interval_s,
            channel_names=list(channel_names or (f"C{i}" for i in range(n_channels))),
            channel_colors=list(channel_colors or [None] * n_channels),
            provenance=dict(provenance or {}),
            unitless_spacing=dict(unitless_spacing or {}),
            missing=sorted(missing),
        )
        self._pyramid = Pyramid(self.partial_path, self.shape, self.dtype)
        self._growing, self._keeps_rectangles = growing, keeps_rectangles
        self._overwrite, self._run_key, self.placed_key = overwrite, run_key, run_key
        self.resumed, self._finished = True, False
        check_output(self.path, overwrite=True)
        check_zarr_threads()
        self._output_lock = lock or OutputLock(self.path)
        self._owns_lock = lock is None
        try:
            with output_errors(self.path):
                self._open(resume)
        except BaseException:
            self._release()
            raise

    def is_done(self, t: int, c: int, z: int) -> bool:
        """Return whether this plane is on disk, in every pyramid level."""
        return self._finished or (t, c, z) in self._planes.done

    def write_plane(self, t: int, c: int, z: int, plane: Array) -> None:
        """Write one (Y, X) plane of the writer's dtype to every pyramid level, then record it as done.

        Planes may be written in any order and from several threads; writing a plane again replaces it.
        """
        self._check_plane(t, c, z, plane, self.shape[3:])
        self.working_folder.check_exists()
        with output_errors(self.path):
            # A killed run can leave temporary files next to the chunks of the plane that it was writing.
            if self._may_have_leftovers and not self.is_done(t, c, z):
                self._pyramid.remove_plane((t, c, z))
            self._pyramid.write_plane(t, c, z, plane)
            self._planes.record(t, c, z)

    def write_note(self, t: int, c: int, z: int, note: Mapping[str, Any]) -> None:
        """Record small JSON values with a plane, before it is written; `notes` contains them after resuming."""
        self._check_index(t, c, z)
        with output_errors(self.path):
            self._planes.record_note(t, c, z, note)

    def adopt_planes(self, planes: Iterable[Plane], notes: Iterable[tuple[Plane, Mapping[str, Any]]]) -> None:
        """Record planes that another process has written into the partial store, and their notes."""
        with output_errors(self.path):
            self._planes.adopt(planes, notes)

    def adopt_rectangle(
        self, rectangle: Rectangle, planes: Iterable[Plane], notes: Iterable[tuple[Plane, Mapping[str, Any]]]
    ) -> None:
        """Record a rectangle of planes that another process has written into the partial store, and its notes."""
        with output_errors(self.path):
            self._planes.adopt_rectangle(rectangle, planes, notes)

    @property
    def rectangles(self) -> Mapping[Plane, Mapping[Rectangle, Mapping[str, Any]]]:
        """Finished rectangles of unfinished planes, each with its note."""
        return self._planes.rectangles

    @property
    def notes(self) -> dict[Plane, dict[str, Any]]:
        """Values recorded with planes by `write_note`."""
        return self._planes.notes

    def lengthen(self, n_frames: int) -> None:
        """Append frames to the partial store of a growing movie; it is not shortened if it has more."""
        if n_frames > self.shape[0] and not self._finished:
            self.shape = (n_frames, *self.shape[1:])
            self._document.set_shape(self.shape)
            with output_errors(self.path):
                self._pyramid.lengthen(n_frames)
                self._document.write(None)

    def done(self) -> set[Plane]:
        """Return the finished planes of the partial store."""
        return set(self._planes.done)

    def forget(self, planes: Iterable[Plane]) -> None:
        """Regard planes as unfinished, so that they are written again; a run that is killed before that forgets it."""
        self._planes.done -= set(planes)

    def update_metadata(self, *, provenance: Mapping[str, Any], missing: Iterable[Plane], **others: Any) -> None:
        """Replace provenance, missing planes and other metadata of the partial store, before `finish`."""
        if not self._finished:
            with output_errors(self.path):
                self._document.update(provenance=dict(provenance), missing=sorted(missing), **others)

    def write_region(self, t: int, c: int, z: int, rows: slice, columns: slice, values: Array) -> None:
        """Write a rectangle of one plane, for planes too large for memory; end each plane with `complete_plane`.

        `rows` and `columns` start on multiples of 512 and end on one or at the border, so that each chunk belongs to
        one region.
        """
        check_region(rows, columns, self.shape[3:], self.path.name)
        self._check_plane(t, c, z, values, (rows.stop - rows.start, columns.stop - columns.start))
        with output_errors(self.path):
            self._pyramid.write_region(t, c, z, rows, columns, values)

    def complete_plane(self, t: int, c: int, z: int) -> None:
        """Compute the pyramid of a plane of which all regions are written, band by band, and record it as done."""
        self._check_index(t, c, z)
        self.working_folder.check_exists()
        with output_errors(self.path):
            if self._may_have_leftovers:
                self._pyramid.remove_plane((t, c, z), coarser_only=True)
            self._pyramid.complete_plane(t, c, z)
            self._planes.record(t, c, z)

    def save_state(self) -> None:
        """Save `state` with the partial store atomically: after a crash, either the old or the new state is found."""
        if not self._finished:
            with output_errors(self.path):
                self._planes.save_state(self.state)

    def finish(self) -> Path:
        """Write the display windows and rename the store to its final name, which is returned.

        Raises
        ------
        InputError
            If planes are missing.
        OutputExistsError
            If a file of the final name was created meanwhile and `overwrite` is False.
        OutputError
            If the partial store was deleted meanwhile.
        """
        if self._finished:
            return self.path
        self.finish_store()
        self.place(self.partial_path)
        return self.path

    def place(self, finished: Path) -> None:
        """Rename the store, or a file exported from it, to the final name, and delete the rest.

        Raises
        ------
        OutputExistsError
            If a file of the final name was created meanwhile and `overwrite` is False; the store is kept.
        """
        with output_errors(self.path):
            self._output_lock.place(finished, overwrite=self._overwrite, run_key=self.placed_key)
        self._finished = True
        self._planes.close()
        self.working_folder.remove_finished()
        self._release()

    def finish_store(self) -> None:
        """Write the display windows; the store is then complete, still under its working name.

        Raises
        ------
        InputError
            If planes are missing.
        """
        missing = int(np.prod(self.shape[:3])) - len(self._planes.done)
        if missing:
            planes = counted(int(np.prod(self.shape[:3])), "plane")
            raise InputError(f"{self.path.name} lacks {missing} of {planes}; write them before finish()")
        self.working_folder.check_exists()
        with output_errors(self.path):
            self._planes.synchronize()
            self._document.write(self._pyramid.display_windows())

    def close(self) -> None:
        """Stop writing; an unfinished store and its journal are kept for resuming."""
        try:
            if not self._finished:
                with suppress(OSError):  # such as a full disk; a power cut may then lose planes
                    self._planes.synchronize()
        finally:
            self._planes.close()
            self._release()

    def discard(self) -> None:
        """Delete the unfinished store and its journal, as far as the disk permits."""
        self._planes.close()
        self._finished = True
        with suppress(OSError):  # the error that caused the discard must be raised
            self.working_folder.remove()
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, resume: bool) -> None:
        self.working_folder = WorkingFolder(self._output_lock, self._run_key, overwrite=self._overwrite)
        self._planes = FinishedPlanes(self.working_folder.path / "journal", self.partial_path, len(self._pyramid))
        try:
            self._begin(resume)
        except BaseException:
            self._planes.close()
            raise

    def _begin(self, resume: bool) -> None:
        self.state: dict[str, Any] = {}
        # Killed after the last rename: only the cleanup remains.
        self._finished = resume and bool(self._run_key) and self._output_lock.placed_by == self._run_key
        if self._finished:
            self.working_folder.remove_finished()
            return
        check_output(self.path, overwrite=self._overwrite or self._output_lock.placed_by is not None)
        layout = [list(self.shape), self.dtype.str]
        continued = resume and self.working_folder.continues and self._has_layout(layout)
        continued = continued and self.partial_path.is_dir()
        if not continued:
            self.working_folder.create()
            self._planes.start()
            self._create(layout)
        self._planes.append_from_here()
        self.resumed = continued and bool(self._planes.done)
        self._may_have_leftovers = continued
        if continued:
            self._forget_lost_planes()
        self.state = dict(self._planes.state)
        self._pyramid.open_resized() if self._growing else self._pyramid.open()

    def _has_layout(self, layout: list[Any]) -> bool:
        """Return whether the partial store has this layout, or that of a growing movie at an earlier time."""
        recorded = self._planes.layout
        if not self._growing or recorded is None:
            return recorded == layout
        return [recorded[0][1:], recorded[1]] == [layout[0][1:], layout[1]]

    def _release(self) -> None:
        if self._owns_lock:
            self._output_lock.release()

    def _create(self, layout: list[Any]) -> None:
        self.partial_path.mkdir()
        self._document.write(None)
        self._pyramid.create()
        sync_files(self.partial_path.rglob("zarr.json"), below=self.working_folder.path)
        self._planes.record_layout(layout)

    def _forget_lost_planes(self) -> None:
        """Remove finished planes with deleted chunks from the journal: they would be black in the result."""
        lost = {plane for plane in self._planes.done if not self._pyramid.has_all_chunks(plane)}
        if lost:
            logger.warning("%s: %d finished planes lack chunks and are restored again", self.partial_path, len(lost))
            self._planes.done -= lost
        if self._planes.rectangles and not self._keeps_rectangles:
            planes = counted(len(self._planes.rectangles), "partly finished plane")
            logger.warning("%s: restoring %s of a run with workers from the start", self.partial_path, planes)
            self._planes.forget_rectangles()
        for plane, found in self._planes.rectangles.items():
            for rectangle in list(found):
                if not all(path.exists() for path in self._pyramid.chunks_of(plane, rectangle)):
                    del found[rectangle]

    def _check_index(self, t: int, c: int, z: int) -> None:
        if self._finished:
            raise InputError(f"{self.path.name} is finished; open a new writer to change it")
        if not all(0 <= index < size for index, size in zip((t, c, z), self.shape, strict=False)):
            raise InputError(f"plane {(t, c, z)} is not in {self.path.name}, whose shape is {self.shape}")

    def _check_plane(self, t: int, c: int, z: int, values: Array, shape: tuple[int, ...]) -> None:
        self._check_index(t, c, z)
        if values.shape != tuple(shape) or values.dtype != self.dtype:
            raise InputError(
                f"plane {(t, c, z)} of {self.path.name} has shape {values.shape} and dtype {values.dtype}, "
                f"expected {tuple(shape)} and {self.dtype}"
            )
