"""Destinations of restored planes: memory, a growing OME-Zarr store, or such a store exported at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from decrappify.errors import DeviceMemoryError
from decrappify.limits.memory import available_memory
from decrappify.movie import Array, Movie, Plane, Shape5

if TYPE_CHECKING:
    from decrappify._common.progress import Progress
    from decrappify.io.store.locks import OutputLock
    from decrappify.io.store.planes.journal import Journal
    from decrappify.io.store.planes.rectangles import Rectangle


class Planes(Protocol):
    """Planes of a movie that are written in any order."""

    state: dict[str, Any]

    @property
    def notes(self) -> Mapping[Plane, dict[str, Any]]:
        """Return the values recorded with planes."""

    def write_note(self, t: int, c: int, z: int, note: Mapping[str, Any]) -> None:
        """Record small JSON values with a plane, before it is written."""

    def save_state(self) -> None:
        """Save `state` for a resumed run."""

    def is_done(self, t: int, c: int, z: int) -> bool:
        """Return whether a plane is finished."""

    def write_plane(self, t: int, c: int, z: int, plane: Array) -> None:
        """Write one (Y, X) plane."""

    def close(self) -> None:
        """Close the result; finished planes are kept if they are on disk."""


class Result(Planes, Protocol):
    """A movie that is written plane by plane."""

    def update_metadata(self, *, provenance: Mapping[str, Any], missing: Iterable[Plane]) -> None:
        """Replace provenance and missing planes."""

    def finish(self) -> Movie:
        """Complete the result and open it."""


class MemoryResult:
    """A result in memory, as an array.

    Raises
    ------
    DeviceMemoryError
        If it does not fit into the free memory.
    """

    def __init__(self, shape: Shape5, dtype: np.dtype[Any], metadata: Mapping[str, Any]) -> None:
        needed, free = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, available_memory()
        if needed > free:
            raise DeviceMemoryError(
                f"the restored movie needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB of memory are free; "
                "pass an output such as 'restored.ome.zarr' to write it to disk"
            )
        self.state: dict[str, Any] = {}
        self.notes: dict[Plane, dict[str, Any]] = {}
        self._array = np.zeros(shape, dtype)
        self._metadata = dict(metadata)

    def save_state(self) -> None:
        """Do nothing: a result in memory cannot be resumed."""

    def is_done(self, t: int, c: int, z: int) -> bool:
        """Return False: there are no planes of an earlier run."""
        return False

    def write_plane(self, t: int, c: int, z: int, plane: Array) -> None:
        """Write one (Y, X) plane."""
        self._array[t, c, z] = plane

    def write_note(self, t: int, c: int, z: int, note: Mapping[str, Any]) -> None:
        """Record values with a plane."""
        self.notes[t, c, z] = dict(note)

    def update_metadata(self, *, provenance: Mapping[str, Any], missing: Iterable[Plane]) -> None:
        """Replace provenance and missing planes."""
        self._metadata |= {"provenance": dict(provenance), "missing": sorted(missing)}

    def finish(self) -> Movie:
        """Return the array as a movie."""
        return Movie.from_array(self._array, "TCZYX", **self._metadata)

    def close(self) -> None:
        """Do nothing: an array is not closed."""


class StoreResult:
    """A result as an OME-Zarr store `path`, or exported to `path` when all planes are finished."""

    def __init__(
        self,
        path: Path,
        shape: Shape5,
        dtype: np.dtype[Any],
        metadata: Mapping[str, Any],
        *,
        run_key: str,
        overwrite: bool,
        resume: bool,
        lock: OutputLock | None = None,
        growing: bool = False,
        keeps_rectangles: bool = False,
        export_bars: Progress | None = None,
    ) -> None:
        from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter

        self._path, self._name, self._export_bars = path, str(metadata["name"]), export_bars
        if not is_store(path):
            check_export(path, shape, dtype)
        self._writer = ZarrMovieWriter(
            path,
            shape=shape,
            dtype=dtype,
            run_key=run_key,
            overwrite=overwrite,
            resume=resume,
            lock=lock,
            growing=growing,
            keeps_rectangles=keeps_rectangles,
            **metadata,
        )
        self.state = self._writer.state
        self.save_state, self.is_done = self._writer.save_state, self._writer.is_done
        self.write_plane, self.close = self._writer.write_plane, self._writer.close
        self.write_note, self.adopt_planes = self._writer.write_note, self._writer.adopt_planes
        self.adopt_rectangle, self.complete_plane = self._writer.adopt_rectangle, self._writer.complete_plane
        self.lengthen, self.forget = self._writer.lengthen, self._writer.forget
        self._run_key = run_key

    @property
    def shape(self) -> Shape5:
        """Present shape of a growing result."""
        return self._writer.shape

    def done(self) -> set[Plane]:
        """Return the finished planes."""
        return self._writer.done()

    @property
    def rectangles(self) -> Mapping[Plane, Mapping[Rectangle, Mapping[str, Any]]]:
        """Return the finished rectangles of unfinished planes, each with its note."""
        return self._writer.rectangles

    @property
    def notes(self) -> Mapping[Plane, dict[str, Any]]:
        """Return the values recorded with planes."""
        return self._writer.notes

    def update_metadata(self, *, provenance: Mapping[str, Any], missing: Iterable[Plane], **others: Any) -> None:
        """Replace provenance, missing planes and other metadata."""
        self._writer.update_metadata(provenance=provenance, missing=missing, **others)
        self._writer.placed_key = placed_key(self._run_key, provenance.get("restoration", {}).get("input_crc32"))

    def finish(self) -> Movie:
        """Complete the store or the export and open it."""
        if is_store(self._path):
            self._writer.finish()
        else:
            self._export()
        return open_result(self._path)

    def _export(self) -> None:
        from decrappify.io import save_movie

        self._writer.finish_store()
        exported = self._writer.working_folder.empty_folder("export") / self._path.name
        with open_result(self._writer.partial_path) as store:
            store = store.replace(name=self._name, origin=None)
            save_movie(store, exported, progress=self._export_bars)
        self._writer.place(exported)


def open_result(path: Path) -> Movie:
    """Open a result without a warning about missing planes, which the run reported."""
    from decrappify.io import open_movie
    from decrappify.io.integrity.missing_planes import missing_notes

    with missing_notes():
        return open_movie(path)


def placed_key(run_key: str, input_crc32: str | None) -> str:
    """Return the key of a complete output: its settings, and the pixels of its input."""
    return f"{run_key} {input_crc32}"


def is_store(path: Path) -> bool:
    """Return whether the output is the working store itself."""
    from decrappify.io.recognition.registry import writer_for

    return writer_for(path).is_working_store


def check_export(path: Path, shape: Shape5, dtype: np.dtype[Any]) -> None:
    """Export a tiny movie with the same dtype and channels, to raise errors of the format before the restoration."""
    from decrappify.io import save_movie

    n_t, n_c, n_z, n_y, n_x = shape
    tiny = (min(n_t, 2), n_c, min(n_z, 2), 16 + n_y % 2, 16 + n_x % 2)
    values = np.arange(np.prod(tiny)).reshape(tiny) % 100
    with TemporaryDirectory() as folder:
        save_movie(Movie.from_array(values.astype(dtype), "TCZYX", name=path.name), Path(folder) / path.name)


class Unfinished(NamedTuple):
    """The unfinished output of an earlier run.

    Attributes
    ----------
    partial : Path
        Its working folder.
    run_key : str
        Digest of the settings of that run.
    journal : Journal
        Its journal.
    """

    partial: Path
    run_key: str
    journal: Journal


def unfinished(lock: OutputLock, *, shared: bool = False) -> Unfinished | None:
    """Read the journal of the unfinished output of any run for a locked output; return None if there is none.

    The records of the regions that other processes wrote are moved into it. With `shared`, other processes may still
    write their parts.
    """
    from decrappify.io.store.planes.journal import Journal
    from decrappify.io.store.planes.regions import absorb_regions
    from decrappify.io.store.working_folder import key_of
    from decrappify.io.store.working_paths import working_path

    run_key, folder = key_of(lock), working_path(lock.target)
    if run_key is None:
        return None
    absorb_regions(folder, lock.target, shared=shared)
    return Unfinished(folder, run_key, Journal(folder / "journal"))
