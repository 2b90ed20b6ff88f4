"""The order of file names in which people count."""

from __future__ import annotations

import re
from pathlib import Path


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that counts numbers in file names as people do.

    >>> [p.name for p in sorted([Path("t10.png"), Path("t2.png"), Path("T1.png")], key=natural_key)]
    ['T1.png', 't2.png', 't10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)], path.name
