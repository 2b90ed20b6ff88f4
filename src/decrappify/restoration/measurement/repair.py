"""NaN in a plane: filled from the nearest known pixels for the network, restored in the result."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decrappify.movie import Array


def filled(plane: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Fill the NaN of a plane from their neighborhood.

    The known area is mirrored at its border: each NaN is replaced by the pixel at its mirror position behind the
    nearest known pixel, or by the nearest known pixel if that position is unknown. Structure, level and noise thus
    continue across the border without a step.

    Parameters
    ----------
    plane : ndarray of float, (Y, X)
        Plane with at least one known pixel; returned unchanged if it contains no NaN.

    Returns
    -------
    plane : ndarray of float, (Y, X)
        Plane without NaN; known pixels are unchanged.
    unknown : ndarray of bool, (Y, X)
        Mask of the NaN.

    Examples
    --------
    >>> filled(np.array([[np.nan, np.nan, 3.0, 4.0, 5.0]]))[0]
    array([[5., 4., 3., 4., 5.]])
    """
    unknown = np.isnan(plane)
    if not unknown.any():
        return plane, unknown
    from scipy import ndimage  # few movies contain NaN

    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)[:, unknown]
    behind = 2 * nearest - np.stack(np.nonzero(unknown))
    behind = np.clip(behind, 0, np.array(plane.shape)[:, None] - 1)
    values = plane[tuple(behind)]
    result = plane.copy()
    result[unknown] = np.where(np.isnan(values), plane[tuple(nearest)], values)
    return result, unknown


def put_back(plane: Array, unknown: NDArray[np.bool_], scale: int = 1) -> Array:
    """Return a restored plane with NaN (0 for integers) at the NaN of the input, which is `scale` times coarser."""
    finer = np.repeat(np.repeat(unknown, scale, axis=0), scale, axis=1)
    value = np.nan if plane.dtype.kind == "f" else 0
    return np.where(finer, plane.dtype.type(value), plane)
