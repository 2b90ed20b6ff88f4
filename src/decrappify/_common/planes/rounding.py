"""Rounding of sizes."""

from __future__ import annotations


def round_up(length: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is at least `length`.

    >>> round_up(65, 16)
    80
    """
    return -(-length // multiple) * multiple
