"""Lazy crappification of movies: frame t is degraded when it is read, always with the same result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from decrappify._common.argument_names import argument
from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify._common.nan_advice import unfilled_nan
from decrappify.crappify.crappifier import Crappifier, full_scale
from decrappify.errors import InputError
from decrappify.movie import Array, Latest, Movie, Shape5, scaled_spacing
from decrappify.normalization import Normalization, measure


def crappify_movie(
    movie: Movie,
    crappifier: Crappifier,
    *,
    seed: int = 0,
    normalization: Normalization | Sequence[Normalization] | None = None,
) -> Movie:
    """Create a lazy movie whose frames are degraded when they are read.

    Ranges of the crappifier are drawn once for the whole movie; each plane has independent noise that depends on (seed,
    t, c, z) only, so the pixels do not depend on the order of reading.

    Parameters
    ----------
    movie : Movie
        Any shape (T, C, Z, Y, X) and dtype; for a crappifier that mixes colors, C is red, green and blue.
    crappifier : Crappifier
        If its scale does not divide Y or X, the last rows and columns are left out.
    seed : int
        0 or above.
    normalization : Normalization or one per channel, optional
        Gray levels of signal 0 and 1; measured once per channel by default, but the full scale for color channels,
        which must have the same one.

    Returns
    -------
    Movie
        Shape (T, C, Z, Y / scale, X / scale), the same dtype and gray levels; the pixel size is multiplied by the
        scale, and the provenance records the crappifier. Planes that were never recorded remain missing.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"{argument('seed')} is {short(seed)}, expected an integer of at least 0")
    seed = int(seed)
    # Five words: a seed of four or fewer would be the stream of plane (0, 0, 0), since numpy pads with zeros.
    setting = crappifier.fixed(np.random.default_rng([seed, 0, 0, 0, 1]))
    levels = (_for_colors if crappifier.color else _per_channel)(movie, normalization)
    degraded = _Degraded(movie, setting, levels, seed, color=crappifier.color)
    covered = [size * setting.scale for size in degraded.shape[3:]]
    done = {
        "crappifier": setting.to_dict(),
        "seed": seed,
        "normalization": [asdict(each) for each in levels],
    } | ({"cropped_to": covered} if covered != list(movie.shape[3:]) else {})
    return movie.map_regions(
        degraded,
        shape=degraded.shape,
        **scaled_spacing(movie, coarser=setting.scale),
        provenance=movie.provenance | {"crappified": done},
    )


def _per_channel(movie: Movie, given: Normalization | Sequence[Normalization] | None) -> list[Normalization]:
    n_channels = movie.shape[1]
    if given is None:
        with unfilled_nan():
            return [measure(movie, channel) for channel in range(n_channels)]
    levels = [given] * n_channels if isinstance(given, Normalization) else list(given)
    if len(levels) != n_channels:
        raise InputError(
            f"found {counted(len(levels), 'normalization')}, expected {n_channels}, one per channel of {movie.name}"
        )
    return levels


def _for_colors(movie: Movie, given: Normalization | Sequence[Normalization] | None) -> list[Normalization]:
    if movie.shape[1] != 3:
        raise InputError(
            f"{movie.name} has {counted(movie.shape[1], 'channel')}, expected red, green and blue for a crappifier of "
            "colors"
        )
    levels = _per_channel(movie, full_scale(movie.dtype) if given is None else given)
    if any(other != levels[0] for other in levels):
        raise InputError("the channels have separate normalizations, expected a single one for a crappifier of colors")
    return levels


class _Degraded:
    """Region function: whole planes are degraded, and the latest is kept, as its tiles are read in turn."""

    def __init__(
        self, movie: Movie, setting: Crappifier, levels: list[Normalization], seed: int, *, color: bool
    ) -> None:
        self._movie, self._setting, self._levels, self._seed, self._color = movie, setting, levels, seed, color
        self._latest = Latest(self._image)
        rows, columns = (size // setting.scale for size in movie.shape[3:])
        if not rows or not columns:
            raise InputError(
                f"{movie.name} has {movie.shape[3:]} pixels (Y, X), expected at least {setting.scale} of each"
            )
        self.shape: Shape5 = (*movie.shape[:3], rows, columns)

    def __call__(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        if (t, c, z) in self._movie.missing:  # never recorded: reads as zeros, not degraded
            return np.zeros((rows.stop - rows.start, columns.stop - columns.start), self._movie.dtype)
        if self._color:  # the three colors of an image are degraded together
            return self._latest(t, 0, z)[c, rows, columns].copy()
        return self._latest(t, c, z)[rows, columns].copy()

    def _image(self, t: int, c: int, z: int) -> Array:
        setting, levels = self._setting, self._levels[c]
        whole = tuple(slice(0, size * setting.scale) for size in self.shape[3:])
        if self._color:
            image = np.stack([self._movie.region(t, channel, z, *whole) for channel in range(3)])
        else:
            image = self._movie.region(t, c, z, *whole)
        return setting(
            image,
            np.random.default_rng([self._seed, t, c, z]),
            data_range=(levels.offset, levels.offset + levels.scale),
            times=np.array([t]),
            color=self._color,
        )
