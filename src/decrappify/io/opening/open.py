"""`open_movie`, `open_scenes`, `open_pyramid` and `scenes`: movies from files, folders and objects."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.caller_warning import warn_caller
from decrappify.errors import InputError
from decrappify.io.folders.folder_as import check_folder_as
from decrappify.io.integrity.reading_errors import reading_errors
from decrappify.io.opening.arguments import (
    channel_index,
    check_not_absent,
    check_only_scene,
    check_supported,
    pixel_size,
    positive_value,
)
from decrappify.io.opening.objects import open_object
from decrappify.io.opening.record import record_opening
from decrappify.io.recognition.file_format import format_of, is_image_folder
from decrappify.io.recognition.file_scenes import file_scenes
from decrappify.io.recognition.registry import format_by_suffix
from decrappify.io.remote.path import Location, location
from decrappify.io.scene_names import scene_index, several_scenes, unique_names
from decrappify.movie import Movie

_OPEN_FILES = 200  # scenes of one file that may be open at the same time


def open_movie(
    source: Any,
    *,
    scene: int | str | None = None,
    channel: int | str | None = None,
    frame_interval_s: float | None = None,
    pixel_size_um: float | Sequence[float | None] | None = None,
    axes: str | None = None,
    folder_as: str = "auto",
    absent_chunks: str = "auto",
) -> Movie:
    """Open a movie, stack or still from a file, folder, array or image object; pixels are read on access.

    Parameters
    ----------
    source : path, array, image object or Movie
        A CZI, OME-TIFF, TIFF, OME-Zarr, video, PNG or JPEG file; the address (``https://``, ``s3://``) of an OME-Zarr
        store, of which only the chunks that are needed are read; a folder of image files; a numpy, dask or zarr array
        (Y, X), (T, Y, X) or (T, C, Z, Y, X); an xarray ``DataArray`` (its dimensions, coordinates and attributes set
        axes, pixel size, interval and channel names); an ``AICSImage`` or ``BioImage``; a Movie.
    scene : int or str
        Which image, by number or name (see `scenes`), if a file has several. By default the first one, with a
        warning that names the others; an image object is opened on its current scene. In a CZI file with views, phases
        or detector elements also their index, such as ``"A1, H 3"`` or ``"A1, H sum"``.
    channel : int or str, optional
        Keep this channel only, by number or name.
    frame_interval_s : float, optional
        Seconds between frames, if the value of the file is wrong or absent.
    pixel_size_um : float or sequence, optional
        Micrometers: one number for Y and X, or (y, x), or (z, y, x) with None for unknown values.
    axes : str, optional
        For arrays (stored Zarr arrays too) and TIFF: one letter of ``TCZYX`` per dimension, ``S`` for color samples. A
        plain three-dimensional TIFF is a movie (T) by default; ``axes="ZYX"`` makes it a Z-stack. Arrays with a last
        axis that may be color or time, such as (512, 512, 3) and (512, 512, 50), need it.
    folder_as : {"auto", "movie", "images"}
        For folders. "movie": the files are planes of one movie. "images": each file is a separate image or movie,
        and a scene of the folder. "auto" decides by the file names, and if these are ambiguous by the sizes: names
        that differ in a running number are frames; numbers with a label (``t001``, ``z01``, ``c2``, ``pos3``, wells
        such as ``B02``) and the names of common instruments are axes and scenes; planes without a file are `missing`.
        The result is logged; as a warning if it is uncertain or scenes are omitted.
    absent_chunks : {"auto", "missing", "fill"}
        For Zarr: meaning of chunks that are not in the store. "missing": their planes count as not recorded.
        "fill": they have the fill value, because the writer omitted empty chunks. "auto" decides by the existing
        chunks, and a warning states the result. A chunk that disappears after opening raises an error.

    Returns
    -------
    Movie
        Shape (T, C, Z, Y, X), the dtype of the file.

    Raises
    ------
    MissingFileError
        If the file does not exist; the message names a similar one.
    FormatError
        If it is not an image, is damaged, or has an unsupported format.
    InputError
        If the scene or channel does not exist, or an argument does not match the source.
    RemoteError
        If a server cannot be reached or denies access; also raised when pixels are read.

    Examples
    --------
    >>> import numpy as np
    >>> movie = open_movie(np.zeros((3, 8, 9), np.uint16), frame_interval_s=2, pixel_size_um=0.1)
    >>> movie.shape, movie.pixel_size_um, movie.frame_interval_s
    ((3, 1, 1, 8, 9), (None, 0.1, 0.1), 2.0)
    """
    if is_image_folder(source):
        check_not_absent(absent_chunks, Path(source).name)
        movie = _open_folder(Path(source), scene, axes, folder_as)
    else:
        check_folder_as(folder_as, source)
        if isinstance(source, str | os.PathLike):
            movie = _open_file(location(source), scene, axes, absent_chunks)
        else:
            movie = open_object(source, scene, axes, absent_chunks)
    if isinstance(source, str | os.PathLike):
        movie = movie.replace(origin=location(source))
    changes: dict[str, Any] = {}
    if frame_interval_s is not None:
        changes["frame_interval_s"] = positive_value(frame_interval_s, "frame_interval_s", "seconds")
    if pixel_size_um is not None:
        changes["pixel_size_um"] = pixel_size(pixel_size_um, movie.pixel_size_um)
    if changes:
        movie = movie.replace(**changes)
    if channel is not None:
        movie = movie.select(channels=channel_index(movie, channel))
    if isinstance(source, str | os.PathLike):
        options = {
            "scene": scene,
            "channel": channel,
            "frame_interval_s": frame_interval_s,
            "pixel_size_um": pixel_size_um,
            "axes": axes,
            "folder_as": folder_as,
            "absent_chunks": absent_chunks,
        }
        record_opening(movie, source, options)
    return movie


def scenes(source: Any, *, folder_as: str = "auto") -> list[str]:
    """Return the names of the scenes of a file, in the order of their numbers.

    Scenes are those of a CZI file, the images (series) of an OME-TIFF, the positions of a Micro-Manager acquisition,
    the images of an OME-Zarr store (bioformats2raw layout, or the fields of a plate), and the wells, sites or single
    files of a folder.

    Parameters
    ----------
    source : path, array, image object or Movie
        As for `open_movie`.
    folder_as : {"auto", "movie", "images"}
        How to read a folder, as for `open_movie`.

    Returns
    -------
    list of str
        At least one name; a name or its index is a valid `scene` of `open_movie`. Names are unique: a repeated or
        absent name is replaced by one that ends in the number of the scene.

    Raises
    ------
    MissingFileError, FormatError
        As for `open_movie`.

    Examples
    --------
    >>> import numpy as np
    >>> scenes(np.zeros((3, 8, 9)))
    ['scene 0']
    """
    if is_image_folder(source):
        from decrappify.io.folders.folder import read_folder

        check_folder_as(folder_as, source)
        return unique_names([scene.name for scene in read_folder(Path(source), folder_as).scenes])
    check_folder_as(folder_as, source)
    if isinstance(source, str | os.PathLike):
        return file_scenes(location(source))
    from decrappify.io.opening.image_objects import is_image_object

    names = list(source.scenes) if is_image_object(source) else [None]
    return unique_names(names)


def open_scenes(source: Any, *, folder_as: str = "auto") -> list[Movie]:
    """Open every scene of a file or folder.

    Training and benchmarks open their inputs with this function.

    Parameters
    ----------
    source : path, array, image object or Movie
        As for `open_movie`; an image object is opened on its current scene.
    folder_as : {"auto", "movie", "images"}
        As for `open_movie`.

    Returns
    -------
    list of Movie
        One for each scene, at least one.

    Raises
    ------
    MissingFileError, FormatError, InputError
        As for `open_movie`.
    """
    if not is_image_folder(source):
        if not isinstance(source, str | os.PathLike) or len(names := scenes(source)) == 1:
            return [open_movie(source, folder_as=folder_as)]
        return [_scene_of_many(location(source), number, len(names)) for number in range(len(names))]
    from decrappify.io.folders.movies import open_folder_scenes

    return open_folder_scenes(Path(source), folder_as=folder_as, open_file=open_movie)


def open_pyramid(
    path: str | os.PathLike[str], *, scene: int | str | None = None, folder_as: str = "auto"
) -> list[Movie]:
    """Open every resolution level of a file, for viewers that show a coarse one first.

    Parameters
    ----------
    path : path
        As for `open_movie`.
    scene : int or str, optional
        As for `open_movie`.
    folder_as : {"auto", "movie", "images"}
        As for `open_movie`.

    Returns
    -------
    list of Movie
        From the full resolution to the coarsest, each with its pixel size; only OME-Zarr returns more than one.

    Raises
    ------
    MissingFileError, FormatError, InputError
        As for `open_movie`.
    """
    path = location(path)
    levels = [open_movie(path, scene=scene, folder_as=folder_as)]
    form = format_of(path)
    if form is None or form.levels is None:
        return levels
    number = scene_index(scene, scenes(path), path.name) if isinstance(scene, str) else scene or 0
    which = {} if form.scenes is None else {"scene": number}
    n_levels = form.levels(path, **which)
    return levels + [form.open(path, level=level, **which) for level in range(1, n_levels)]


def _scene_of_many(path: Location, number: int, count: int) -> Movie:
    """Open one scene; one of very many opens its file for every read, as a process can have about 1000 open files."""
    movie = open_movie(path, scene=number)
    form = format_of(path)
    if count <= _OPEN_FILES or (form is not None and not form.keeps_files_open):
        return movie
    from decrappify.io.folders.movies import ClosingSource

    movie.close()
    return movie.derived(ClosingSource(partial(open_movie, path, scene=number), movie))


def _open_file(path: Location, scene: int | str | None, axes: str | None, absent_chunks: str) -> Movie:
    """Open one scene; if none is chosen and there are several, open the first with a warning."""
    movie = _open_path(path, 0 if scene is None else scene, axes, absent_chunks)
    if scene is None:
        known = getattr(movie._source, "scene_names", None)  # large files are not opened twice
        others = several_scenes(file_scenes(path) if known is None else unique_names(known), path.name)
        if others:
            warn_caller(others)
    return movie


def _open_path(path: Location, scene: int | str, axes: str | None, absent_chunks: str) -> Movie:
    with reading_errors(path):
        form = format_of(path)
        assert form is not None, "a folder of images is opened by open_folder"
        check_supported(form, path.name, axes, absent_chunks)
        named = format_by_suffix(path)
        if named is not None and form is not named:
            warn_caller(f"{path.name} is a {form.name} file by its content, and is read as one; rename it")
        given = {"axes": axes, "absent_chunks": absent_chunks}
        options: dict[str, Any] = {name: value for name, value in given.items() if name in form.supports}
        if isinstance(scene, str) and "scene_text" not in form.supports:
            scene = scene_index(scene, file_scenes(path), path.name)
        if form.scenes is None:
            check_only_scene(scene, path.name)
            return form.open(path, **options)
        return form.open(path, scene=scene, **options)


def _open_folder(path: Path, scene: int | str | None, axes: str | None, folder_as: str) -> Movie:
    from decrappify.io.folders.movies import open_folder

    if axes is not None:
        raise InputError(f"{setting('axes', axes)} is for arrays and TIFF, and {path.name} is a folder; omit it")
    scene_is_chosen = scene is not None
    if isinstance(scene, str):
        scene = scene_index(scene, scenes(path, folder_as=folder_as), path.name)
    return open_folder(path, scene or 0, folder_as=folder_as, scene_is_chosen=scene_is_chosen, open_file=open_movie)
