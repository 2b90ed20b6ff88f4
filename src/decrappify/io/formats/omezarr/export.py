"""Export of a movie as OME-Zarr."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from decrappify._common.progress import Progress, progress_bar
from decrappify.io.formats.omezarr.writer import ZarrMovieWriter
from decrappify.movie import Movie


def write_omezarr(
    movie: Movie,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a movie as OME-Zarr 0.5, with one plane in memory at a time.

    Arguments and errors are those of `decrappify.io.save_movie`. An interrupted export cannot be resumed, as it is not
    known whether a partial store was written from the same `movie`.
    """
    writer = ZarrMovieWriter(
        path,
        shape=movie.shape,
        dtype=movie.dtype,
        name=movie.name,
        pixel_size_um=movie.pixel_size_um,
        frame_interval_s=movie.frame_interval_s,
        channel_names=movie.channel_names,
        channel_colors=movie.channel_colors,
        provenance=movie.provenance,
        unitless_spacing=movie.unitless_spacing,
        missing=movie.missing,
        run_key="export",
        overwrite=overwrite,
        resume=False,
    )
    n_planes = int(np.prod(movie.shape[:3]))
    with progress_bar(progress, total=n_planes, desc="writing OME-Zarr", unit="plane") as bar, writer:
        try:
            for t, c, z in movie.planes():
                writer.write_plane(t, c, z, movie.frame(t, c, z))
                bar.update(1)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise
