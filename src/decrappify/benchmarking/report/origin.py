"""Origin of a report, so that it can be cited: models, files with checksums, date and machine."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from decrappify.benchmarking.inputs.pairs import Pair
from decrappify.benchmarking.methods.methods import Method
from decrappify.movie import Movie

_LARGEST = 2**36  # bytes; reading more for a checksum takes many minutes


def origin_of(methods: Sequence[Method], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return date, machine, models and files as plain values."""
    known: dict[Path, str | None] = {}
    return {
        "date": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "models": [{"name": method.name, **method.about} for method in methods if method.kind == "model"],
        "files": [
            {"image": pair.name, "source": _file(pair.source, known), "reference": _file(pair.reference, known)}
            for pair in pairs
        ],
    }


def machine() -> dict[str, Any]:
    """Return operating system, processor, threads and GPU."""
    import torch

    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def checksum(path: Path) -> str:
    """Return the SHA-256 (hex) of a file; of a folder, that of the list of its files.

    The list has the form of the output of ``sha256sum``, sorted by path; it is that of ``find * -type f | LC_ALL=C sort
    | xargs sha256sum | sha256sum`` in a folder without hidden files.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for name in sorted(_names(path), key=os.fsencode):
        whole.update(checksum(path / name).encode() + b"  " + os.fsencode(name) + b"\n")
    return whole.hexdigest()


def _names(folder: Path) -> list[str]:
    return [each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()]


def _file(movie: Movie | None, known: dict[Path, str | None]) -> dict[str, str | None] | None:
    """Return path and checksum; None for an array in memory. A file that several pairs share is read once."""
    if movie is None or movie.origin is None:
        return None
    path = Path(movie.origin)
    if path not in known:
        try:
            known[path] = checksum(path) if path.exists() and _size(path) <= _LARGEST else None
        except OSError:  # a remote store, or a file that was moved
            known[path] = None
    return {"path": str(movie.origin), "sha256": known[path]}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else sum((path / name).stat().st_size for name in _names(path))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
