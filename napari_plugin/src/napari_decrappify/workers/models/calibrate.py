"""Job of the calibration: measure the noise of a layer, and degrade a training image with it for comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decrappify import Crappifier, Movie
from decrappify.normalization import measure
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.running.task import Task

SIDE = 96  # pixels of the compared images
_BINS = 60
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """A low-dose layer, and the training layers, which are used for the blur and for the comparison.

    `channel` is the one that is measured, of layers with several.
    """

    low: LayerImage
    high: tuple[LayerImage, ...] = ()
    channel: int = 0


@dataclass(frozen=True)
class Side:
    """One side of the comparison: an image (Y, X) in relative gray levels, its histogram, and its middle row.

    Relative gray levels are 0 at the darkest and 1 at the brightest pixels of the side (1st and 99th percentile).
    """

    image: Array

    @classmethod
    def of(cls, pixels: NDArray[np.floating]) -> Side:
        """Convert an image to relative gray levels."""
        low, high = np.percentile(pixels, [1, 99])
        return cls((np.asarray(pixels, dtype=np.float64) - low) / max(high - low, 1e-12))

    @property
    def histogram(self) -> tuple[tuple[float, float], ...]:
        """Relative gray levels, from 0 to 1.2, and the share of the pixels in percent."""
        counts, edges = np.histogram(self.image, bins=_BINS, range=(0.0, 1.2))
        shares = 100 * counts / self.image.size
        return tuple(zip(map(float, edges[:-1]), map(float, shares), strict=True))

    @property
    def profile(self) -> tuple[tuple[float, float], ...]:
        """Columns and relative gray levels of the middle row."""
        return tuple((float(x), float(value)) for x, value in enumerate(self.image[len(self.image) // 2]))


@dataclass(frozen=True)
class Calibrated:
    """Measured crappifier, its quantities as text, and the sides of the comparison: recorded, simulated if possible."""

    settings: CalibrationSettings
    crappifier: Crappifier
    table: str
    recorded: Side
    simulated: Side | None


def calibrate_layer(settings: CalibrationSettings, task: Task) -> Calibrated:
    """Measure noise and blur, and degrade the most structured part of a training image with them."""
    from decrappify import calibrate

    task.report("measuring the noise …")
    with ExitStack() as stack:
        low, *high = (
            _channel_of(stack.enter_context(closing(image.movie())), settings.channel)
            for image in (settings.low, *settings.high)
        )
        result = calibrate(low, high or None, cancel=task.cancel)
        task.check_cancel()
        crappifier = Crappifier(result.crappifier().steps, f"calibrated-{settings.low.name}")
        recorded = Side.of(_part(low.frame(low.shape[0] // 2, 0, low.shape[2] // 2), SIDE))
        simulated = _simulated(high[0], crappifier) if high else None
    return Calibrated(settings, crappifier, result.table(), recorded, simulated)


def _channel_of(movie: Movie, channel: int) -> Movie:
    return movie if movie.shape[1] == 1 else movie.select(channels=min(channel, movie.shape[1] - 1))


def _simulated(movie: Movie, crappifier: Crappifier) -> Side:
    levels, t = measure(movie, 0), movie.shape[0] // 2
    part = _part(movie.frame(t, 0, movie.shape[2] // 2), SIDE * crappifier.scale)
    height, width = (size // crappifier.scale * crappifier.scale for size in part.shape)
    pixels = crappifier(
        part[:height, :width],
        np.random.default_rng(0),
        data_range=(levels.offset, levels.offset + levels.scale),
        times=np.array([t]),
    )
    return Side.of(pixels)


def _part(plane: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Return the square of at most `side` pixels that varies most, of those on a grid."""
    return max(_squares(plane, side), key=lambda square: float(np.std(square)))


def _squares(plane: NDArray[np.floating], side: int) -> Iterator[NDArray[np.floating]]:
    height, width = (min(side, size) for size in plane.shape)
    for top in range(0, plane.shape[0] - height + 1, max(1, height)):
        for left in range(0, plane.shape[1] - width + 1, max(1, width)):
            yield plane[top : top + height, left : left + width]
