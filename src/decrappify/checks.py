"""Checks of settings that many rooms make, and the one line that each ends in."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from decrappify.errors import InputError


def check_whole(least: int, **values: Any) -> None:
    """Refuse, by its name, a value that is no whole number of at least `least`.

    >>> check_whole(1, batch_size=4, length=1)
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} is {value!r}, needs a whole number of at least {least}")


def nearest(given: str, known: Iterable[str], otherwise: str = "") -> str:
    """End a message about an unknown name: with the known one most like it, or with `otherwise` where none is.

    >>> nearest("artistik", ["artistic", "stable"])
    "; did you mean 'artistic'?"
    """
    near = get_close_matches(given, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else otherwise
