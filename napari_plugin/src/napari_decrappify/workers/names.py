"""Names of the files and folders that jobs write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

NAMES_TRIED = 100


def safe_name(name: str) -> str:
    """Convert a layer's name to a file name.

    >>> safe_name("cells.ome.tif · actin/2")
    'cells-actin-2'
    """
    from decrappify.io import readable_suffixes

    for ending in sorted(readable_suffixes(), key=len, reverse=True):
        name = name.replace(f".ome{ending}", "").replace(ending, "")
    kept = "".join(letter if letter.isalnum() or letter in "_-." else " " for letter in name)
    return "-".join(kept.split()).strip(".") or "movie"


def numbered(name: str) -> Iterator[str]:
    """Iterate over a name and its numbered variants.

    >>> list(islice(numbered("cells"), 3))
    ['cells', 'cells-2', 'cells-3']
    """
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return islice(names, NAMES_TRIED)
