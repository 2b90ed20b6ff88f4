"""Identification of packages of the BioImage Model Zoo."""

from __future__ import annotations

import zipfile
from pathlib import Path

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml")
"""Names of the description of a package."""


def is_package(path: Path) -> bool:
    """Return whether a path is a package: a ZIP file or folder with a description, or the description itself.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "rdf.yaml").write_text("type: model")
    ...     is_package(Path(folder)), is_package(Path(folder, "model.safetensors"))
    (True, False)
    """
    if path.is_dir():
        return any((path / name).is_file() for name in DESCRIPTIONS)
    if not path.is_file():
        return False
    if path.name in DESCRIPTIONS:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return not set(DESCRIPTIONS).isdisjoint(archive.namelist())
    except Exception:  # noqa: BLE001  # not a ZIP file, or a damaged one, whose reader raises many types of errors
        return False
