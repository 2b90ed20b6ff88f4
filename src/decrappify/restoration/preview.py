"""Preview: one region of one frame, as the whole restored movie would show it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from decrappify.errors import InputError
from decrappify.intensity import Normalization
from decrappify.movie import Array, Movie, Shape5
from decrappify.restoration.job import Job, Target
from decrappify.restoration.restorer import Restorer

if TYPE_CHECKING:
    from decrappify.model import Model


class Preview:
    """Restores regions of single frames with the normalisation of the whole movie.

    Making one measures the movie and loads the network, which is done once for many regions.

    Parameters
    ----------
    movie : Movie
        The input; only the frames of a region's window are read, around the region.
    model : Model
        Takes each channel alone or all of them together.
    device, precision, backend : str
        As for `restore`.
    window_axis : {"T", "Z"}
        The axis that a window runs along.
    nan : {"error", "zero"}
        What to do with NaN or infinite pixels.

    Raises
    ------
    InputError
        If movie, model and window axis do not fit each other.

    Examples
    --------
    >>> from decrappify.model import Model
    >>> from decrappify.networks.residual_unet import ResidualUNet
    >>> movie = Movie.from_array(np.random.default_rng(0).poisson(9.0, (4, 90, 80)).astype(np.uint16))
    >>> preview = Preview(movie, Model(ResidualUNet(n_frames=3, base_channels=16)), device="cpu")
    >>> preview.region(2, 0, 0, slice(10, 40), slice(20, 70)).shape
    (1, 30, 50)
    """

    def __init__(
        self,
        movie: Movie,
        model: Model,
        *,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        window_axis: str = "T",
        nan: str = "error",
    ) -> None:
        self._movie, self._model = movie, model
        self._window_axis, self._nan = window_axis, nan
        job = Job(movie, model, window_axis=window_axis, nan=nan)
        self._normalizations: list[Normalization] = job.measure()
        self._restorer = Restorer(model, device=device, precision=precision, backend=backend)

    def region(
        self, t: int, c: int, z: int, rows: slice, columns: slice, *, cancel: threading.Event | None = None
    ) -> Array:
        """Restore a rectangle of one frame.

        Parameters
        ----------
        t, c, z : int
            Frame, channel and slice of the movie.
        rows, columns : slice
            Of the movie, step 1.
        cancel : threading.Event, optional
            Looked at before every tile.

        Returns
        -------
        ndarray of the movie's dtype, (C, Y * scale, X * scale)
            C is 1 for models that take each channel alone, else all channels of the model.

        Raises
        ------
        InputError
            If the region is empty or outside the movie.
        RestorationCancelled
            If `cancel` was set.
        """
        n_t, n_c, n_z, n_y, n_x = self._movie.shape
        inside = all(0 <= index < size for index, size in zip((t, c, z), (n_t, n_c, n_z), strict=True))
        if not inside or not _is_within(rows, n_y) or not _is_within(columns, n_x):
            raise InputError(
                f"plane {(t, c, z)}, rows {rows.start}:{rows.stop}, columns {columns.start}:{columns.stop} is not a "
                f"region of {self._movie.name}, whose shape is {self._movie.shape}"
            )
        wide_rows, wide_columns = self._with_margin(rows, n_y), self._with_margin(columns, n_x)
        cropped = self._movie.derived(_CroppedSource(self._movie, wide_rows, wide_columns))
        job = Job(cropped, self._model, frames=t, window_axis=self._window_axis, nan=self._nan)
        group = next(number for number, channels in enumerate(job.groups) if c in channels)
        wanted = Target(0, z, group)
        ((target, window),) = job.windows(self._normalizations, self._restorer.load, lambda other: other != wanted)
        self._restorer.cancel = cancel
        restored = self._restorer.restore_frames(window, (cropped.shape[3], cropped.shape[4]))
        scale = self._model.scale
        top, left = (rows.start - wide_rows.start) * scale, (columns.start - wide_columns.start) * scale
        height, width = (rows.stop - rows.start) * scale, (columns.stop - columns.start) * scale
        inner = restored[:, top : top + height, left : left + width]
        return np.stack(job.to_grey(inner, target, self._normalizations))

    def _with_margin(self, part: slice, size: int) -> slice:
        """Add what the network sees beside the region, on the pooling grid of the whole frame."""
        network = self._restorer.network
        multiple = network.size_multiple
        start = max(0, part.start - network.margin) // multiple * multiple
        stop = min(size, -(-(part.stop + network.margin) // multiple) * multiple)
        return slice(start, stop)


def _is_within(part: slice, size: int) -> bool:
    return part.step in (None, 1) and 0 <= part.start < part.stop <= size


class _CroppedSource:
    def __init__(self, source: Movie, rows: slice, columns: slice) -> None:
        self._movie, self._rows, self._columns = source, rows, columns
        height, width = rows.stop - rows.start, columns.stop - columns.start
        self.shape: Shape5 = (*source.shape[:3], height, width)
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        top, left = self._rows.start, self._columns.start
        return self._movie.region(
            t, c, z, slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
        )

    def close(self) -> None:
        """Do nothing: the movie belongs to whoever made it."""
