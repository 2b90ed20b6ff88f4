"""Export of one or several movies as OME-Zarr."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decrappify._common.progress import Bar, Progress, progress_bar
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
from decrappify.io.store.durable import sync_files, write_json
from decrappify.io.store.outputs import atomic_output
from decrappify.movie import Movie

_DESCRIPTION = "writing OME-Zarr"


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
    with progress_bar(progress, total=_n_planes(movie), desc=_DESCRIPTION, unit="plane") as bar:
        return _write(movie, path, bar, overwrite=overwrite)


def write_omezarr_scenes(
    movies: Sequence[Movie],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write movies as the images of one OME-Zarr store in the bioformats2raw layout, named after them.

    Arguments and errors are those of `decrappify.io.save_scenes`.

    References
    ----------
    NGFF 0.5, section "bioformats2raw.layout", https://ngff.openmicroscopy.org/0.5
    """
    total = sum(map(_n_planes, movies))
    series = [str(number) for number in range(len(movies))]
    with (
        atomic_output(path, overwrite=overwrite) as partial,
        progress_bar(progress, total=total, desc=_DESCRIPTION, unit="plane") as bar,
    ):
        (partial / "OME").mkdir(parents=True)
        _write_group(partial, {"bioformats2raw.layout": 3})
        _write_group(partial / "OME", {"series": series})
        for name, movie in zip(series, movies, strict=True):
            _write(movie, partial / name, bar)
        sync_files(partial.rglob("zarr.json"), below=partial)
    return Path(path)


def _n_planes(movie: Movie) -> int:
    return int(np.prod(movie.shape[:3]))


def _write_group(folder: Path, ome: dict[str, object]) -> None:
    attributes = {"ome": {"version": "0.5"} | ome}
    write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})


def _write(movie: Movie, path: str | os.PathLike[str], bar: Bar, *, overwrite: bool = False) -> Path:
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
    with writer:
        try:
            for t, c, z in movie.planes():
                writer.write_plane(t, c, z, movie.frame(t, c, z))
                bar.update(1)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise
