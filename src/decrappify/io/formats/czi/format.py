"""Format record of Zeiss CZI."""

from __future__ import annotations

from pathlib import Path

from decrappify.io.format import Format, SceneDetails
from decrappify.movie import Movie


def _open(path: Path, *, scene: int | str = 0) -> Movie:
    from decrappify.io.formats.czi.czi import open_czi

    return open_czi(path, scene)


def _scenes(path: Path) -> list[str | None]:
    from decrappify.io.formats.czi.czi import scene_names

    return scene_names(path)


def _scene_details(path: Path) -> list[SceneDetails]:
    from decrappify.io.formats.czi.details import read_details

    return read_details(path)


FORMAT = Format(
    name="CZI",
    suffixes=(".czi",),
    signatures=((0, b"ZISRAWFILE"),),
    open=_open,
    scenes=_scenes,
    scene_details=_scene_details,
    supports=frozenset({"scene_text"}),
)
