"""Movies to compare: the same frames of two layers, and their difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie
from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerImage


class WatchedSource:
    """Pixels of a movie, counted when read, until the run is cancelled."""

    def __init__(self, movie: Movie, check_cancel: Callable[[], None], on_read: Callable[[int], None]) -> None:
        self._movie, self._check_cancel, self._on_read = movie, check_cancel, on_read
        self.shape, self.dtype = movie.shape, movie.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Read one region, as `Movie.region` does."""
        self._check_cancel()
        pixels = self._movie.region(t, c, z, rows, columns)
        self._on_read(1)
        return pixels

    def close(self) -> None:
        """Release the movie."""
        self._movie.close()


class DifferenceSource:
    """One movie minus another of the same shape, as float32.

    Raises
    ------
    InputError
        If the shapes differ.
    """

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, movie: Movie, other: Movie) -> None:
        if movie.shape != other.shape:
            raise InputError(
                f"{movie.name!r} has shape {movie.shape}, {other.name!r} has {other.shape} (T, C, Z, Y, X); "
                "choose layers of one shape"
            )
        self._movie, self._other = movie, other
        self.shape = movie.shape

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Subtract one region."""
        first, second = (m.region(t, c, z, rows, columns).astype(np.float32) for m in (self._movie, self._other))
        return np.asarray(first - second)

    def close(self) -> None:
        """Release both movies."""
        self._movie.close()
        self._other.close()


def matching_frames(restored: LayerImage, other: LayerImage) -> slice | None:
    """Find the frames of `other` at the times of `restored`, from the positions of the layers in time.

    None means all of them: the layers have equal numbers of frames, or no common time axis.

    Raises
    ------
    InputError
        If `restored` extends beyond `other`.
    """
    n_frames, n_other = restored.sizes.get("T", 1), other.sizes.get("T", 1)
    if n_frames >= n_other or "T" not in restored.axes:
        return None
    (start, _), (origin, interval) = (_in_time(image) for image in (restored, other))
    first = round((start - origin) / interval)
    if not 0 <= first <= n_other - n_frames:
        raise InputError(
            f"{restored.name!r} corresponds to frames {first} to {first + n_frames - 1} of {other.name!r}, "
            f"which has frames 0 to {n_other - 1}; choose layers of the same time points"
        )
    return slice(first, first + n_frames)


def _in_time(image: LayerImage) -> tuple[float, float]:
    number = image.axes.index("T")
    return float(image.attributes["translate"][number]), float(image.attributes["scale"][number])
