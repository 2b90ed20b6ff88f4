"""Inputs of the repeated restorations: movies with the noise drawn again, or rotated and mirrored ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify.movie import Array, FrameSource, Movie, Shape5
from decrappify.noise.pixels.drawing import NoiseDrawer

if TYPE_CHECKING:
    from decrappify.restoration.measurement.channels import Channel

SYMMETRIES = 8  # of a square: four rotations, each also mirrored


@dataclass(frozen=True, slots=True)
class Draw:
    """Input of one restoration, with the measurements of its channels, and the inverse of its transformation."""

    movie: Movie
    channels: Sequence[Channel]
    back: Callable[[Array], Array]


class DrawnSource(FrameSource):
    """Measured frames drawn from restored ones; equal in every run.

    Parameters
    ----------
    measured, restored : Movie
        The movies; frames that were not restored are drawn from the nearest restored one.
    frames : sequence of int
        Measured frame of each restored one.
    drawers : sequence of NoiseDrawer
        One per channel.
    seed : sequence of int
        Seed of the draw.
    """

    def __init__(
        self,
        measured: Movie,
        restored: Movie,
        frames: Sequence[int],
        drawers: Sequence[NoiseDrawer],
        seed: Sequence[int],
    ) -> None:
        self._restored, self._drawers, self._seed = restored, drawers, list(seed)
        self.shape: Shape5 = measured.shape
        self.dtype = measured.dtype
        self._nearest = np.abs(np.subtract.outer(np.arange(measured.shape[0]), np.asarray(frames))).argmin(axis=1)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Draw a plane and return a region of it."""
        expected = self._restored.frame(int(self._nearest[t]), c, z)
        rng = np.random.default_rng([*self._seed, t, c, z])
        return self._drawers[c].draw(expected, rng, self.dtype)[rows, columns]


class TurnedSource(FrameSource):
    """Planes of a movie after one of the eight symmetries of a square."""

    def __init__(self, movie: Movie, number: int) -> None:
        self._movie, self._number = movie, number
        *planes, height, width = movie.shape
        self.shape: Shape5 = (*planes, width, height) if number % 2 else movie.shape  # type: ignore[assignment]
        self.dtype = movie.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a plane, turn it and return a region of it."""
        return np.ascontiguousarray(turned(self._movie.frame(t, c, z), self._number)[rows, columns])


def turned(image: Array, number: int) -> Array:
    """Rotate an image (..., Y, X) by `number` right angles, and mirror it from 4 on."""
    image = np.rot90(image, number % 4, (-2, -1))
    return image[..., ::-1] if number >= 4 else image


def turned_back(image: Array, number: int) -> Array:
    """Apply the inverse of `turned`.

    >>> image = np.arange(6).reshape(2, 3)
    >>> all((turned_back(turned(image, number), number) == image).all() for number in range(8))
    True
    """
    image = image[..., ::-1] if number >= 4 else image
    return np.rot90(image, -(number % 4), (-2, -1))


def noise_draws(
    measured: Movie,
    restored: Movie,
    frames: Sequence[int],
    drawers: Sequence[NoiseDrawer],
    channels: Sequence[Channel],
    *,
    draws: int,
    seed: int,
) -> list[Draw]:
    """Return movies drawn from the result with the noise of each channel, see `DrawnSource`."""
    sources = [DrawnSource(measured, restored, frames, drawers, (seed, number)) for number in range(draws)]
    return [Draw(measured.derived(source), channels, _unchanged) for source in sources]


def symmetric_draws(measured: Movie, channels: Sequence[Channel], *, draws: int) -> list[Draw]:
    """Return the measured movie after the first `draws` symmetries of a square."""
    return [
        Draw(
            measured.derived(TurnedSource(measured, number)),
            [_turned_channel(channel, number, measured.shape[3:]) for channel in channels],
            _Back(number),
        )
        for number in range(draws)
    ]


@dataclass(frozen=True, slots=True)
class _Back:
    number: int

    def __call__(self, image: Array) -> Array:
        return turned_back(image, self.number)


def _unchanged(image: Array) -> Array:
    return image


def _turned_channel(channel: Channel, number: int, shape: tuple[int, ...]) -> Channel:
    """Move the hot and dead pixels of a channel with the image."""
    if channel.limits is None or not channel.limits.static:
        return channel
    mask = np.zeros(shape, bool)
    mask[tuple(np.transpose(channel.limits.static))] = True
    static: Any = type(channel.limits.static)((int(y), int(x)) for y, x in np.argwhere(turned(mask, number)))
    return replace(channel, limits=replace(channel.limits, static=static))
