"""Degradations of color images: conversion to gray, and the speckles of old film."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from decrappify.crappify.part import Limits, Number, Part, Signal, Times
from decrappify.crappify.registry import register_part
from decrappify.errors import InputError


@register_part("grey")
@dataclass(frozen=True, slots=True)
class Gray(Part):
    """Luma of ITU-R BT.601 in three identical channels, with the integers of Pillow and libjpeg.

    Signals are clipped to 0 ... 1 and rounded to 255ths, so that a training source has the same gray levels as a gray
    image that is colored later.
    """

    @property
    def color(self) -> bool:
        """Return True: red, green and blue are mixed."""
        return True

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Raise for a window of one channel."""
        raise InputError(f"{self.name}: the image has one channel, expected red, green and blue (3, Y, X)")

    def apply_color(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Convert each image to gray."""
        pixels = np.rint(np.clip(signal, 0, 1) * np.float32(255)).astype(np.uint8)
        gray = luma(pixels).astype(np.float32) * np.float32(1 / 255)
        return np.repeat(gray[:, None], signal.shape[1], axis=1)


@register_part("film_noise")
@dataclass(frozen=True, slots=True)
class FilmNoise(Part):
    """Speckles of old film, as in the training of DeOldify's video model; equal in red, green and blue.

    Pixels are drawn with replacement, and an offset of whole gray levels from -offset to below +offset is added each
    time; nothing is clipped. The original adds independent noise to the *target* as well, which trains the network to
    invent speckles. Here, as for every part, only the source is degraded.

    Attributes
    ----------
    fraction : float or range
        Number of draws relative to the pixels of a frame.
    offset : int or range
        Largest offset in 255ths of the signal.
    """

    fraction: Annotated[Number, Limits(minimum=0, maximum=1)] = (0.001, 0.4)
    offset: Annotated[Number, Limits(minimum=1, maximum=255, whole=True)] = 30

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add speckles to each frame."""
        return signal + self._speckles(signal.shape, rng)

    def apply_color(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add the same speckles to the three channels of each image."""
        return signal + self._speckles((len(signal), *signal.shape[2:]), rng)[:, None]

    def _speckles(self, shape: tuple[int, ...], rng: np.random.Generator) -> Signal:
        n_t, rows, columns = shape
        picks, offset = int(self.value("fraction") * rows * columns), int(self.value("offset"))
        speckles = np.empty((n_t, rows * columns), np.float32)
        for frame in speckles:
            where = rng.integers(rows * columns, size=picks)
            frame[:] = np.bincount(where, rng.integers(-offset, offset, size=picks), rows * columns)
        return speckles.reshape(shape) * np.float32(1 / 255)


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert 8-bit images (..., 3, Y, X) to gray (..., Y, X), identical to ``Image.convert("L")`` of Pillow.

    >>> luma(np.uint8([[[255]], [[0]], [[0]]]))
    array([[76]], dtype=uint8)
    """
    red, green, blue = (pixels[..., channel, :, :].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
