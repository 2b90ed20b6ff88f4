"""Augmentations of a window (T, C, Y, X), drawn from an explicit generator."""

from __future__ import annotations

import numpy as np

from decrappify.movie import Array


def random_orientation(rng: np.random.Generator) -> int:
    """Draw one of the eight flips and 90° rotations of the square, as a code for `orient`."""
    return int(rng.integers(8))


def orient(image: Array, code: int) -> Array:
    """Rotate the last two axes by ``code % 4`` times 90°, then flip X if ``code >= 4``; code 0 changes nothing."""
    turned = np.rot90(image, code % 4, axes=(-2, -1))
    return turned[..., ::-1] if code >= 4 else turned


def drifting_window(region: Array, size: tuple[int, int], offsets: Array) -> Array:
    """Simulate motion in a still: crops of one region, displaced frame by frame, with bilinear sub-pixel sampling.

    Parameters
    ----------
    region : ndarray
        (Y, X) still, larger than `size` by at least 2 * max|offset| + 2 on each axis.
    size : tuple of int
        (height, width) of the window.
    offsets : ndarray
        (T, 2) displacement (y, x) of each frame in pixels.

    Returns
    -------
    ndarray
        (T, height, width) float32. The frames with a whole-pixel offset are exact copies of the still.
    """
    height, width = size
    start_y, start_x = (region.shape[0] - height) // 2, (region.shape[1] - width) // 2
    window = np.empty((len(offsets), height, width), np.float32)
    for frame, (dy, dx) in zip(window, offsets, strict=True):
        whole_y, whole_x = int(np.floor(dy)), int(np.floor(dx))
        part_y, part_x = np.float32(dy - whole_y), np.float32(dx - whole_x)
        y, x = start_y + whole_y, start_x + whole_x
        crop = region[y : y + height + 1, x : x + width + 1]
        rows = crop[:-1] * (1 - part_y) + crop[1:] * part_y
        frame[...] = rows[:, :-1] * (1 - part_x) + rows[:, 1:] * part_x
    return window
