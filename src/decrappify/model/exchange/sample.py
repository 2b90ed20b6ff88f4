"""Test input of a package, from a simulated movie, and its cover image."""

from __future__ import annotations

import numpy as np

from decrappify._common.pages.png import gray_png
from decrappify.movie import Array
from decrappify.networks.spec import NetworkSpec
from decrappify.samples import simulate

_LEAST_SIDE = 192
_COVER_SIDE = 320  # of each half; the zoo accepts covers of 2:1 and less than 500 kB
_DARK_PERCENTILE, _BRIGHT_PERCENTILE = 0.5, 99.8


def simulated_source(spec: NetworkSpec, least_side: int, step: int, *, dark_structures: bool = False) -> Array:
    """Simulate a window of noisy frames.

    Parameters
    ----------
    spec : NetworkSpec
        Frames, channels and scale; at scale s, pixels are s times as large.
    least_side : int
        Smallest height and width that the package accepts.
    step : int
        Difference of accepted sizes.
    dark_structures : bool
        Whether to invert the gray levels, as structures are dark in electron micrographs.

    Returns
    -------
    ndarray
        Gray levels (1, n_frames * in_channels, H, W) float32, frame after frame.
    """
    height = least_side + max(0, -(-(_LEAST_SIDE - least_side) // step)) * step
    size = height, height + 3 * step
    movies = [
        simulate("cell", n_frames=max(2, spec.n_frames), size=size, seed=seed, pixel_size_um=0.1 * spec.scale).noisy
        for seed in range(spec.in_channels)
    ]
    planes = [movie.frame(t, 0, 0) for t in range(spec.n_frames) for movie in movies]
    source = np.stack(planes)[np.newaxis].astype(np.float32)
    return source.max() + source.min() - source if dark_structures else source


def cover(source: Array, prediction: Array, spec: NetworkSpec) -> bytes:
    """Return a PNG with the middle frame of a source on the left, and its prediction on the right."""
    channel = spec.n_frames // 2 * spec.in_channels
    enlarged = source[0, channel].repeat(spec.scale, 0).repeat(spec.scale, 1)
    halves = [_stretched(_central(image, _COVER_SIDE)) for image in (enlarged, prediction[0, 0])]
    return gray_png(np.concatenate(halves, axis=1), 0.0, 1.0)


def _central(image: Array, side: int) -> Array:
    side = min(side, *image.shape)
    top, left = ((length - side) // 2 for length in image.shape)
    return image[top : top + side, left : left + side]


def _stretched(image: Array) -> Array:
    low, high = np.percentile(image, [_DARK_PERCENTILE, _BRIGHT_PERCENTILE])
    return np.asarray((image - low) / max(high - low, 1e-6))
