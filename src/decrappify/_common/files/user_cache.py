"""Folder for values that are measured once on a computer and can be measured again at any time."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from decrappify._common.files.atomic import write_file

logger = logging.getLogger(__name__)

_MOST_ENTRIES = 200  # of a file; the oldest ones are removed


def user_cache() -> Path | None:
    """Return the cache folder of decrappify for this user, which may not exist; None if the user has no home folder."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home folder
        return None
    return base / "decrappify"


def read_entry(name: str, key: str) -> Any:
    """Return the entry of a JSON file in the cache folder, or None if it is missing or the file is not readable."""
    return _entries(name).get(key)


def write_entry(name: str, key: str, value: Mapping[str, Any]) -> None:
    """Store an entry in a JSON file in the cache folder; if that is impossible, it is measured again next time."""
    folder = user_cache()
    if folder is None:
        return
    entries = _entries(name)
    entries.pop(key, None)  # the latest is the last
    entries[key] = dict(value)
    kept = dict(list(entries.items())[-_MOST_ENTRIES:])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        temporary = path.with_name(f"{name}.{os.getpid()}.partial")
        write_file(path, (json.dumps(kept, indent=1) + "\n").encode(), temporary=temporary, sync=False)
    except OSError as error:
        logger.debug("%s is not stored: %s", name, error)


def _entries(name: str) -> dict[str, Any]:
    folder = user_cache()
    if folder is not None:
        with suppress(OSError, ValueError):
            found = json.loads((folder / name).read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
    return {}
