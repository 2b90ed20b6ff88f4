"""`save_movie` and `save_scenes`: movies as a file or store of a format with a writer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from decrappify._common.progress import Cancel, Progress, cancellable, checked_progress
from decrappify.errors import InputError
from decrappify.io.opening.open import open_movie
from decrappify.io.recognition.registry import writer_for


def save_movie(
    movie: Any,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
    dtype: DTypeLike | None = None,
) -> Path:
    """Write a movie as OME-Zarr (``.ome.zarr``), OME-TIFF (``.ome.tif``) or video (``.mp4``), by the suffix of `path`.

    The file appears under its name only when it is complete. Memory does not grow with the movie.

    Parameters
    ----------
    movie : Movie or any input of `open_movie`
        The movie to save.
    path : path
        The new file.
    overwrite : bool
        Replace an existing file.
    progress : bool or callable, optional
        True, or a callable like ``tqdm``: ``progress(total=, desc=, unit=, initial=)`` returns an object with
        ``update(n)`` and ``close()``.
    cancel : threading.Event, optional
        When set, writing stops after the current plane, and no file remains.
    dtype : dtype, optional
        Stored dtype; values are rounded and clipped, never rescaled. By default the dtype of the movie. A warning
        states the share of clipped pixels.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False; raised before anything is read.
    InputError
        If `path` is the file or folder that `movie` is read from, contains it, or is inside it.
    FormatError
        If the suffix is not a supported output format.
    OutputError
        If the disk is full, the folder is not writable, or another process is writing `path`.
    Cancelled
        If `cancel` was set.
    """
    from decrappify.io.store.outputs import check_early, refuse_input
    from decrappify.movie import cast_movie, warn_of_clipping

    path = Path(path)
    bars = cancellable(checked_progress(progress), cancel, f"cancelled; {path} was not written")
    write = writer_for(path).write
    assert write is not None
    check_early(path, overwrite=overwrite)
    movie = cast_movie(open_movie(movie), dtype)
    refuse_input(path, movie)
    write(movie, path, overwrite=overwrite, progress=bars)
    warn_of_clipping(movie)
    return path


def save_scenes(
    movies: Sequence[Any],
    path: str | os.PathLike[str],
    *,
    names: Sequence[str],
    overwrite: bool = False,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Path:
    """Write several movies as the scenes of one OME-Zarr (``.ome.zarr``) or OME-TIFF (``.ome.tif``).

    Parameters
    ----------
    movies : sequence of Movie or any input of `open_movie`
        At least one; they may differ in shape, dtype and channels.
    path : path
        The new file; it appears under its name only when it is complete.
    names : sequence of str
        Names of the scenes; repeated ones get the number of the scene.
    overwrite, progress, cancel
        As for `save_movie`; the progress is that of all movies.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If the numbers of movies and names differ or are 0, or the format stores one scene only.
    OutputExistsError, FormatError, OutputError, Cancelled
        As for `save_movie`.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "plate.ome.tif"
    >>> save_scenes([np.zeros((3, 8, 9)), np.zeros((20, 30))], path, names=["A1", "B2"]).name
    'plate.ome.tif'
    >>> open_movie(path, scene="B2").shape
    (1, 1, 1, 20, 30)
    """
    from decrappify.io.scene_names import unique_names
    from decrappify.io.store.outputs import check_early, refuse_input

    path = Path(path)
    if not movies or len(names) != len(movies):
        raise InputError(f"{path.name} needs one name per scene, found {len(movies)} movies and {len(names)} names")
    if len(movies) == 1:
        return save_movie(movies[0], path, overwrite=overwrite, progress=progress, cancel=cancel)
    form = writer_for(path)
    if form.write_scenes is None:
        raise InputError(
            f"{path.name} cannot store {len(movies)} scenes, as a {form.name} file has one; save them as OME-Zarr or "
            "OME-TIFF, or each scene separately"
        )
    bars = cancellable(checked_progress(progress), cancel, f"cancelled; {path} was not written")
    check_early(path, overwrite=overwrite)
    opened = [open_movie(movie).replace(name=name) for movie, name in zip(movies, unique_names(names), strict=True)]
    for movie in opened:
        refuse_input(path, movie)
    form.write_scenes(opened, path, overwrite=overwrite, progress=bars)
    return path
