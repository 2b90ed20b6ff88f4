"""Format record of TIFF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decrappify.io.format import Format, FrameFiles
from decrappify.io.formats.tiff.files.ndtiff import NDTIFF_INDEXES
from decrappify.movie import Movie

_SUFFIXES = (".tif", ".tiff")


def _open(path: Path, *, scene: int = 0, axes: str | None = None) -> Movie:
    from decrappify.io.formats.tiff.open import open_tiff

    return open_tiff(path, scene=scene, axes=axes)


def _scenes(path: Path) -> list[str | None]:
    from decrappify.io.formats.tiff.open import scene_names

    return scene_names(path)


def _write(movie: Movie, path: Path, **options: Any) -> Path:
    from decrappify.io.formats.tiff.writing.writer import write_ome_tiff

    return write_ome_tiff(movie, path, **options)


def _write_scenes(movies: Sequence[Movie], path: Path, **options: Any) -> Path:
    from decrappify.io.formats.tiff.writing.writer import write_ome_tiff_scenes

    return write_ome_tiff_scenes(movies, path, **options)


def _is_folder(path: Path) -> bool:
    return any((path / name).is_file() for name in NDTIFF_INDEXES)


def _layout(path: Path) -> object:
    from decrappify.io.formats.tiff.files.frame_headers import frame_layout

    return frame_layout(path)


def _axes(path: Path) -> tuple[str, int]:
    from decrappify.io.formats.tiff.files.frame_headers import frame_axes

    return frame_axes(path)


def _members(path: Path) -> set[str]:
    from decrappify.io.formats.tiff.files.frame_headers import set_members

    return set_members(path)


def _is_whole(path: Path) -> bool:
    from decrappify.io.formats.tiff.files.frame_headers import is_whole

    return is_whole(path)


FORMAT = Format(
    name="TIFF",
    suffixes=(*_SUFFIXES, ".btf", ".tf8", ".lsm", ".stk"),
    long_suffixes=(".ome.tif", ".ome.tiff"),
    signatures=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
    is_folder=_is_folder,  # a data set of Micro-Manager
    open=_open,
    scenes=_scenes,
    write=_write,
    write_scenes=_write_scenes,
    write_suffixes=_SUFFIXES,
    supports=frozenset({"axes"}),
    frames=FrameFiles(
        suffixes=_SUFFIXES,
        layout=_layout,
        axes=_axes,
        members=_members,
        is_whole=_is_whole,
        spellings={".tiff": ".tif"},
    ),
)
