"""Open and save movies; each format has its own file, loaded when it is needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from decrappify.errors import InputError
from decrappify.io.formats import READABLE, format_of, writer_for
from decrappify.io.outputs import check_output, partial_path
from decrappify.io.scenes import scene_index, scenes
from decrappify.movie import Movie, PixelSize

__all__ = ["open_movie", "open_pyramid", "partial_path", "save_movie", "scenes"]


def open_movie(
    source: Any,
    *,
    scene: int | str = 0,
    channel: int | str | None = None,
    frame_interval_s: float | None = None,
    pixel_size_um: float | Sequence[float | None] | None = None,
    axes: str | None = None,
) -> Movie:
    """Open anything that holds a movie, a stack or a still; pixels are read when they are asked for.

    Parameters
    ----------
    source : path, array, image object or Movie
        A CZI, OME-TIFF, TIFF, OME-Zarr, video, PNG or JPEG file; a folder of TIFF or PNG files, one per frame; a
        numpy, dask or zarr array (Y, X), (T, Y, X) or (T, C, Z, Y, X); an ``AICSImage`` or ``BioImage``; a Movie.
    scene : int or str
        Which image, by number or name (see `scenes`), where a file holds several; 0 leaves an image object on the scene
        where it is.
    channel : int or str, optional
        Keep this channel only, by number or name.
    frame_interval_s : float, optional
        Seconds between frames, where the file is wrong or silent.
    pixel_size_um : float or sequence, optional
        Micrometres: one number for Y and X, or (y, x), or (z, y, x) with None for unknown.
    axes : str, optional
        For arrays and TIFF: one letter of ``TCZYX`` per dimension. A plain three-dimensional TIFF is a movie (T)
        without it; ``axes="ZYX"`` makes it a Z-stack.

    Returns
    -------
    Movie
        Shape (T, C, Z, Y, X), the dtype of the file.

    Raises
    ------
    MissingFileError
        If there is no such file; names a similar one.
    FormatError
        If it is no image, damaged, or of a format without a reader.
    InputError
        If there is no such scene or channel, or an argument does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> movie = open_movie(np.zeros((3, 8, 9), np.uint16), frame_interval_s=2, pixel_size_um=0.1)
    >>> movie.shape, movie.pixel_size_um, movie.frame_interval_s
    ((3, 1, 1, 8, 9), (None, 0.1, 0.1), 2.0)
    """
    if isinstance(scene, str):
        scene = scene_index(scene, scenes(source), _name_of(source))
    movie = (
        _open_path(Path(source), scene, axes)
        if isinstance(source, str | os.PathLike)
        else _open_object(source, scene, axes)
    )
    changes: dict[str, Any] = {}
    if frame_interval_s is not None:
        changes["frame_interval_s"] = _positive(frame_interval_s, "frame_interval_s", "seconds")
    if pixel_size_um is not None:
        changes["pixel_size_um"] = _pixel_size(pixel_size_um, movie.pixel_size_um)
    if changes:
        movie = movie.select()
        for name, value in changes.items():
            setattr(movie, name, value)
    return movie if channel is None else movie.select(channels=channel_index(movie, channel))


def open_pyramid(path: str | os.PathLike[str], *, scene: int | str = 0) -> list[Movie]:
    """Open every resolution level of a file, for viewers that draw a coarse one first.

    Parameters
    ----------
    path : path
        As for `open_movie`.
    scene : int or str
        Which image, where a file holds several.

    Returns
    -------
    list of Movie
        From the full resolution to the coarsest, each with its own pixel size; only OME-Zarr gives more than one.

    Raises
    ------
    MissingFileError, FormatError, InputError
        As for `open_movie`.
    """
    if isinstance(scene, str):
        scene = scene_index(scene, scenes(path), Path(path).name)
    levels = [open_movie(path, scene=scene)]
    if format_of(Path(path)) == "OME-Zarr":
        from decrappify.io.omezarr import level_count, open_omezarr

        levels += [open_omezarr(path, scene=scene, level=level) for level in range(1, level_count(path, scene=scene))]
    return levels


def save_movie(
    movie: Any,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[..., Any] | None = None,
    dtype: DTypeLike | None = None,
) -> Path:
    """Write a movie as OME-Zarr (``.ome.zarr``), OME-TIFF (``.ome.tif``) or film (``.mp4``), by the suffix of `path`.

    The file appears under its name only when it is complete. Memory does not grow with the movie.

    Parameters
    ----------
    movie : Movie or anything `open_movie` takes
        What to save.
    path : path
        The new file.
    overwrite : bool
        Replace what is there.
    progress : callable, optional
        Like ``tqdm``: ``progress(total=, desc=, unit=)`` gives an object with ``update(n)`` and ``close()``.
    dtype : dtype, optional
        Stored dtype: rounded and clipped, never rescaled; the movie's own by default. A warning states the share of
        clipped pixels.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False; before anything is read.
    FormatError
        If there is no writer for the suffix.
    OutputError
        If the disk is full or the folder is not writable.
    """
    from decrappify.io.casting import cast_movie, warn_of_clipping

    path = Path(path)
    kind = writer_for(path)
    check_output(path, overwrite=overwrite)
    movie = cast_movie(open_movie(movie), dtype)
    if kind == "OME-Zarr":
        from decrappify.io.omezarr_writer import write_omezarr

        write_omezarr(movie, path, overwrite=overwrite, progress=progress)
    elif kind == "TIFF":
        from decrappify.io.tiff_writer import write_ome_tiff

        write_ome_tiff(movie, path, overwrite=overwrite, progress=progress)
    else:
        from decrappify.io.video import write_video

        write_video(movie, path, overwrite=overwrite, progress=progress)
    warn_of_clipping(movie)
    return path


def channel_index(movie: Movie, channel: int | str) -> int:
    """Return the number of a channel given by number, name, or a number in a string (as a command line gives it)."""
    if not isinstance(channel, str):
        return channel
    if channel in movie.channel_names:
        return movie.channel_names.index(channel)
    similar = [i for i, name in enumerate(movie.channel_names) if name.lower() == channel.lower()]
    if len(similar) == 1:
        return similar[0]
    if channel.removeprefix("-").isdecimal():
        return int(channel)
    raise InputError(
        f"{movie.name} has no channel {channel!r}; its channels are {', '.join(map(repr, movie.channel_names))}"
    )


def _open_path(path: Path, scene: int, axes: str | None) -> Movie:
    if "://" in str(path) or str(path).startswith(("http:/", "https:/", "s3:/")):
        raise InputError(f"{path} is a web address; download the file and give its path")
    kind = format_of(path)
    _warn_if_misnamed(path, kind)
    if axes is not None and kind not in ("TIFF", "OME-Zarr"):
        raise InputError(
            f"axes={axes!r} was given for {path.name}, which names its own; it is for arrays and TIFF, leave it out"
        )
    if kind == "CZI":
        from decrappify.io.czi import open_czi

        return open_czi(path, scene=scene)
    if kind == "TIFF":
        from decrappify.io.tiff import open_tiff

        return open_tiff(path, scene=scene, axes=axes)
    if kind == "OME-Zarr":
        from decrappify.io.omezarr import open_omezarr

        return open_omezarr(path, scene=scene, axes=axes)
    _only_scene(scene, path.name)
    if kind == "video":
        from decrappify.io.video import open_video

        return open_video(path)
    from decrappify.io.pictures import open_pictures

    return open_pictures(path)


def _open_object(source: Any, scene: int, axes: str | None) -> Movie:
    if isinstance(source, Movie):
        _only_scene(scene, source.name)
        return source
    from decrappify.io.image_objects import from_image_object, is_image_object

    if is_image_object(source):
        return from_image_object(source, scene=scene or None)
    if not hasattr(source, "shape") or not hasattr(source, "dtype"):
        raise InputError(
            f"cannot open a {type(source).__name__}; needs a path, an array, an AICSImage or BioImage, or a Movie"
        )
    _only_scene(scene, "an array")
    return Movie.from_array(source, axes)


def _name_of(source: Any) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "the image"))


def _only_scene(scene: int, name: str) -> None:
    if scene != 0:
        raise InputError(f"scene {scene} is not in {name}, which has one (0)")


def _warn_if_misnamed(path: Path, kind: str) -> None:
    by_name = [other for other, endings in READABLE.items() if path.suffix.lower() in endings]
    if by_name and kind not in (*by_name, "folder"):
        warnings.warn(f"{path.name} is a {kind} file by its content, and is read as one; rename it", stacklevel=4)


def _positive(value: float, name: str, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"{name} is {value!r}, needs a number of {unit} above 0")
    return float(value)


def _pixel_size(given: float | Sequence[float | None], own: PixelSize) -> PixelSize:
    if isinstance(given, int | float):
        given = (given, given)
    sizes = [None if size is None else _positive(size, "pixel_size_um", "micrometres") for size in given]
    if len(sizes) not in (2, 3):
        raise InputError(f"pixel_size_um is {given!r}, needs one number, (y, x) or (z, y, x) in micrometres")
    return (sizes[0] if len(sizes) == 3 else own[0], sizes[-2], sizes[-1])
