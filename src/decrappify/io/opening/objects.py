"""Movies from objects in memory: arrays of numpy, dask, zarr and xarray, image objects, and movies."""

from __future__ import annotations

import sys
from typing import Any

from decrappify.errors import InputError
from decrappify.io.opening.arguments import check_not_absent, check_only_scene
from decrappify.movie import Movie


def open_object(source: Any, scene: int | str | None, axes: str | None, absent_chunks: str) -> Movie:
    """Wrap an object as a movie; arguments as for `decrappify.io.open_movie`."""
    if is_zarr_array(source):
        from decrappify.io.formats.omezarr.reading.open import from_zarr_array

        check_only_scene(scene or 0, "an array")
        return from_zarr_array(source, axes, absent_chunks)
    check_not_absent(absent_chunks, getattr(source, "name", None) or f"a {type(source).__name__}")
    if isinstance(source, Movie):
        check_only_scene(scene or 0, source.name)
        return source
    from decrappify.io.opening.image_objects import from_image_object, is_image_object

    if is_image_object(source):
        return from_image_object(source, scene=scene)
    from decrappify.io.opening.labeled_arrays import from_labeled_array, is_labeled_array

    if is_labeled_array(source):
        check_only_scene(scene or 0, "an array")
        return from_labeled_array(source, axes)
    if not hasattr(source, "shape") or not hasattr(source, "dtype"):
        raise InputError(
            f"cannot open an object of type {type(source).__name__}, expected a path, an array, an AICSImage or "
            "BioImage, or a Movie"
        )
    check_only_scene(scene or 0, "an array")
    return Movie.from_array(source, axes)


def is_zarr_array(source: Any) -> bool:
    """Return whether an object is an array of zarr 3, without importing zarr."""
    zarr = sys.modules.get("zarr")
    return zarr is not None and isinstance(source, getattr(zarr, "Array", ()))
