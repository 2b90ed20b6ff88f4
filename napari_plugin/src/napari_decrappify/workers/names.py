"""Names of the files and folders that jobs write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from decrappify.errors import InputError, OutputError

NAMES_TRIED = 100
_MOST_BYTES = 100  # of a name; a file name has at most 255, with the name of the model and suffixes


def safe_name(name: str) -> str:
    """Convert a layer's name to a file name, of which the middle is omitted if it is very long.

    >>> safe_name("cells.ome.tif · actin/2"), safe_name("CELLS.TIF")
    ('cells-actin-2', 'CELLS')
    """
    from decrappify.io import readable_suffixes

    for ending in sorted(readable_suffixes(), key=len, reverse=True):
        name = re.sub(rf"(\.ome)?{re.escape(ending)}", "", name, flags=re.IGNORECASE)
    kept = "".join(letter if letter.isalnum() or letter in "_-." else " " for letter in name)
    return _shortened("-".join(kept.split()).strip(".")) or "movie"


def _shortened(name: str) -> str:
    """Return a name of at most `_MOST_BYTES`; the end, which may be the name of a channel, is kept.

    >>> _shortened("a" * 200 + "-GFP") == "a" * 50 + "--" + "a" * 44 + "-GFP"
    True
    """
    whole = name.encode()
    if len(whole) <= _MOST_BYTES:
        return name
    start, end = whole[: _MOST_BYTES // 2], whole[-(_MOST_BYTES // 2 - 2) :]
    return f"{start.decode(errors='ignore')}--{end.decode(errors='ignore')}"


def numbered(name: str) -> Iterator[str]:
    """Iterate over a name and its numbered variants.

    >>> list(islice(numbered("cells"), 3))
    ['cells', 'cells-2', 'cells-3']
    """
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return islice(names, NAMES_TRIED)


def create_folder(folder: Path) -> None:
    """Create a folder for results.

    Raises
    ------
    InputError
        If none was entered, or one relative to the folder in which napari was started, where results are not found.
    OutputError
        If it cannot be created.
    """
    if folder == Path():
        raise InputError("no output folder; choose one")
    if not folder.is_absolute():
        raise InputError(f"the output folder {folder} is not a complete path; choose a folder with the button …")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {folder} ({error.strerror}); choose another folder") from error
