"""Write OME-TIFF: BigTIFF, compressed, one frame in memory at a time."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike

from decrappify.errors import InputError
from decrappify.io.casting import cast_movie
from decrappify.io.outputs import atomic_output
from decrappify.io.tiff_metadata import PROVENANCE_NAMESPACE, ome_color
from decrappify.movie import Array, Movie

_OME_DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_STRIP_BYTES = 1 << 18


def write_ome_tiff(
    movie: Movie,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[..., Any] | None = None,
    dtype: DTypeLike | None = None,
) -> Path:
    """Write a movie as one OME-TIFF file that Fiji, QuPath, napari and OMERO open.

    Planes are stored T slowest, Z fastest, losslessly deflated. Pixel size, frame interval, channel names and colours
    go into the OME-XML; provenance into a MapAnnotation of namespace ``decrappify/provenance``, one JSON value per key.
    The same movie gives the same bytes.

    Parameters
    ----------
    movie : Movie
        Read one plane at a time.
    path : path
        The file; written under a temporary name and renamed when complete.
    overwrite : bool
        Replace an existing file.
    progress : callable, optional
        Like ``tqdm``.
    dtype : dtype, optional
        Stored dtype, rounded and clipped; the movie's own by default.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    InputError
        If OME-TIFF has no such dtype.
    OutputError
        If the disk is full or the folder not writable.

    References
    ----------
    OME-TIFF 6, https://docs.openmicroscopy.org/ome-model
    """
    movie = cast_movie(movie, dtype)
    if movie.dtype.name not in _OME_DTYPES:
        raise InputError(
            f"{movie.name} is {movie.dtype}, which OME-TIFF cannot hold; pass dtype='float32', or save as .ome.zarr"
        )
    with atomic_output(path, overwrite=overwrite) as partial:
        is_integer = movie.dtype.kind in "ui"
        with tifffile.TiffWriter(partial, bigtiff=True, ome=True) as writer:
            writer.write(
                _planes(movie, progress),
                shape=movie.shape,
                dtype=movie.dtype,
                photometric="minisblack",
                planarconfig=None,
                compression="zlib",
                predictor=is_integer,  # few readers know the predictor for floats
                rowsperstrip=max(1, _STRIP_BYTES // (movie.shape[4] * movie.dtype.itemsize)),
                metadata=_metadata(movie),
            )
    return Path(path)


def _planes(movie: Movie, progress: Callable[..., Any] | None) -> Iterator[Array]:
    n_planes = int(np.prod(movie.shape[:3]))
    bar = None if progress is None else progress(total=n_planes, desc="writing OME-TIFF", unit="plane")
    try:
        for t, c, z in movie.planes():
            plane = movie.frame(t, c, z)
            if bar is not None:
                bar.update(1)  # here, because nobody asks for anything after the last plane
            yield plane
    finally:
        if bar is not None:
            bar.close()


def _metadata(movie: Movie) -> dict[str, Any]:
    channels = [
        {"Name": _plain(name)} | ({} if color is None else {"Color": ome_color(color)})
        for name, color in zip(movie.channel_names, movie.channel_colors, strict=True)
    ]
    metadata: dict[str, Any] = {"axes": "TCZYX", "Name": _plain(movie.name), "Channel": channels}
    for axis, size in zip("ZYX", movie.pixel_size_um, strict=True):
        if size is not None:
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if movie.frame_interval_s is not None:
        metadata |= {"TimeIncrement": movie.frame_interval_s, "TimeIncrementUnit": "s"}
    if movie.provenance:
        pairs = {_plain(key): json.dumps(value, ensure_ascii=True) for key, value in movie.provenance.items()}
        metadata["MapAnnotation"] = {"Namespace": PROVENANCE_NAMESPACE, "Value": pairs}
    # A random identifier would make every export of the same movie differ.
    metadata["UUID"] = str(
        uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([metadata, movie.shape, movie.dtype.str], sort_keys=True))
    )
    return metadata


def _plain(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", " ", text)  # XML has no word for these
