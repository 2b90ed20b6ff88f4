"""One-line report on the classification of a folder and the arguments that change it."""

from __future__ import annotations

import logging

from decrappify._common.argument_names import setting
from decrappify._common.caller_warning import warn_caller
from decrappify.io.folders.folder import FolderReading
from decrappify.movie import Movie

logger = logging.getLogger("decrappify.io.folders.folder")


def report(
    reading: FolderReading, movie: Movie, scene: int | None, *, is_chosen: bool, scene_is_chosen: bool = False
) -> None:
    """Log the report; as a warning if the classification was not chosen and is uncertain, or omits scenes.

    Parameters
    ----------
    reading : FolderReading
        The classification of the folder.
    movie : Movie
        The scene that was opened.
    scene : int or None
        Its number; None if all scenes are used.
    is_chosen : bool
        Whether the user chose how to read the folder.
    scene_is_chosen : bool
        Whether the user chose the scene.
    """
    line = described(reading, movie, None if scene_is_chosen else scene)
    leaves_out = scene is not None and len(reading.scenes) > 1 and not scene_is_chosen
    if (is_chosen or scene_is_chosen or reading.is_sure) and not leaves_out:
        logger.info(line)
    else:
        warn_caller(line)
    if reading.left_out:
        is_one = len(reading.left_out) == 1 and reading.left_out[0].startswith("1 ")
        warn_caller(f"{reading.path.name}: {' and '.join(reading.left_out)} {'was' if is_one else 'were'} omitted")


def described(reading: FolderReading, movie: Movie, scene: int | None) -> str:
    """Return the line of `report`."""
    n = len(reading.scenes)
    if reading.kind == "movie":
        other = f"pass {setting('folder_as', 'images')} to read each file as a separate image"
        sizes = [
            f"{size} {word}{'s' if size > 1 else ''}"
            for size, word in zip(movie.shape[:3], ("frame", "channel", "slice"), strict=True)
            if size > 1 or word == "frame"
        ]
        inside = sizes[0] if len(sizes) == 1 else f"{', '.join(sizes[:-1])} and {sizes[-1]}"
        what = f"one movie of {inside}" if n == 1 else f"{n} scenes"
    else:
        other = f"pass {setting('folder_as', 'movie')} to read the files as frames of one movie"
        what = f"{n} separate images"
    if n == 1 and reading.kind == "images":
        return f"the only file of {reading.path.name} was read"
    line = f"{reading.path.name} was read as {what} ({reading.reason})"
    if n > 1 and scene is not None:
        line += (
            f"; only scene {scene} ({reading.scenes[scene].name}) was opened; choose another, such as "
            f"{setting('scene', reading.scenes[scene - 1].name)} (all scenes: decrappify restore --scene all)"
        )
    return f"{line}; {other}" if reading.kind == "movie" or reading.may_be_frames else line
