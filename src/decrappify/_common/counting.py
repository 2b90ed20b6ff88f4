"""Counts with their nouns in messages."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with the singular or plural of its noun; the plural has an appended s by default.

    >>> counted(1, "frame"), counted(3, "frame"), counted(0, "axis", "axes")
    ('1 frame', '3 frames', '0 axes')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
