"""Writer of OME-TIFF: BigTIFF, compressed, one frame in memory at a time, one image for each movie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile

from decrappify._common.argument_names import setting
from decrappify._common.progress import Bar, Progress, progress_bar
from decrappify.errors import InputError
from decrappify.io.formats.tiff.writing.ome_xml import TYPES, ome_xml, unrecorded
from decrappify.io.store.outputs import atomic_output
from decrappify.movie import Array, Movie, Plane

_STRIP_BYTES = 1 << 18


def write_ome_tiff(
    movie: Movie,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a movie as one OME-TIFF file that can be opened by Fiji, QuPath, napari and OMERO.

    See `write_ome_tiff_scenes`.
    """
    return write_ome_tiff_scenes([movie], path, overwrite=overwrite, progress=progress)


def write_ome_tiff_scenes(
    movies: Sequence[Movie],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write movies as the images of one OME-TIFF file, named after them.

    Planes are stored T slowest, Z fastest, with lossless deflate compression. Pixel size, frame interval, channel
    names and colors are stored in the OME-XML; provenance in a MapAnnotation of namespace ``decrappify/provenance``,
    one JSON value per key. A spacing without a unit has the unit "reference frame", and planes that were never
    recorded have no page. Equal movies are written as identical bytes.

    Parameters
    ----------
    movies : sequence of Movie
        At least one; read one plane at a time.
    path : path
        The file; written under a temporary name and renamed when complete.
    overwrite : bool
        Replace an existing file.
    progress : callable, optional
        Like ``tqdm``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    InputError
        If OME-TIFF does not support the dtype.
    OutputError
        If the disk is full or the folder is not writable.

    References
    ----------
    OME-TIFF 6, https://docs.openmicroscopy.org/ome-model
    """
    for movie in movies:
        _check_dtype(movie)
    recorded = [_recorded(movie) for movie in movies]
    n_planes = sum(map(len, recorded))
    with (
        atomic_output(path, overwrite=overwrite) as partial,
        progress_bar(progress, total=n_planes, desc="writing OME-TIFF", unit="plane") as bar,
        tifffile.TiffWriter(partial, bigtiff=True, ome=False) as writer,
    ):
        for number, (movie, planes) in enumerate(zip(movies, recorded, strict=True)):
            writer.write(
                _planes(movie, planes, bar),
                shape=(len(planes), *movie.shape[3:]),
                dtype=movie.dtype,
                photometric="minisblack",
                planarconfig=None,
                compression="zlib",
                predictor=movie.dtype.kind in "ui",  # few readers support the predictor for floats
                rowsperstrip=max(1, _STRIP_BYTES // (movie.shape[4] * movie.dtype.itemsize)),
                description=ome_xml(*movies) if number == 0 else None,
                metadata=None,
            )
    return Path(path)


def _check_dtype(movie: Movie) -> None:
    if movie.dtype.name not in TYPES:
        wider = "float32" if movie.dtype == np.float16 else "float64"
        raise InputError(
            f"{movie.name} is {movie.dtype}, which OME-TIFF cannot store",
            advice=f"save it as .ome.zarr, or pass {setting('dtype', wider)}",
            option="dtype",
        )


def _recorded(movie: Movie) -> list[Plane]:
    missing = unrecorded(movie)
    return [plane for plane in movie.planes() if plane not in missing]


def _planes(movie: Movie, recorded: list[Plane], bar: Bar) -> Iterator[Array]:
    for t, c, z in recorded:
        plane = movie.frame(t, c, z)
        bar.update(1)  # here, because the generator is not resumed after the last plane
        yield plane
