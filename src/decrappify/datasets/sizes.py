"""Checks of sizes and channels of images against the patches drawn from them."""

from __future__ import annotations

from collections.abc import Sequence

from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Movie

_MULTIPLE = 16  # patch sizes that are suggested; all networks accept them


def check_sizes(
    movies: Sequence[Movie],
    patch_size: int,
    *,
    scale: int = 1,
    given: Sequence[Movie] | None = None,
    is_chosen: bool = True,
) -> None:
    """Raise InputError if movies are smaller than a patch; the message states the smallest, and a patch size that fits.

    Parameters
    ----------
    movies : sequence of Movie
        Movies from which patches of ``patch_size * scale`` pixels are drawn.
    patch_size : int
        Side of the source patches.
    scale : int
        Factor between `patch_size` and the pixels of the movies.
    given : sequence of Movie, optional
        The movies before a part of some was held out for validation.
    is_chosen : bool
        Whether the user chooses `patch_size`.
    """
    side = patch_size * scale
    small = [movie for movie in movies if min(movie.shape[3:]) < side]
    if not small:
        return
    smallest = min(small, key=lambda movie: min(movie.shape[3:]))
    height, width = smallest.shape[3:]
    is_cut = given is not None and (height, width) not in {movie.shape[3:] for movie in given}
    size = f"{height} x {width} pixels{' without the part held out for validation' if is_cut else ''}"
    needed = f"patches of {side} x {side}" + (f" ({patch_size} x scale {scale})" if scale > 1 else "")
    fitting = min(height, width) // scale // _MULTIPLE * _MULTIPLE
    advice = "use larger images" if len(small) == len(movies) else "leave out small images"
    if is_chosen and fitting:
        advice += f", or choose a patch_size of at most {fitting}"
    problem = f"{smallest.name} has {size}, too few for {needed}"
    if len(small) > 1:
        problem = f"{len(small)} images are too small for {needed} pixels, such as {smallest.name} with {size}"
    raise InputError(problem, advice=advice, option="patch_size")


def check_channels(movie: Movie, in_channels: int) -> None:
    """Raise InputError if a movie does not have `in_channels` channels; with 1, its channels are used separately."""
    if in_channels > 1 and movie.shape[1] != in_channels:
        raise InputError(
            f"{movie.name} has {counted(movie.shape[1], 'channel')}, expected {in_channels} like in_channels"
        )
