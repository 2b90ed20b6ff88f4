"""Optional packages of the export, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from decrappify.errors import MissingExtraError


def imported(name: str, extra: str) -> Any:
    """Import a package of an extra.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(f'{name} is not installed; run pip install "decrappify[{extra}]"') from error
