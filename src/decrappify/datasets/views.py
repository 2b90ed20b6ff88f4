"""Random views of a photograph: flipped, warped, rotated and zoomed in one resampling, with changed light."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from decrappify.movie import Array

Matrix = NDArray[np.float64]

# fastai v1's get_transforms(max_zoom=1.2, max_lighting=0.5, max_warp=0.25), as used by DeOldify.
_FLIP, _OFTEN = 0.5, 0.75
_WARP, _DEGREES, _ZOOM = 0.25, 10.0, 1.2
_CHANGE, _FACTOR = (0.25, 0.75), (0.5, 2.0)


def random_view(rng: np.random.Generator) -> Matrix:
    """Draw a homography (3, 3) from the square -1 ... 1 (x, y) of a patch to the square of the crop."""
    view = np.eye(3)
    if rng.random() < _OFTEN:
        view = warp(rng.uniform(-_WARP, _WARP, 4)) @ view
    if rng.random() < _OFTEN:
        angle = math.radians(rng.uniform(-_DEGREES, _DEGREES))
        cosine, sine = math.cos(angle), math.sin(angle)
        view = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ view
    if rng.random() < _OFTEN:
        size = 1 / rng.uniform(1, _ZOOM)
        x, y = (1 - size) * rng.uniform(-1, 1, 2)
        view = np.array([[size, 0, x], [0, size, y], [0, 0, 1]]) @ view
    if rng.random() < _FLIP:
        view = np.diag([-1.0, 1.0, 1.0]) @ view
    return view


def random_light(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a change of brightness and a factor of contrast for `relight`; 0.5 and 1 change nothing."""
    change = rng.uniform(*_CHANGE) if rng.random() < _OFTEN else 0.5
    factor = math.exp(rng.uniform(*np.log(_FACTOR))) if rng.random() < _OFTEN else 1.0
    return change, factor


def warp(magnitudes: Array) -> Matrix:
    """Compute the homography of fastai's symmetric warp: each side of the square is stretched by a magnitude.

    >>> np.allclose(warp(np.zeros(4)), np.eye(3))
    True
    """
    right, left, bottom, top = magnitudes
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], float)
    mapped = np.array([[-1 - top, -1 - left], [-1 - bottom, 1 + left], [1 + top, -1 - right], [1 + bottom, 1 + right]])
    equations = []
    for (x, y), (u, v) in zip(corners, mapped, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(equations), mapped.ravel()), 1).reshape(3, 3)


def resample(image: Array, view: Matrix, size: int, *, place: float = 0.5) -> Array:
    """Resample a square crop of an image by a homography; bilinear, with mirrored borders.

    Parameters
    ----------
    image : uint8 array (3, Y, X)
        The side of the crop is the shorter side of the image.
    view : float64 array (3, 3)
        See `random_view`; the identity returns the crop itself.
    size : int
        Side of the result in pixels.
    place : float
        Position of the crop along the longer side: 0 at its start, 1 at its end.

    Returns
    -------
    float32 array (3, size, size)
        Values from 0 to 1.
    """
    height, width = image.shape[1:]
    side = min(height, width)
    share_x, share_y = side / width, side / height
    shift = 2 * place - 1
    crop = np.array([[share_x, 0, (1 - share_x) * shift], [0, share_y, (1 - share_y) * shift], [0, 0, 1]])
    centers = (np.arange(size) + 0.5) * (2 / size) - 1
    points = np.stack([*np.meshgrid(centers, centers), np.ones((size, size))], axis=-1) @ (crop @ view).T
    grid = torch.from_numpy((points[..., :2] / points[..., 2:]).astype(np.float32))
    pixels = torch.from_numpy(image).to(torch.float32)
    seen = F.grid_sample(pixels[None], grid[None], mode="bilinear", padding_mode="reflection", align_corners=False)
    return np.asarray(seen[0].numpy() * np.float32(1 / 255))
