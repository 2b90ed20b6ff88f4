"""Canvas for the fluorophores of a scene, at sub-pixel positions and three depths of focus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

SUPERSAMPLING = 2
MARGIN = 24  # pixels around the image, for light from just outside
N_DEPTHS = 3


class Canvas:
    """Density of fluorophores on a grid `SUPERSAMPLING` times finer than the camera's.

    Parameters
    ----------
    size : (int, int)
        Camera pixels (Y, X).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        rows, columns = ((n + 2 * MARGIN) * SUPERSAMPLING for n in size)
        self.depths = np.zeros((N_DEPTHS, rows, columns))

    def add_points(self, positions: Points, weights: Points, depths: NDArray[np.int64] | int = 0) -> None:
        """Add point emitters, distributed over the four nearest grid points.

        Parameters
        ----------
        positions : float array (n, 2)
            (y, x) in camera pixels; (0, 0) is the center of the first one.
        weights : float array (n,)
            Brightness.
        depths : int array (n,) or int
            0 is in focus, ``N_DEPTHS - 1`` farthest out of focus.
        """
        n_depths, rows, columns = self.depths.shape
        fine = (positions + (MARGIN + 0.5)) * SUPERSAMPLING - 0.5
        inside = (fine >= 0).all(axis=1) & (fine < [rows - 1, columns - 1]).all(axis=1)
        fine, weights = fine[inside], weights[inside]
        depth = np.broadcast_to(depths, inside.shape)[inside]
        corner = fine.astype(np.int64)
        part = fine - corner
        index = (depth * rows + corner[:, 0]) * columns + corner[:, 1]
        for step_y, step_x in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = np.abs(1 - step_y - part[:, 0]) * np.abs(1 - step_x - part[:, 1]) * weights
            total = np.bincount(index + (step_y * columns + step_x), share, minlength=self.depths.size)
            self.depths += total.reshape(n_depths, rows, columns)

    def window(self, center: Points, radius: float) -> tuple[slice, slice, Points, Points]:
        """Return the part of the grid around a position.

        Returns
        -------
        (rows, columns) slices of one depth, and the (y, x) camera coordinates, open grid, relative to `center`.
        """
        slices, coordinates = [], []
        for position, size in zip(center, self.depths.shape[1:], strict=True):
            middle = (position + MARGIN + 0.5) * SUPERSAMPLING - 0.5
            start = int(np.clip(np.floor(middle - radius * SUPERSAMPLING), 0, size))
            stop = int(np.clip(np.ceil(middle + radius * SUPERSAMPLING) + 1, start, size))
            slices.append(slice(start, stop))
            coordinates.append((np.arange(start, stop) - middle) / SUPERSAMPLING)
        return slices[0], slices[1], coordinates[0][:, None], coordinates[1][None, :]
