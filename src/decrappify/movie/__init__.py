"""Movie: a lazy (T, C, Z, Y, X) image sequence with its physical scale, returned by every reader."""

from decrappify.movie.axes import AXES, are_axes, axis_letter, parse_axes
from decrappify.movie.binning import bin_movie
from decrappify.movie.casting import cast_movie, warn_of_clipping
from decrappify.movie.dtypes import image_dtype
from decrappify.movie.movie import Movie
from decrappify.movie.sources import Array, ArraySource, FrameSource, PixelSize, Plane, Shape5, dimension_names
from decrappify.movie.spacing import scaled_spacing
from decrappify.movie.views import Latest

__all__ = [
    "AXES",
    "Array",
    "ArraySource",
    "FrameSource",
    "Latest",
    "Movie",
    "PixelSize",
    "Plane",
    "Shape5",
    "are_axes",
    "axis_letter",
    "bin_movie",
    "cast_movie",
    "dimension_names",
    "image_dtype",
    "parse_axes",
    "scaled_spacing",
    "warn_of_clipping",
]
