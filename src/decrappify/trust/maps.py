"""Destinations of the maps: memory, or a growing OME-Zarr store that is resumable and exported if needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from decrappify._common.progress import Progress
from decrappify.errors import FormatError
from decrappify.movie import Array, Movie, Plane, Shape5
from decrappify.trust.evaluation import PlaneTrust

MAPS = ("trust", "score", "limit")  # output channels of each input channel, of a trust map
DTYPE = np.dtype(np.float32)
_STEP = 1 / 64  # of stored scores and limits, so that they compress


class Maps(Protocol):
    """Maps of a movie, written plane by plane."""

    @property
    def notes(self) -> dict[Plane, dict[str, Any]]:
        """Numbers of the finished planes (t, c, z) of the input."""

    def is_done(self, plane: Plane) -> bool:
        """Return whether the maps of a plane are finished."""

    def write(self, plane: Plane, values: Sequence[Array] | None, note: Mapping[str, Any]) -> None:
        """Write the maps of a plane (t, c, z) of the input, one array for each kind; None for one without data."""

    def finish(self, provenance: Mapping[str, Any]) -> Movie:
        """Complete the maps and open them."""

    def close(self) -> None:
        """Stop writing; finished planes are kept if they are on disk."""


def map_names(movie: Movie, kinds: Sequence[str] = MAPS) -> list[str]:
    """Return the names of the output channels."""
    several = movie.shape[1] > 1
    return [f"{name} {kind}" if several else kind for name in movie.channel_names for kind in kinds]


def planes_of(trust: PlaneTrust) -> list[Array]:
    """Return the output planes of the trust of a plane."""
    rounded = [np.round(np.nan_to_num(each) / _STEP) * _STEP for each in (trust.score, trust.limit)]
    return [each.astype(DTYPE) for each in (trust.labels, *rounded)]


class MemoryMaps:
    """Maps as an array; `n_kinds` is the number of output channels of each input channel."""

    def __init__(self, shape: Shape5, metadata: Mapping[str, Any], n_kinds: int = len(MAPS)) -> None:
        self.notes: dict[Plane, dict[str, Any]] = {}
        self._n_kinds = n_kinds
        self._array, self._metadata = np.zeros(shape, DTYPE), dict(metadata)

    def is_done(self, plane: Plane) -> bool:
        """Return False: there are no planes of an earlier run."""
        return False

    def write(self, plane: Plane, values: Sequence[Array] | None, note: Mapping[str, Any]) -> None:
        """Write the maps of a plane."""
        t, c, z = plane
        first = self._n_kinds * c
        self._array[t, first : first + self._n_kinds, z] = 0 if values is None else np.stack(values)
        if note:
            self.notes[plane] = dict(note)

    def finish(self, provenance: Mapping[str, Any]) -> Movie:
        """Return the array as a movie."""
        return Movie.from_array(self._array, "TCZYX", **(self._metadata | {"provenance": dict(provenance)}))

    def close(self) -> None:
        """Do nothing: an array is not closed."""


class StoredMaps:
    """Maps as an OME-Zarr store `path`, or exported to `path` as OME-TIFF when all planes are finished.

    `n_kinds` is the number of output channels of each input channel.
    """

    def __init__(
        self,
        path: Path,
        shape: Shape5,
        metadata: Mapping[str, Any],
        n_kinds: int = len(MAPS),
        *,
        run_key: str,
        overwrite: bool,
        resume: bool,
    ) -> None:
        from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
        from decrappify.io.recognition.registry import writer_for

        self._path, self._is_store = path, writer_for(path).is_working_store
        check_format(path)
        self._n_kinds = n_kinds
        self._metadata, self._missing = dict(metadata), metadata["missing"]
        self._writer = ZarrMovieWriter(
            path, shape=shape, dtype=DTYPE, run_key=run_key, overwrite=overwrite, resume=resume, **metadata
        )

    @property
    def notes(self) -> dict[Plane, dict[str, Any]]:
        """Numbers of the finished planes, with the channels of the input."""
        return {(t, c // self._n_kinds, z): note for (t, c, z), note in self._writer.notes.items()}

    def is_done(self, plane: Plane) -> bool:
        """Return whether all maps of a plane are on disk."""
        t, c, z = plane
        return all(self._writer.is_done(t, self._n_kinds * c + k, z) for k in range(self._n_kinds))

    def write(self, plane: Plane, values: Sequence[Array] | None, note: Mapping[str, Any]) -> None:
        """Write the maps of a plane."""
        t, c, z = plane
        first = self._n_kinds * c
        if note:
            self._writer.write_note(t, first, z, note)
        planes = [np.zeros(self._writer.shape[3:], DTYPE)] * self._n_kinds if values is None else values
        for k, each in enumerate(planes):
            self._writer.write_plane(t, first + k, z, each)

    def finish(self, provenance: Mapping[str, Any], progress: Progress | None = None) -> Movie:
        """Complete the store or the export and open it."""
        from decrappify.io import open_movie, save_movie

        self._writer.update_metadata(provenance=provenance, missing=self._missing)
        if self._is_store:
            self._writer.finish()
        else:
            self._writer.finish_store()
            exported = self._writer.working_folder.empty_folder("export") / self._path.name
            with open_movie(self._writer.partial_path) as store:
                save_movie(store.replace(name=self._metadata["name"], origin=None), exported, progress=progress)
            self._writer.place(exported)
        return open_movie(self._path)

    def close(self) -> None:
        """Stop writing; finished planes are kept for resuming."""
        self._writer.close()


def beside(output: str | os.PathLike[str], kind: str) -> Path:
    """Return the path of a map next to a result; that of a plain TIFF, as other programs write it, is an OME-TIFF.

    >>> [beside(f"out/{name}", "trust").name for name in ("cells.ome.zarr", "cells.tif")]
    ['cells_trust.ome.zarr', 'cells_trust.ome.tif']
    """
    path = Path(output)
    lower = path.name.lower()
    suffix = next((end for end in (".ome.zarr", ".ome.tif", ".ome.tiff") if lower.endswith(end)), path.suffix)
    stem = path.name[: len(path.name) - len(suffix)]
    ending = ".ome.tif" if suffix.lower() in (".tif", ".tiff") else path.name[len(stem) :]
    return path.with_name(f"{stem}_{kind}{ending}")


def check_format(path: Path) -> None:
    """Raise FormatError if maps cannot be stored in this format without loss."""
    from decrappify.io.recognition.registry import writer_for

    writer_for(path)
    if not path.name.lower().endswith((".ome.zarr", ".ome.tif", ".ome.tiff")):
        raise FormatError(f"{path} cannot contain these maps, expected a name that ends in .ome.zarr or .ome.tif")
