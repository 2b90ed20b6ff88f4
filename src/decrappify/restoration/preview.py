"""Preview of one region of one frame, identical to that region of the restored movie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from decrappify._common.progress import Cancel
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Array, Movie
from decrappify.restoration.job.job import Job, Target
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.tiling.restorer import Restorer

if TYPE_CHECKING:
    from decrappify.model import Model


class Preview:
    """Restoration of regions of single frames with the normalization of the whole movie.

    The constructor measures the movie and loads the network, once for many regions.

    Parameters
    ----------
    movie : Movie
        The input; for a region, only the frames of its window are read, and of very large frames only its surroundings.
    model : Model
        Model for each channel separately or for all of them together.
    inference : InferenceOptions
        Tiles, device, precision and backend.
    options : RestorationOptions
        As for `restore`; `frames`, `dtype` and `missing` are not used.

    Raises
    ------
    InputError
        If movie, model and window axis do not match.

    Examples
    --------
    >>> from decrappify.model import Model
    >>> from decrappify.networks.residual_unet import ResidualUNet
    >>> movie = Movie.from_array(np.random.default_rng(0).poisson(9.0, (4, 90, 80)).astype(np.uint16))
    >>> preview = Preview(movie, Model(ResidualUNet(n_frames=3, base_channels=16)))
    >>> preview.region(2, 0, 0, slice(10, 40), slice(20, 70)).shape
    (1, 30, 50)
    """

    def __init__(
        self,
        movie: Movie,
        model: Model,
        *,
        inference: InferenceOptions = InferenceOptions(),
        options: RestorationOptions = RestorationOptions(),
    ) -> None:
        self._movie, self._model = movie, options.model(model)
        self._options = replace(options, frames=None, dtype=None, missing="blank")
        self._channels = Job(movie, self._model, self._options).measure()
        self._restorer = Restorer(self._model, inference=inference)

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice, *, cancel: Cancel | None = None) -> Array:
        """Restore a rectangle of one frame.

        Parameters
        ----------
        t, c, z : int
            Frame, channel and slice of the movie.
        rows, columns : slice
            Rows and columns of the movie, with step 1.
        cancel : threading.Event, optional
            Checked before every tile.

        Returns
        -------
        ndarray of the movie's dtype, (C, Y * scale, X * scale)
            C is 1 for models of single channels, else all channels of the model.

        Raises
        ------
        InputError
            If the region is empty or outside the movie.
        Cancelled
            If `cancel` was set.
        """
        n_t, n_c, n_z, n_y, n_x = self._movie.shape
        inside = all(0 <= index < size for index, size in zip((t, c, z), (n_t, n_c, n_z), strict=True))
        if not inside or not _is_within(rows, n_y) or not _is_within(columns, n_x):
            raise InputError(
                f"plane {(t, c, z)}, rows {rows.start}:{rows.stop}, columns {columns.start}:{columns.stop} is not a "
                f"region of {self._movie.name} of shape {self._movie.shape}"
            )
        wide_rows, wide_columns = self._with_margin(rows, n_y), self._with_margin(columns, n_x)
        job = Job(self._movie, self._model, replace(self._options, frames=t))
        scale = self._model.scale
        group = next(number for number, channels in enumerate(job.groups) if c in channels)
        wanted = Target(0, z, group)
        place = tuple(slice(part.start * scale, part.stop * scale) for part in (rows, columns))
        for target, read in job.passed_through(self._channels):
            if target == wanted:
                return np.stack([plane[place] for plane in read()[0]])
        part = (wide_rows, wide_columns)
        windows = job.windows(self._channels, self._restorer.load, lambda other: other != wanted, part=part)
        window = next((window for _, window in windows), None)
        shape = tuple(part.stop - part.start for part in (rows, columns))
        if window is None:  # never recorded
            return np.zeros((job.out_channels, shape[0] * scale, shape[1] * scale), job.dtype)
        if window.frames is None:
            return np.stack([plane[place] for plane in job.empty_planes()])
        self._restorer.cancel = cancel
        size = wide_rows.stop - wide_rows.start, wide_columns.stop - wide_columns.start
        restored = self._restorer.restore_frames(window.frames, size)
        planes, _ = job.to_gray(restored, wanted, window, self._channels)
        top, left = (rows.start - wide_rows.start) * scale, (columns.start - wide_columns.start) * scale
        return np.stack([plane[top : top + shape[0] * scale, left : left + shape[1] * scale] for plane in planes])

    def _with_margin(self, part: slice, size: int) -> slice:
        """Extend a region by the network's margin, on the pooling grid of the whole frame."""
        network = self._restorer.network
        multiple = network.size_multiple
        start = max(0, part.start - network.margin) // multiple * multiple
        stop = min(size, -(-(part.stop + network.margin) // multiple) * multiple)
        return slice(start, stop)


def _is_within(part: slice, size: int) -> bool:
    return part.step in (None, 1) and 0 <= part.start < part.stop <= size
