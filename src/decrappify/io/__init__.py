"""Opening and saving of movies; each format has a separate module, imported when it is needed."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from decrappify._common.checks import checked_progress
from decrappify.errors import InputError
from decrappify.io.opening import reading_errors
from decrappify.io.registry import READABLE, check_folder_as, format_of, is_image_folder, writer_for
from decrappify.io.scenes import scene_index, scenes, several_scenes, unique_names
from decrappify.io.store.working_paths import partial_path
from decrappify.movie import Movie, PixelSize

__all__ = ["open_movie", "open_pyramid", "open_scenes", "partial_path", "save_movie", "scenes"]

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
        A CZI, OME-TIFF, TIFF, OME-Zarr, video, PNG or JPEG file; a folder of image files; a numpy, dask or zarr array
        (Y, X), (T, Y, X) or (T, C, Z, Y, X); an xarray ``DataArray`` (its dimensions, coordinates and attributes set
        axes, pixel size, interval and channel names); an ``AICSImage`` or ``BioImage``; a Movie.
    scene : int or str
        Which image, by number or name (see `scenes`), if a file has several. By default the first one, with a
        warning that names the others; an image object stays on its current scene. In a CZI file with views, phases or
        detector elements also their index, such as ``"A1, H 3"`` or ``"A1, H sum"``.
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
        The result is logged; as a warning if it is uncertain or scenes are left out.
    absent_chunks : {"auto", "missing", "fill"}
        For Zarr: meaning of chunks that are not in the store. "missing": their planes count as not recorded.
        "fill": they have the fill value, because the writer left out empty chunks. "auto" decides by the existing
        chunks, and a warning states the result. A chunk that disappears after opening is an error.

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

    Examples
    --------
    >>> import numpy as np
    >>> movie = open_movie(np.zeros((3, 8, 9), np.uint16), frame_interval_s=2, pixel_size_um=0.1)
    >>> movie.shape, movie.pixel_size_um, movie.frame_interval_s
    ((3, 1, 1, 8, 9), (None, 0.1, 0.1), 2.0)
    """
    if is_image_folder(source):
        _only_for_zarr(absent_chunks, Path(source).name)
        movie = _open_folder(Path(source), scene, axes, folder_as)
    else:
        check_folder_as(folder_as, source)
        if isinstance(source, str | os.PathLike):
            movie = _open_file(Path(source), scene, axes, absent_chunks)
        else:
            movie = _open_object(source, scene, axes, absent_chunks)
    if isinstance(source, str | os.PathLike):
        movie.origin = Path(source)
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
        return [_scene_of_many(Path(source), number, len(names)) for number in range(len(names))]
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
    levels = [open_movie(path, scene=scene, folder_as=folder_as)]
    if is_image_folder(path):
        return levels
    if format_of(Path(path)) == "OME-Zarr":
        from decrappify.io.formats.omezarr.omezarr import level_count, open_omezarr

        scene = scene_index(scene, scenes(path), Path(path).name) if isinstance(scene, str) else scene or 0
        levels += [open_omezarr(path, scene=scene, level=level) for level in range(1, level_count(path, scene=scene))]
    return levels


def save_movie(
    movie: Any,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[..., Any] | bool | None = None,
    dtype: DTypeLike | None = None,
) -> Path:
    """Write a movie as OME-Zarr (``.ome.zarr``), OME-TIFF (``.ome.tif``) or video (``.mp4``), by the suffix of `path`.

    The file appears under its name only when it is complete. Memory does not grow with the movie.

    Parameters
    ----------
    movie : Movie or any input of `open_movie`
        What to save.
    path : path
        The new file.
    overwrite : bool
        Replace an existing file.
    progress : bool or callable, optional
        True, or a callable like ``tqdm``: ``progress(total=, desc=, unit=)`` returns an object with ``update(n)`` and
        ``close()``.
    dtype : dtype, optional
        Stored dtype: rounded and clipped, never rescaled; by default the dtype of the movie. A warning states the
        share of clipped pixels.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False; raised before anything is read.
    InputError
        If `path` is the file or folder that `movie` is read from, contains it, or lies in it.
    FormatError
        If the suffix is not a supported output format.
    OutputError
        If the disk is full, the folder is not writable, or another process is writing `path`.
    """
    from decrappify.io.casting import cast_movie, warn_of_clipping
    from decrappify.io.store.outputs import check_early, refuse_input

    path, progress = Path(path), checked_progress(progress)
    kind = writer_for(path)
    check_early(path, overwrite=overwrite)
    movie = cast_movie(open_movie(movie), dtype)
    refuse_input(path, movie)
    if kind == "OME-Zarr":
        from decrappify.io.formats.omezarr.export import write_omezarr

        write_omezarr(movie, path, overwrite=overwrite, progress=progress)
    elif kind == "TIFF":
        from decrappify.io.formats.tiff.writer import write_ome_tiff

        write_ome_tiff(movie, path, overwrite=overwrite, progress=progress)
    else:
        from decrappify.io.media.video_writer import write_video

        write_video(movie, path, overwrite=overwrite, progress=progress)
    warn_of_clipping(movie)
    return path


def channel_index(movie: Movie, channel: int | str) -> int:
    """Return the number of a channel from its number, its name, or a number in a string (from a command line)."""
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


def _scene_of_many(path: Path, number: int, count: int) -> Movie:
    """Open one scene; one of very many opens its file for every read, as a process can keep about 1000 files open."""
    movie = open_movie(path, scene=number)
    if count <= _OPEN_FILES or format_of(path) == "OME-Zarr":
        return movie
    from decrappify.io.folders.movies import ClosingSource

    movie.close()
    return movie.derived(ClosingSource(partial(open_movie, path, scene=number), movie))


def _open_file(path: Path, scene: int | str | None, axes: str | None, absent_chunks: str) -> Movie:
    """Open one scene; if none is chosen and there are several, open the first with a warning."""
    movie = _open_path(path, 0 if scene is None else scene, axes, absent_chunks)
    if scene is None:
        known = getattr(movie._source, "scene_names", None)  # large files are not opened twice
        others = several_scenes(scenes(path) if known is None else unique_names(known), path.name)
        if others:
            warnings.warn(others, stacklevel=3)
    return movie


def _open_path(path: Path, scene: int | str, axes: str | None, absent_chunks: str) -> Movie:
    with reading_errors(path):
        kind = format_of(path)
        if kind != "OME-Zarr":
            _only_for_zarr(absent_chunks, path.name)
        _warn_if_misnamed(path, kind)
        if axes is not None and kind not in ("TIFF", "OME-Zarr"):
            raise InputError(
                f"axes={axes!r} was given for {path.name}, which names its own; it is for arrays and TIFF, leave it out"
            )
        if kind == "CZI":
            from decrappify.io.formats.czi.czi import open_czi

            return open_czi(path, scene=scene)
        if isinstance(scene, str):
            scene = scene_index(scene, scenes(path), path.name)
        if kind == "TIFF":
            from decrappify.io.formats.tiff.tiff import open_tiff

            return open_tiff(path, scene=scene, axes=axes)
        if kind == "OME-Zarr":
            from decrappify.io.formats.omezarr.omezarr import open_omezarr

            return open_omezarr(path, scene=scene, axes=axes, absent_chunks=absent_chunks)
        _only_scene(scene, path.name)
        if kind == "video":
            from decrappify.io.media.video import open_video

            return open_video(path)
        from decrappify.io.images.image import open_image

        return open_image(path)


def _open_folder(path: Path, scene: int | str | None, axes: str | None, folder_as: str) -> Movie:
    from decrappify.io.folders.movies import open_folder

    if axes is not None:
        raise InputError(f"axes={axes!r} was given for the folder {path.name}; it is for arrays and TIFF, leave it out")
    scene_is_chosen = scene is not None
    if isinstance(scene, str):
        scene = scene_index(scene, scenes(path, folder_as=folder_as), path.name)
    return open_folder(path, scene or 0, folder_as=folder_as, scene_is_chosen=scene_is_chosen, open_file=open_movie)


def _open_object(source: Any, scene: int | str | None, axes: str | None, absent_chunks: str) -> Movie:
    if is_zarr_array(source):
        from decrappify.io.formats.omezarr.omezarr import from_zarr_array

        _only_scene(scene or 0, "an array")
        return from_zarr_array(source, axes, absent_chunks)
    _only_for_zarr(absent_chunks, getattr(source, "name", None) or f"a {type(source).__name__}")
    if isinstance(source, Movie):
        _only_scene(scene or 0, source.name)
        return source
    from decrappify.io.image_objects import from_image_object, is_image_object

    if is_image_object(source):
        return from_image_object(source, scene=scene)
    from decrappify.io.labeled_arrays import from_labeled_array, is_labeled_array

    if is_labeled_array(source):
        _only_scene(scene or 0, "an array")
        return from_labeled_array(source, axes)
    if not hasattr(source, "shape") or not hasattr(source, "dtype"):
        raise InputError(
            f"cannot open a {type(source).__name__}; needs a path, an array, an AICSImage or BioImage, or a Movie"
        )
    _only_scene(scene or 0, "an array")
    return Movie.from_array(source, axes)


def is_zarr_array(source: Any) -> bool:
    """Return whether an object is an array of zarr 3, without importing zarr."""
    zarr = sys.modules.get("zarr")
    return zarr is not None and isinstance(source, getattr(zarr, "Array", ()))


def _only_for_zarr(absent_chunks: str, name: str) -> None:
    if absent_chunks != "auto":
        raise InputError(
            f"absent_chunks={absent_chunks!r} was given for {name}, which is not stored as Zarr; leave it out"
        )


def _only_scene(scene: int | str, name: str) -> None:
    if scene not in (0, "0"):
        raise InputError(f"scene {scene!r} is not in {name}, which has one (0)")


def _warn_if_misnamed(path: Path, kind: str) -> None:
    by_name = [other for other, endings in READABLE.items() if path.suffix.lower() in endings]
    if by_name and kind not in (*by_name, "folder"):
        warnings.warn(f"{path.name} is a {kind} file by its content, and is read as one; rename it", stacklevel=5)


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
