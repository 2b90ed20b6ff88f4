"""Types and formats of the lines of the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]
Answer = Callable[[list[Row]], str]


def span(values: Iterable[float], digits: int = 1) -> str:
    """Return the lowest and the highest value.

    >>> span([0.26, -0.11, 2.0])
    '-0.1 to 2.0'
    """
    known = sorted(values)
    low, high = (f"{value:.{digits}f}" for value in (known[0], known[-1]))
    return low if low == high else f"{low} to {high}"
