"""Names of the scenes in one file."""

from __future__ import annotations

from decrappify.errors import FormatError
from decrappify.io.integrity.reading_errors import reading_errors
from decrappify.io.recognition.file_format import format_of
from decrappify.io.remote.path import Location
from decrappify.io.scene_names import unique_names


def file_scenes(path: Location) -> list[str]:
    """Return the unique names of the scenes of a file or store, at least one.

    Raises
    ------
    MissingFileError, FormatError
        As for `decrappify.io.recognition.file_format.format_of`; FormatError also if the file has no scenes.
    """
    with reading_errors(path):
        form = format_of(path)
        names = [None] if form is None or form.scenes is None else list(form.scenes(path))
        if not names:
            name = "folder" if form is None else form.name
            raise FormatError(f"{path} is a {name} file without images; it is damaged, copy it again")
        return unique_names(names)
