"""Evenly spaced indices, for measurements on a part of a long movie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(count: int, at_most: int, *, ends: bool = True) -> NDArray[np.int64]:
    """Return at most `at_most` evenly spaced indices of `count` items, ascending and without duplicates.

    Parameters
    ----------
    count : int
        Number of items; the indices are in ``range(count)``.
    at_most : int
        Largest number of indices.
    ends : bool
        Whether the first and the last item are included.

    Examples
    --------
    >>> evenly_spaced(10, 4).tolist(), evenly_spaced(10, 2, ends=False).tolist(), evenly_spaced(2, 5).tolist()
    ([0, 3, 6, 9], [3, 6], [0, 1])
    """
    number = min(at_most, count)
    points = np.linspace(0, count - 1, number) if ends else np.linspace(0, count - 1, number + 2)[1:-1]
    return np.unique(points.round().astype(np.int64))
