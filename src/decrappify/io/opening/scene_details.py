"""Positions and further dimensions of the scenes of a file."""

from __future__ import annotations

import os
from pathlib import Path

from decrappify.io.format import SceneDetails
from decrappify.io.integrity.reading_errors import reading_errors
from decrappify.io.recognition.file_format import format_of, is_image_folder
from decrappify.io.recognition.file_scenes import file_scenes
from decrappify.io.remote.path import location


def scene_details(path: str | os.PathLike[str]) -> list[SceneDetails]:
    """Return the details of every scene of a file or folder, in the order of `decrappify.scenes`; no pixel is read.

    Raises
    ------
    MissingFileError, FormatError
        As for `open_movie`.
    """
    if is_image_folder(path):
        from decrappify.io.folders.folder import read_folder

        return [SceneDetails() for _ in read_folder(Path(path), "auto").scenes]
    path = location(path)
    with reading_errors(path):
        form = format_of(path)
        if form is not None and form.scene_details is not None:
            return list(form.scene_details(path))
        return [SceneDetails() for _ in file_scenes(path)]
