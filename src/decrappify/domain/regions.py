"""Regions of a movie in which its features are measured: few pixels, whatever the size of the movie."""

from __future__ import annotations

from decrappify._common.planes.sampling import evenly_spaced, spaced_windows
from decrappify.movie import Array, Movie
from decrappify.normalization import sampled_planes

_WHOLE = 512 * 512  # pixels of planes that are measured whole; of larger ones four regions
_SIDE = 256
_PLANES = 3


def sampled_regions(movie: Movie, channel: int = 0) -> list[Array]:
    """Read regions of at most 3 planes of a channel, which are spread over the movie.

    The planes are among those of which `decrappify.normalization.measure` reads the range.

    Parameters
    ----------
    movie : Movie
        Any length; at most 0.8 megapixels are read.
    channel : int
        The channel; at least one of its planes was recorded.

    Returns
    -------
    list of arrays (Y, X)
        In the dtype of the movie.
    """
    planes = sampled_planes(movie, channel)
    picks = evenly_spaced(len(planes), _PLANES).tolist()
    found = [plane_regions(movie, planes[pick][0], channel, planes[pick][1]) for pick in picks]
    # The gray level of a constant plane, as of a closed shutter, is not part of the range of the others.
    used = [regions for regions in found if any(one.min() != one.max() for one in regions)]
    return [region for regions in used or found for region in regions]


def plane_regions(movie: Movie, t: int, c: int, z: int) -> list[Array]:
    """Read one plane whole, or four evenly spaced regions of 256 x 256 pixels of a plane of more than 512 x 512.

    >>> import numpy as np
    >>> [region.shape for region in plane_regions(Movie.from_array(np.zeros((400, 3000))), 0, 0, 0)]
    [(256, 256), (256, 256), (256, 256), (256, 256)]
    """
    rows, columns = movie.shape[3:]
    if rows * columns <= _WHOLE:
        return [movie.frame(t, c, z)]
    return [movie.region(t, c, z, y, x) for y, x in spaced_windows((rows, columns), _SIDE, (2, 2))]
