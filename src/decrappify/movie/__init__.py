"""Movie: a lazy (T, C, Z, Y, X) image sequence with its physical scale, returned by every reader."""

from decrappify.movie.axes import AXES, array_axes, axis_letter, checked_axes, named_axes
from decrappify.movie.movie import Movie
from decrappify.movie.sources import Array, ArraySource, FrameSource, PixelSize, Plane, Shape5
from decrappify.movie.spacing import scaled_spacing

__all__ = [
    "AXES",
    "Array",
    "ArraySource",
    "FrameSource",
    "Movie",
    "PixelSize",
    "Plane",
    "Shape5",
    "array_axes",
    "axis_letter",
    "checked_axes",
    "named_axes",
    "scaled_spacing",
]
