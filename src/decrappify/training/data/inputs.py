"""Conversion of the data arguments of `train` (paths, arrays, folders, names) to movies, pairs and a crappifier."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.crappify import Crappifier, crappifier_preset
from decrappify.errors import InputError, MissingFileError
from decrappify.io import open_movie, open_scenes
from decrappify.io.folders.folder import FolderReading, read_folder
from decrappify.io.recognition.file_format import is_image_folder
from decrappify.io.recognition.registry import plain_stem
from decrappify.movie import Movie

# The logger of the module that classifies folders, so that the command line shows the messages of both modules.
logger = logging.getLogger("decrappify.io.folders.folder")


def as_movies(given: Any, folder_as: str = "auto") -> list[Movie]:
    """Return movies from a path, array, movie, or a list of them; a folder adds each of its movies or images.

    `folder_as` applies to folders, as for `decrappify.open_movie`.
    """
    several = given if isinstance(given, list | tuple) else [given]
    movies = [movie for item in several for movie in open_scenes(item, folder_as=_for(item, folder_as))]
    if not movies:
        raise InputError("no images to train on; pass at least one path, array or movie")
    return movies


def as_photographs(given: Any) -> list[Any]:
    """List the photographs in a folder and its subfolders; return a list of paths or arrays (Y, X, 3) unchanged."""
    if isinstance(given, str | os.PathLike):
        from decrappify.datasets.photographs import find_images

        found: list[Any] = list(find_images(given))
    else:
        found = list(given)
    if not found:
        raise InputError("no photographs to train on; pass a folder of color images, or a list of paths or arrays")
    return found


def as_crappifier(given: Crappifier | str | Path) -> Crappifier:
    """Return a crappifier from a crappifier, the name of a preset, or a file, also of a noise model."""
    if isinstance(given, Crappifier):
        return given
    if Path(given).suffix in (".toml", ".json"):
        from decrappify.noise import load_crappifier

        return load_crappifier(given)
    return crappifier_preset(str(given))


def as_pairs(given: Any, folder_as: str = "auto") -> list[tuple[Movie, Movie]]:
    """Return (source, target) movies from a folder of ``low/`` and ``high/``, two folders, a pair or a list of pairs.

    If each of two folders is one movie, or several scenes, by the names of its files, the folders are one pair, or one
    pair per scene. Otherwise, and with ``folder_as="images"``, their files are paired by name without suffix; a file
    without a partner raises InputError.
    """
    if isinstance(given, str | Path):
        folder = Path(given)
        if not ((folder / "low").is_dir() and (folder / "high").is_dir()):
            raise InputError(f"{folder} does not contain low/ and high/, which a folder of pairs needs")
        given = (folder / "low", folder / "high")
    if isinstance(given, tuple) and len(given) == 2 and all(map(is_image_folder, given)):
        return paired_folders(Path(given[0]), Path(given[1]), folder_as)
    if isinstance(given, tuple) and len(given) == 2 and all(map(_is_one_movie, given)):
        given = [given]
    if not isinstance(given, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in given
    ):
        raise InputError(
            f"pairs is {given!r}, expected a folder, two folders, (source, target), or a list of such pairs"
        )
    if not given:
        raise InputError("pairs is empty; pass at least one (source, target)")
    pairs = []
    for source, target in given:
        if is_image_folder(source) and is_image_folder(target):
            pairs += paired_folders(Path(source), Path(target), folder_as)
        else:
            low, high = (open_movie(item, folder_as=_for(item, folder_as)) for item in (source, target))
            pairs.append((low, high))
    return pairs


def paired_folders(sources: Path, targets: Path, folder_as: str = "auto") -> list[tuple[Movie, Movie]]:
    """Return the pairs of two folders with files of the same names; see `as_pairs`."""
    files = _matched(sources, targets)
    both = sources, targets
    readings: list[FolderReading] = []
    if folder_as != "images" and not any(is_image_folder(file) for pair in files for file in pair):
        readings = [read_folder(folder, folder_as) for folder in both]
    if not readings or any(reading.kind != "movie" for reading in readings):
        line = f"{sources} and {targets} were read as {counted(len(files), 'pair')} of files with equal names"
        logger.info("%s; pass %s to read each folder as one movie", line, setting("folder_as", "movie"))
        return [(open_movie(a), open_movie(b)) for a, b in files]
    if folder_as == "auto" and not all(reading.time_is_labeled for reading in readings):
        warnings.warn(
            f"{sources} and {targets} were read as one pair of movies, since their file names differ only in a number; "
            f"pass {setting('folder_as', 'images')} to pair the files by name",
            stacklevel=4,
        )
    low, high = (open_scenes(folder, folder_as=folder_as) for folder in both)
    return list(zip(low, high, strict=True))


def _is_one_movie(item: Any) -> bool:
    """Return whether an item is a movie, array or path of a file or store, rather than a folder or a pair."""
    return not isinstance(item, list | tuple) and not is_image_folder(item)


def _for(item: Any, folder_as: str) -> str:
    return folder_as if is_image_folder(item) else "auto"


def _matched(sources: Path, targets: Path) -> list[tuple[Path, Path]]:
    low, high = (
        {plain_stem(path.name): path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
        for folder in (sources, targets)
    )
    if not low or not high:
        raise MissingFileError(f"{sources if not low else targets} is empty; it needs the images of the pairs")
    alone = sorted(set(low) ^ set(high))
    if alone:
        lacking = targets if alone[0] in low else sources
        raise InputError(
            f"{alone[0]} has no file of the same name in {lacking}; pairs are matched by file name without suffix"
        )
    return [(low[name], high[name]) for name in sorted(low)]
