"""What users hand to `train` (paths, arrays, folders, names) as movies, pairs and a crappifier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from decrappify.crappify import Crappifier, crappifier_preset
from decrappify.errors import InputError, MissingFileError
from decrappify.io import open_movie
from decrappify.movie import Movie


def as_movies(given: Any) -> list[Movie]:
    """One or several movies from a path, array, movie, or a list of them; an empty list is refused."""
    several = given if isinstance(given, list | tuple) else [given]
    movies = [open_movie(item) for item in several]
    if not movies:
        raise InputError("no images given; give at least one path, array or movie")
    return movies


def as_photographs(given: Any) -> list[Any]:
    """List the pictures of a folder (and all below it); a list of paths or arrays (Y, X, 3) is returned as it is."""
    if isinstance(given, str | os.PathLike):
        from decrappify.datasets.photographs import find_pictures

        pictures: list[Any] = list(find_pictures(given))
    else:
        pictures = list(given)
    if not pictures:
        raise InputError("no photographs given; give a folder of colour pictures, or a list of paths or arrays")
    return pictures


def as_crappifier(given: Crappifier | str | Path) -> Crappifier:
    """Make a crappifier from itself, a preset's name, or a .toml/.json file."""
    if isinstance(given, Crappifier):
        return given
    if Path(given).suffix in (".toml", ".json"):
        return Crappifier.load(given)
    return crappifier_preset(str(given))


def as_pairs(given: Any) -> list[tuple[Movie, Movie]]:
    """(source, target) movies from a folder holding ``low/`` and ``high/``, two folders, or a list of pairs.

    Files of two folders are paired by name without suffix; a file without partner is refused by name.
    """
    if isinstance(given, str | Path):
        folder = Path(given)
        if not ((folder / "low").is_dir() and (folder / "high").is_dir()):
            raise InputError(f"{folder} does not hold low/ and high/, which a folder of pairs needs")
        given = (folder / "low", folder / "high")
    if isinstance(given, tuple) and len(given) == 2 and all(_is_folder(item) for item in given):
        return [(open_movie(a), open_movie(b)) for a, b in _matched(Path(given[0]), Path(given[1]))]
    if not isinstance(given, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in given
    ):
        raise InputError(f"pairs is {given!r}, needs a folder, two folders that exist, or a list of (source, target)")
    if not given:
        raise InputError("pairs is empty; give at least one (source, target)")
    return [(open_movie(source), open_movie(target)) for source, target in given]


def _is_folder(item: Any) -> bool:
    return isinstance(item, str | Path) and Path(item).is_dir() and not str(item).rstrip("/").endswith(".zarr")


def _matched(sources: Path, targets: Path) -> list[tuple[Path, Path]]:
    low, high = (
        {_stem(path): path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
        for folder in (sources, targets)
    )
    if not low or not high:
        raise MissingFileError(f"{sources if not low else targets} is empty; it needs the images of the pairs")
    alone = sorted(set(low) ^ set(high))
    if alone:
        lacking = targets if alone[0] in low else sources
        raise InputError(f"{alone[0]} has no partner in {lacking}; pairs are matched by file name without suffix")
    return [(low[name], high[name]) for name in sorted(low)]


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".ome.zarr", ".ome.tiff", ".ome.tif"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem
