"""Size and orientation of the frames of a video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from decrappify.io.orientation import upright, upright_pair
from decrappify.movie import Array

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


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Size and orientation of a decoded frame.

    Attributes
    ----------
    coded : (int, int)
        Rows and columns as stored.
    orientation : int
        As in `decrappify.io.orientation`.
    is_tilted : bool
        Whether the display matrix states an angle that is not a multiple of 90 degrees; `orientation` is then 1.
    """

    coded: tuple[int, int]
    orientation: int
    is_tilted: bool

    @classmethod
    def of_frame(cls, frame: Any) -> FrameLayout:
        """Read the layout of an av.VideoFrame."""
        orientation = frame_orientation(frame)
        return cls((frame.height, frame.width), orientation or 1, orientation is None)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns in display orientation."""
        return upright_pair(self.coded, self.orientation)

    def upright(self, pixels: Array) -> Array:
        """Return stored pixels in display orientation."""
        return upright(pixels, self.orientation)


def frame_orientation(frame: Any) -> int | None:
    """Return the orientation of a decoded frame from its display matrix; see `decrappify.io.orientation`.

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
