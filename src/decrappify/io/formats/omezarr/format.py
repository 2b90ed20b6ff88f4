"""Format record of OME-Zarr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decrappify.io.format import Format
from decrappify.io.remote.path import Location
from decrappify.io.store.zarr_folders import is_zarr_folder
from decrappify.movie import Movie

_SUFFIX = ".zarr"


def _open(path: Location, *, scene: int = 0, **options: Any) -> Movie:
    from decrappify.io.formats.omezarr.reading.open import open_omezarr

    return open_omezarr(path, scene=scene, **options)


def _scenes(path: Location) -> list[str | None]:
    from decrappify.io.formats.omezarr.reading.open import scene_names

    return scene_names(path)


def _levels(path: Location, *, scene: int = 0) -> int:
    from decrappify.io.formats.omezarr.reading.open import level_count

    return level_count(path, scene=scene)


def _write(movie: Movie, path: Path, **options: Any) -> Path:
    from decrappify.io.formats.omezarr.writing.export import write_omezarr

    return write_omezarr(movie, path, **options)


def _write_scenes(movies: Sequence[Movie], path: Path, **options: Any) -> Path:
    from decrappify.io.formats.omezarr.writing.export import write_omezarr_scenes

    return write_omezarr_scenes(movies, path, **options)


def _is_folder(path: Path) -> bool:
    return path.suffix.lower() == _SUFFIX or is_zarr_folder(path)


FORMAT = Format(
    name="OME-Zarr",
    suffixes=(_SUFFIX,),
    long_suffixes=(f".ome{_SUFFIX}",),
    is_folder=_is_folder,
    open=_open,
    scenes=_scenes,
    levels=_levels,
    write=_write,
    write_scenes=_write_scenes,
    write_suffixes=(_SUFFIX,),
    supports=frozenset({"axes", "absent_chunks", "remote"}),
    keeps_files_open=False,  # every chunk is a file
    is_working_store=True,
)
