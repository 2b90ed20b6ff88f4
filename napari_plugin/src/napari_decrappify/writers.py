"""Writers: one layer, or the layers of several channels, as OME-Zarr or OME-TIFF."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify import Movie, save_movie
from decrappify.errors import InputError
from napari_decrappify.layers.axes import is_guessed_as_time
from napari_decrappify.layers.image import LayerData, LayerImage

_COLORS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF", "cyan": "00FFFF", "magenta": "FF00FF"}
_COLORS |= {"yellow": "FFFF00", "gray": "FFFFFF"}


def write_images(path: str, layer_data: list[LayerData]) -> list[str]:
    """Write image layers of one shape as the channels of one movie; an existing file is never replaced.

    Raises
    ------
    InputError
        If the layers differ in shape, dtype or axes.
    OutputExistsError, OutputError, FormatError
        As for `decrappify.save_movie`.
    """
    images = [LayerImage.from_tuple(*item) for item in layer_data]
    _warn_of_guesses(images)
    movies = [image.movie() for image in images]
    try:
        movie = movies[0] if len(movies) == 1 else _together(images, movies)
        changes: dict[str, Any] = {"name": Path(path).name}
        if movie.shape[1] == len(images):
            changes["channel_colors"] = [_color(image) for image in images]
        movie = movie.replace(**changes)
        return [str(save_movie(movie, path))]
    finally:
        for part in movies:
            part.close()


def _warn_of_guesses(images: list[LayerImage]) -> None:
    names = [repr(image.name) for image in images if is_guessed_as_time(image.data, image.attributes)]
    if names:
        warnings.warn(
            f"{', '.join(names)} without axis labels, units or scale saved as a movie (T, Y, X); "
            "for a Z-stack, first set the axis labels of the layer to z, y, x",
            stacklevel=3,
        )


def _together(images: list[LayerImage], movies: list[Movie]) -> Movie:
    first = movies[0]
    for image, movie in zip(images, movies, strict=True):
        if movie.shape != first.shape or movie.dtype != first.dtype or movie.shape[1] != 1:
            raise InputError(
                f"layer {image.name!r} has shape {movie.shape} (T, C, Z, Y, X) and dtype {movie.dtype}, expected "
                f"{(first.shape[0], 1, *first.shape[2:])} and {first.dtype} like {images[0].name!r}; save it separately"
            )
    names = [movie.channel_names[0] for movie in movies]
    if len(set(names)) < len(names):
        names = [image.name for image in images]
    return first.map_regions(
        lambda t, c, z, rows, columns: movies[c].region(t, 0, z, rows, columns),
        shape=(first.shape[0], len(movies), *first.shape[2:]),
        others=movies[1:],
        channel_names=names,
        channel_colors=None,
    )


def _color(image: LayerImage) -> str | None:
    """Return the color of a layer's colormap as RRGGBB; None for gray and for colormaps of several colors."""
    colormap = image.attributes.get("colormap")
    name = str(colormap.get("name") if isinstance(colormap, Mapping) else getattr(colormap, "name", colormap))
    if name in _COLORS:
        return None if name == "gray" else _COLORS[name]
    return name.lstrip("#").upper()[:6] if name.startswith("#") and len(name) in (7, 9) else None
