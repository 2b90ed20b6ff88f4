"""`save_movie`: a movie as a file or store of a format with a writer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from decrappify._common.progress import Cancel, Progress, cancellable, checked_progress
from decrappify.io.open import open_movie
from decrappify.io.registry import writer_for


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
