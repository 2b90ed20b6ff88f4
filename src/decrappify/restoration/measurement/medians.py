"""Medians of blocks of 4 × 4 pixels, by a sorting network over whole planes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from decrappify.movie import Array

SIDE = 4
_BLOCKS = SIDE * SIDE
_ROWS_AT_ONCE = 32  # of blocks: their pixels fit into the caches


def block_medians(frame: Array) -> Array:
    """Return the medians (1D) of the complete blocks of a plane (Y, X), or the pixels of one smaller than a block.

    All blocks are sorted at once, each step of the network being one minimum and one maximum of two arrays: several
    times as fast as sorting block by block.

    >>> block_medians(np.arange(16, dtype=np.float32).reshape(4, 4))
    array([7.5], dtype=float32)
    """
    rows, columns = (length // SIDE * SIDE for length in frame.shape)
    if not rows or not columns:
        return frame.ravel()
    medians = np.empty((rows // SIDE, columns // SIDE), frame.dtype)
    for top in range(0, len(medians), _ROWS_AT_ONCE):
        part = medians[top : top + _ROWS_AT_ONCE]
        pixels = frame[top * SIDE : (top + len(part)) * SIDE, :columns]
        ordered = [pixels[row::SIDE, column::SIDE].copy() for row in range(SIDE) for column in range(SIDE)]
        for low, high in _STEPS:
            smaller = np.minimum(ordered[low], ordered[high])
            np.maximum(ordered[low], ordered[high], out=ordered[high])
            ordered[low] = smaller
        part[:] = (ordered[_BLOCKS // 2 - 1] + ordered[_BLOCKS // 2]) / 2
    return medians.ravel()


def _sorting_steps(count: int) -> Iterator[tuple[int, int]]:
    """Yield the comparisons of Batcher's odd-even merge sort of `count` values, a power of two."""
    width = 1
    while width < count:
        step = width
        while step:
            for first in range(step % width, count - step, 2 * step):
                for low in range(first, min(first + step, count - step)):
                    if low // (2 * width) == (low + step) // (2 * width):
                        yield low, low + step
            step //= 2
        width *= 2


_STEPS = tuple(_sorting_steps(_BLOCKS))
