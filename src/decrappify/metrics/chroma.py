"""Temporal stability of the colors of a film, relative to its brightness."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from decrappify.errors import InputError
from decrappify.movie import Array

# Analog YUV, as in OpenCV: Y in gray levels, U = 0.492 (B - Y), V = 0.877 (R - Y).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_U, _V = np.float32(0.492), np.float32(0.877)
_STILL = 2.0  # change of luma in gray levels below which a pixel counts as unchanged


def chroma_flicker(frames: Iterable[Array]) -> dict[str, float]:
    """Compute the mean absolute change of chroma and luma from each frame to the next.

    Motion changes both; flicker of predicted colors changes chroma alone. The chroma change of pixels with constant
    luma is therefore the flicker. In a colorized gray film, a ratio well below 1 means that colors change less than
    brightness.

    Parameters
    ----------
    frames : iterable of ndarray of uint8, (Y, X, 3)
        RGB frames, or one array (T, Y, X, 3); two frames are in memory at a time.

    Returns
    -------
    dict
        ``luma`` and ``chroma``: mean absolute change of Y, and of U and V, in gray levels; ``ratio``: chroma / luma,
        nan for a film without motion; ``chroma_where_still``: chroma over pixels whose luma changes by less than 2
        gray levels, nan if there are none.

    Raises
    ------
    InputError
        For fewer than two frames, or frames that are not uint8 RGB images of one size.

    Examples
    --------
    >>> gray = np.zeros((2, 4, 4, 3), np.uint8)
    >>> gray[1] += 10
    >>> {name: round(value, 3) for name, value in chroma_flicker(gray).items()}
    {'luma': 10.0, 'chroma': 0.0, 'ratio': 0.0, 'chroma_where_still': nan}
    """
    luma = chroma = still_chroma = 0.0
    steps = still = 0
    for before, after in pairwise(_yuv(frame) for frame in frames):
        if before.shape != after.shape:
            raise InputError(
                f"a frame is {after.shape[1:]}, the previous one {before.shape[1:]}; all must have one size"
            )
        change = np.abs(after - before)
        chroma_change, unchanged = change[1:].mean(axis=0), change[0] < _STILL
        luma += float(change[0].mean())
        chroma += float(chroma_change.mean())
        still_chroma += float(chroma_change[unchanged].sum())
        still += int(unchanged.sum())
        steps += 1
    if steps == 0:
        raise InputError("there are fewer than two frames; flicker needs two or more")
    return {
        "luma": luma / steps,
        "chroma": chroma / steps,
        "ratio": chroma / luma if luma else float("nan"),
        "chroma_where_still": still_chroma / still if still else float("nan"),
    }


def _yuv(frame: Array) -> Array:
    """Convert an RGB frame to YUV, (3, Y, X) float32."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(f"a frame has shape {frame.shape} and dtype {frame.dtype}, expected uint8 (Y, X, 3)")
    rgb = frame.astype(np.float32)
    y = rgb @ _LUMA
    return np.stack([y, _U * (rgb[..., 2] - y), _V * (rgb[..., 0] - y)])
