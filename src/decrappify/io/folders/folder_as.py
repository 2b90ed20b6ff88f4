"""Check of the argument `folder_as`, which selects how a folder is read."""

from __future__ import annotations

import os
from pathlib import Path

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.io.recognition.file_format import is_image_folder

FOLDER_AS = ("auto", "movie", "images")


def check_folder_as(folder_as: str, source: object) -> None:
    """Raise InputError for an unknown value, and for one other than "auto" if `source` is not a folder."""
    if folder_as not in FOLDER_AS:
        raise InputError(f"{setting('folder_as', folder_as)} is not known, expected 'auto', 'movie' or 'images'")
    if folder_as != "auto" and not is_image_folder(source):
        raise InputError(f"{setting('folder_as', folder_as)} is for folders, found {_what(source)}; omit it")


def _what(source: object) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else f"a {type(source).__name__}"
