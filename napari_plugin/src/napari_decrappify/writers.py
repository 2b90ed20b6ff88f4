"""Writers: one layer, or the layers of several channels, as OME-Zarr or OME-TIFF."""

from __future__ import annotations

import warnings
from pathlib import Path

from decrappify import save_movie
from napari_decrappify.layers.axes import is_guessed_as_time
from napari_decrappify.layers.files.scenes import movie_of
from napari_decrappify.layers.image import LayerData, LayerImage


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
        return [str(save_movie(movie_of(images, movies).replace(name=Path(path).name), path))]
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
