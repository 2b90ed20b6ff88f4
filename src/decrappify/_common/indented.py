"""Nested plain values as indented text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 12  # entries of a list in one line


def indented(value: Any, depth: int = 0) -> list[str]:
    """Return nested plain values as indented lines; lists of numbers, and lists of such lists, are one line.

    Examples
    --------
    >>> for line in indented({"model": "mine", "places": [0, 30, 1], "steps": [{"a": 1, "b": 2}], "files": ["x"]}):
    ...     print(line)
    model: mine
    places: 0, 30, 1
    steps:
      - a: 1
        b: 2
    files:
      - x
    """
    pad = "  " * depth
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            inline = _inline(item)
            lines += [f"{pad}{key}: {inline}"] if inline is not None else [f"{pad}{key}:", *indented(item, depth + 1)]
        return lines
    if not isinstance(value, list | tuple):
        return [f"{pad}{value}"]
    for item in value:
        first, *others = indented(item, depth + 1) if isinstance(item, Mapping | list) and item else [f"{pad}  {item}"]
        lines += [f"{pad}- {first[len(pad) + 2 :]}", *others]
    return lines


def _inline(value: Any) -> str | None:
    """Return a value that fits in one line, None for others."""
    if isinstance(value, Mapping):
        return None if value else "none"
    if not isinstance(value, list | tuple):
        return str(value)
    if not all(map(_is_numbers, value)):
        return None
    shown = ", ".join(f"({_inline(item)})" if isinstance(item, list | tuple) else str(item) for item in value[:_SHOWN])
    return (shown or "none") + (f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else "")


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_numbers, value))
    return isinstance(value, int | float)
