"""Temporal smoothing of colors: each square is averaged with the previous ones of the same scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decrappify._common.argument_names import argument
from decrappify.errors import InputError
from decrappify.movie import Array

State = tuple[Array, Array]

_SAMPLES = 32  # along each side of the gray thumbnail
_CUT = 25.0  # mean difference of neighboring frames, in gray levels, that indicates a new scene


class Steadier:
    """Exponential average of the network's squares in time, restarted at every cut.

    Only the chroma of a square is used, so the image remains sharp, but the colors of moving objects trail by about
    ``steady / (1 - steady)`` frames.

    Parameters
    ----------
    steady : float
        Weight of earlier frames, 0 (off) up to but not including 1. 0.5 reduces the variance of a flicker that is
        independent between frames to a third.

    Examples
    --------
    >>> black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)
    >>> steadier = Steadier(0.5)
    >>> [int(square[0, 0, 0]) for square in steadier([black, black], [black, white])]
    [0, 100]
    """

    def __init__(self, steady: float) -> None:
        if not 0 <= steady < 1:
            raise InputError(
                f"{argument('steady')} is {steady!r}, expected a number from 0 (off) to less than 1, such as 0.5"
            )
        self.steady = steady
        self._state: State | None = None

    def __call__(self, images: Sequence[Array], squares: Sequence[Array]) -> list[Array]:
        """Return the smoothed squares of the next images (Y, X, 3); images and squares are uint8."""
        return [self._next(image, square) for image, square in zip(images, squares, strict=True)]

    @property
    def state(self) -> State | None:
        """Mean square and gray thumbnail after the last image; None before the first, or if smoothing is off."""
        return self._state

    def take_up(self, state: State) -> None:
        """Restore a state."""
        self._state = state

    def _next(self, image: Array, square: Array) -> Array:
        if not self.steady:
            return square
        thumbnail = _thumbnail(image)
        new: Array = square.astype(np.float32)
        if self._state is not None:
            mean, before = self._state
            if mean.shape == new.shape and np.abs(thumbnail - before).mean() < _CUT:
                new = np.float32(self.steady) * mean + np.float32(1 - self.steady) * new
        self._state = new, thumbnail
        return np.rint(new).astype(np.uint8)


def save_state(path: Path, state: State) -> None:
    """Save a state in an ``.npz`` file."""
    np.savez(path, mean=state[0], thumbnail=state[1])


def load_state(path: Path) -> State:
    """Load a saved state."""
    with np.load(path) as kept:
        return kept["mean"], kept["thumbnail"]


def _thumbnail(image: Array) -> Array:
    """Compute block means of the green channel; means prevent noise and small movements from being taken for a cut."""
    green = image[..., 1]
    rows, columns = (max(side // _SAMPLES, 1) for side in green.shape)
    blocks = green[: len(green) // rows * rows, : green.shape[1] // columns * columns]
    means: Array = blocks.reshape(-1, rows, blocks.shape[1] // columns, columns).mean(axis=(1, 3), dtype=np.float32)
    return means
