"""Shared parts of film readers and writers: the address of a file for ffmpeg, and the orientation of a frame."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

_ONE = 1 << 16  # 1.0 in the fixed-point numbers of a display matrix
# Display matrix (a, b, c, d) to orientation: stored (x, y) is displayed at (a x + c y, b x + d y), y downwards.
_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def ffmpeg_url(path: str | os.PathLike[str]) -> str:
    """Return the address of a file for ffmpeg, which interprets a bare name such as ``12:30.mp4`` as a protocol.

    >>> ffmpeg_url("/films/2024-11-14T22:57:44.mp4")
    'file:/films/2024-11-14T22:57:44.mp4'
    """
    return f"file:{Path(path).absolute()}"


def frame_orientation(frame: Any) -> int | None:
    """Return the orientation of a decoded frame from its display matrix; see `decrappify.io.images.orientation`.

    Parameters
    ----------
    frame : av.VideoFrame
        As decoded.

    Returns
    -------
    int or None
        1 to 8, 1 without a matrix; None for an angle that is not a multiple of 90 degrees.
    """
    for data in frame.side_data:
        if "DISPLAYMATRIX" in str(getattr(data, "type", data)):
            numbers = np.frombuffer(bytes(data), "<i4")[[0, 1, 3, 4]]
            if set(np.abs(numbers).tolist()) <= {0, _ONE}:
                a, b, c, d = np.sign(numbers).tolist()
                return _ORIENTATIONS.get((a, b, c, d))
            return None
    return 1
