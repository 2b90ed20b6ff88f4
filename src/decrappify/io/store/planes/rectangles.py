"""Rectangles of planes that are written separately, into chunks that belong to one of them only."""

from __future__ import annotations

from typing import NamedTuple


class Rectangle(NamedTuple):
    """A part of the planes of an output, in pixels.

    Attributes
    ----------
    top, bottom : int
        First row, and the one after the last.
    left, right : int
        First column, and the one after the last.

    Examples
    --------
    >>> Rectangle(0, 512, 1024, 1200).shape
    (512, 176)
    """

    top: int
    bottom: int
    left: int
    right: int

    @property
    def rows(self) -> slice:
        """The rows."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """The columns."""
        return slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def coarser(self, scale: int) -> tuple[slice, slice]:
        """Return rows and columns of the input of which the output is `scale` times finer."""
        return slice(self.top // scale, self.bottom // scale), slice(self.left // scale, self.right // scale)

    def overlaps(self, other: Rectangle) -> bool:
        """Return whether a pixel is in both rectangles."""
        is_beside = self.right <= other.left or other.right <= self.left
        return not is_beside and self.top < other.bottom and other.top < self.bottom
