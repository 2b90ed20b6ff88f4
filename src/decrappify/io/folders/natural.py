"""Natural sort order of file names."""

from __future__ import annotations

import re
from pathlib import Path


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key that orders numbers in file names by value.

    >>> [p.name for p in sorted([Path("t10.png"), Path("t2.png"), Path("T1.png")], key=natural_key)]
    ['T1.png', 't2.png', 't10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)], path.name
