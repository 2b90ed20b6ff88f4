"""Reports: one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from decrappify.errors import FormatError
from decrappify.io.store.outputs import atomic_output, check_output


def check_report(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise if a report cannot be written to `path`: another suffix, an existing file, or a missing folder."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise FormatError(f"{path} has the suffix of another format; a report ends in .html")
    check_output(path, overwrite=overwrite)


def write_report(path: str | os.PathLike[str], page: Callable[[], str], *, overwrite: bool) -> Path:
    """Write the text that `page` returns; the path is checked before it is called.

    Raises
    ------
    FormatError
        If the suffix is not ``.html``.
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If it cannot be written.
    """
    check_report(path, overwrite=overwrite)
    text = page()
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)
