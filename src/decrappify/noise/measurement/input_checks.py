"""Checks of the dark frames and good images of a calibration."""

from __future__ import annotations

import numpy as np

from decrappify._common.argument_names import argument, setting
from decrappify._common.caller_warning import warn_caller
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise.measurement.dark import Dark

_MORE_NOISE = 1.3  # read noise relative to the noise of the movie, which contains it


def hint_at_slices(low: Movie) -> None:
    """Warn if a movie is a single frame of several slices, which are often the frames of a stack without metadata.

    Slices with a known distance are those of a real Z-stack.
    """
    n_t, _, n_z = low.shape[:3]
    has_spacing = low.pixel_size_um[0] is not None or "Z" in low.unitless_spacing
    if n_t == 1 and n_z > 1 and not has_spacing:
        warn_caller(
            f"{n_z} slices of {low.name} were read as single images; if they are frames, open it with "
            f"{setting('axes', 'TYX')}"
        )


def check_differs(low: Movie, other: Movie, name: str, expected: str) -> None:
    """Raise InputError if the dark frames or good images are the movie itself.

    Parameters
    ----------
    low, other : Movie
        The movie, and the one passed as argument `name`.
    name : {"dark", "high"}
        Name of the argument.
    expected : str
        What the argument should be.
    """
    if _is_same(low, other):
        raise InputError(
            f"{argument(name)} is {other.name}, which has the same pixels as the movie {low.name}; expected {expected}"
        )


def check_dark_movie(low: Movie, dark: Movie) -> None:
    """Raise InputError if the dark frames are the movie itself; warn if they have another size."""
    check_differs(low, dark, "dark", "frames recorded without light, at the same settings")
    if dark.shape[3:] != low.shape[3:]:
        sizes = [f"{movie.shape[3]} x {movie.shape[4]}" for movie in (dark, low)]
        warn_caller(
            f"the dark frames {dark.name} have {sizes[0]} pixels (Y, X), the movie {low.name} {sizes[1]}: offset and "
            "read noise are valid only if both have the same camera, binning and readout settings"
        )


def check_dark_level(name: str, dark: Dark, median: float, darkest: float, noise_sd: float) -> None:
    """Raise InputError if dark frames are brighter than half of the movie; warn if they exceed its background or noise.

    Light only adds to the gray level without light, so that dark frames of the same settings are not brighter than any
    part of the movie.

    Parameters
    ----------
    name : str
        Name of the dark frames.
    dark : Dark
        What was measured in them.
    median : float
        Median gray level of the movie.
    darkest : float
        Gray level of its dark background.
    noise_sd : float
        Standard deviation of its noise, which is the tolerance.

    Raises
    ------
    InputError
        If the dark level is above the median by more than half the noise.
    """
    level = dark.offset.value
    if level is None:
        return
    if level > median + noise_sd / 2:
        raise InputError(
            f"{argument('dark')} is {name}, whose mean gray level {level:.4g} is above the median {median:.4g} of the "
            "movie; expected frames recorded without light, at the same settings as the movie"
        )
    if level > darkest + noise_sd:
        warn_caller(
            f"the dark frames {name} (mean gray level {level:.4g}) are brighter than the background of the movie "
            f"({darkest:.4g}): check that they were recorded without light and at the same settings"
        )
    read_noise = dark.read_noise.value or 0.0
    if noise_sd and read_noise > _MORE_NOISE * noise_sd:
        warn_caller(
            f"the dark frames {name} have more noise (standard deviation {read_noise:.3g}) than the movie "
            f"({noise_sd:.3g}): check that both have the same gain and readout settings, and that the movie is raw"
        )


def _is_same(one: Movie, other: Movie) -> bool:
    """Return whether two movies have the same shape, and equal pixels in the first and the last plane."""
    if one is other:
        return True
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    ends = [(t, 0, z) for t, z in ((0, 0), (one.shape[0] - 1, one.shape[2] - 1))]
    return not one.missing & {*ends} and all(np.array_equal(one.frame(*place), other.frame(*place)) for place in ends)
