"""Restoration of a movie with a model, plane by plane, into memory or a file, resumable and in constant memory."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike
from torch import Tensor

from decrappify._common.checks import checked_progress
from decrappify._common.processor import threads_put_back
from decrappify.errors import InputError
from decrappify.limits.reached import limit_errors
from decrappify.movie import Array, Movie, Plane
from decrappify.restoration.arrays import given_axes, in_axes
from decrappify.restoration.attempts import recorded_attempt
from decrappify.restoration.input_record import InputRecord
from decrappify.restoration.job import Job, Target
from decrappify.restoration.measuring import Channel
from decrappify.restoration.notes import note_of, report, report_start, summary
from decrappify.restoration.overlap import run_overlapped
from decrappify.restoration.restorer import RestorationCancelled, Restorer
from decrappify.restoration.results import Result
from decrappify.restoration.sliding import Window
from decrappify.restoration.start import Start

if TYPE_CHECKING:
    from decrappify.model import Model

logger = logging.getLogger(__name__)

Progress = Callable[..., Any]
OnPlane = Callable[[int, int, int], Any]
PathLike = str | os.PathLike[str]


def restore(
    movie: Any,
    model: Model | str | Path,
    output: PathLike | None = None,
    *,
    tile_size: int | None = None,
    tile_overlap: int | None = None,
    frames: slice | int | str | None = None,
    scene: int | str | None = None,
    channel: int | str | None = None,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    dtype: DTypeLike | None = None,
    window_axis: str = "T",
    nan: str = "error",
    missing: str = "blank",
    outliers: str = "replace",
    axes: str | None = None,
    folder_as: str = "auto",
    absent_chunks: str = "auto",
    as_array: bool = False,
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: threading.Event | None = None,
    on_plane: OnPlane | None = None,
) -> Any:
    """Restore a movie, stack or still with a model.

    Reading, the network and writing run concurrently, one plane at a time: memory does not grow with the length of the
    movie. Every frame has the same tiles and the same normalization. A run that is stopped at any time, and started
    again by the same call, finishes the rest with its original number of threads; on the same type of processor the
    file is then the same, byte for byte; on another one a warning states that last digits may differ.

    Parameters
    ----------
    movie : path, Movie or array
        Any input of `open_movie`.
    model : Model, str or Path
        A model, the name of a shipped one, or a model file.
    output : path, optional
        ``.ome.zarr``, ``.ome.tif`` or ``.mp4``; by default the result stays in memory.
    tile_size, tile_overlap : int, optional
        In input pixels; by default planned from the free memory and the model. Tiles that do not fit are halved.
    frames : str, slice or int, optional
        Frames to restore, such as ``"10:50"``; their windows still include the frames around them.
    scene : int or str, optional
        Scene of a file with several, as for `open_movie`; `decrappify.restoration.scenes.restore_scenes` restores each.
    channel : int or str, optional
        Index or name of the one channel to restore.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of the network; ``"auto"`` is the fastest one without loss of quality for this model.
    backend : {"auto", "torch", "compile", "onnxruntime", "openvino"}
        Runtime of the network, see `InferenceNetwork`; ``"auto"`` is OpenVINO for long runs if it is installed and
        faster, and torch otherwise.
    dtype : dtype, optional
        Of the result, by default that of the input: integers are rounded and clipped, never rescaled.
    window_axis : {"T", "Z"}
        ``"Z"`` takes the neighboring slices of a stack for the window instead of neighboring time points.
    nan : {"error", "fill"}
        Raise an error on NaN and infinite pixels, or fill them from their neighborhood for the network and restore NaN
        in float output (0 in integers). ``"zero"``, the older name, does the same.
    missing : {"blank", "drop", "nearest"}
        Planes that were never recorded (`Movie.missing`) stay blank and are marked as missing in the result, their
        frames are left out, or they are filled with the restoration of the nearest recorded frame. They are never
        read as data.
    outliers : {"replace", "keep"}
        Replace isolated hot and dead pixels by values from their surroundings before the network, and prevent flash
        frames from changing their neighbors; both are reported. The bits of a movie without them do not depend on this.
    axes, folder_as, absent_chunks : str
        As for `open_movie`.
    as_array : bool
        Return a numpy array; for an array input with its number and order of axes, else (T, C, Z, Y, X).
    overwrite : bool
        Replace an existing output, once the new one is complete.
    resume : bool
        Continue an unfinished run of the same input, model and options (``docs/resuming.md``); False starts a new one.
    progress : bool or callable, optional
        True, or like ``tqdm``: ``progress(total=planes, desc=..., unit="plane")`` with ``update(n)`` and ``close()``.
    cancel : threading.Event, optional
        When set, the run stops within one tile; finished planes are kept.
    on_plane : callable, optional
        Called with (t, c, z) of the output when that plane is written, from the writer thread. With an `output`,
        the plane can then be read from the growing store, ``decrappify.io.partial_path(output)``.

    Returns
    -------
    Movie or ndarray
        Shape (T, C, Z, Y * scale, X * scale), with the input's pixel size (divided by the scale), frame interval,
        channel names and a record of the run in `provenance`; an array with `as_array`. A constant channel is passed
        through unchanged.

    Raises
    ------
    FormatError
        If the format of movie or output is not supported.
    OutputExistsError
        If the output, or the unfinished one of another run, exists already.
    OutputError
        If another process writes this output, or it cannot be written.
    InputError
        If movie, model and options do not match, a frame contains NaN, or the output is the input, contains it, or
        lies in it.
    DeviceMemoryError
        If the smallest tile does not fit into memory.
    RestorationCancelled
        If `cancel` was set.

    Examples
    --------
    >>> import decrappify as dc
    >>> restored = dc.restore("cells.czi", "fluorescence-movie", "cells.ome.zarr")  # doctest: +SKIP
    """
    from decrappify.io import open_movie
    from decrappify.io.registry import writer_for
    from decrappify.model import load_model

    if output is not None:
        writer_for(Path(output))
    progress = checked_progress(progress)
    _refuse_swapped(movie, model)
    loaded = load_model(model)
    opening: dict[str, Any] = {"scene": scene, "channel": channel, "axes": axes}
    opened = open_movie(movie, folder_as=folder_as, absent_chunks=absent_chunks, **opening)
    source = Path(movie) if isinstance(movie, str | os.PathLike) else None
    given = given_axes(movie, axes) if as_array else None
    inputs = InputRecord(opened)
    start = None
    try:
        job = Job(
            inputs.movie,
            loaded,
            frames=frames,
            dtype=dtype,
            window_axis=window_axis,
            nan=nan,
            missing=missing,
            outliers=outliers,
        )
        asked = {"tile_size": tile_size, "tile_overlap": tile_overlap, "device": device}
        asked |= {"precision": precision, "backend": backend}
        place = None if output is None else Path(output)
        start = Start(job, inputs, place, asked, overwrite=overwrite, resume=resume)
        if start.complete:
            return _returned(open_movie(start.output), as_array, given)
        with threads_put_back(), limit_errors(f"restoring {opened.name}"):
            restorer, channels, result = start.prepare(progress, cancel)
            try:
                report_start(job, channels)
                with recorded_attempt(result, start.planes_done, start.earlier):
                    _run(start, restorer, channels, result, progress, on_plane)
                    inputs.confirm()
                _complete_record(start, result)
                return _returned(result.finish(), as_array, given)
            finally:
                result.close()
    finally:
        if start is not None:
            start.close()
        if source is not None:
            opened.close()


def _refuse_swapped(movie: Any, model: Any) -> None:
    """Raise InputError if a model is passed as the movie, or `model` has a type that cannot name a model."""
    from decrappify.model import Model, shipped_models

    is_path = isinstance(movie, str | os.PathLike)
    names_model = is_path and (str(movie) in shipped_models() or Path(movie).suffix == ".safetensors")
    if isinstance(movie, Model) or (names_model and not Path(movie).is_dir()):
        raise InputError(
            f"restore takes the movie first and the model second, found the model {getattr(movie, 'name', movie)} "
            "first; swap the two"
        )
    if not isinstance(model, Model | str | os.PathLike):
        raise InputError(
            f"model has type {type(model).__name__}, needs a Model, the name of a shipped one, or the path of a file"
        )


def _returned(restored: Movie, as_array: bool, axes: str | None) -> Any:
    if not as_array:
        return restored
    with restored:
        return in_axes(np.asarray(restored), axes)


def _complete_record(start: Start, result: Result) -> None:
    """Add a checksum of the input and the summary of the planes' notes to the record, and report the summary."""
    job, provenance = start.job, start.provenance
    found = summary(result.notes, job)
    planes = {(t, c, z) for (t, c, z), note in result.notes.items() if note.get("empty")}
    checksum = {"input_crc32": start.inputs.checksum(job.input_planes())}
    provenance = {**provenance, "restoration": provenance["restoration"] | found | checksum}
    result.update_metadata(provenance=provenance, missing=planes | set(job.blanks()))
    report(found, job)


def _run(
    start: Start,
    restorer: Restorer,
    channels: list[Channel],
    result: Result,
    progress: Progress | None,
    on_plane: OnPlane | None,
) -> None:
    """Run reader, network and writer over all windows that are not done."""
    job = start.job

    def places(target: Target) -> list[list[Plane]]:
        return [job.planes(each) for each in (target, *job.copies.get(target, ()))]

    def is_done(target: Target) -> bool:
        return all(result.is_done(*place) for planes in places(target) for place in planes)

    def put(target: Target, planes: Sequence[Array], note: dict[str, Any]) -> None:
        read = start.inputs.take_new()
        if read:
            note = note | {"read": read}
        if note:
            result.write_note(*job.planes(target)[0], note)
        for each in places(target):
            for place, plane in zip(each, planes, strict=True):
                result.write_plane(*place, plane)
                if on_plane is not None:
                    on_plane(*place)

    total = job.shape[0] * job.shape[1] * job.shape[2]
    done = sum(result.is_done(*plane) for plane in _all_planes(job))
    frame_shape = (job.movie.shape[3], job.movie.shape[4])
    with _bar(progress, total, f"restoring {job.movie.name}", done) as update:
        for place in job.blanks():
            if not result.is_done(*place):
                result.write_plane(*place, np.zeros(job.shape[3:], job.dtype))
                update(1)
        for target, read in job.passed_through(channels):
            if not is_done(target):
                put(target, read(), {})
                update(job.out_channels * len(places(target)))

        def work(item: tuple[Target, Window[Tensor]]) -> tuple[Target, Window[Tensor], Array | None]:
            target, window = item
            restored = None
            if window.frames is not None:
                tile_size = restorer.tile_size
                restored = restorer.restore_frames(window.frames, frame_shape)
                if restorer.tile_size != tile_size:
                    result.state["tile_size"] = restorer.tile_size
                    result.save_state()
            update(job.out_channels * len(places(target)))
            return target, window, restored

        def write(item: tuple[Target, Window[Tensor], Array | None]) -> None:
            target, window, restored = item
            planes, clipped = job.empty_planes(), (0, 0)
            if restored is not None:
                planes, clipped = job.to_gray(restored, target, window, channels)
            put(target, planes, note_of(window, clipped))

        try:
            run_overlapped(job.windows(channels, restorer.load, is_done), work, write)
        except RestorationCancelled as error:
            finished = sum(result.is_done(*plane) for plane in _all_planes(job))
            kept = "they are kept, and the same call finishes the rest" if finished else "nothing is kept"
            raise RestorationCancelled(f"cancelled after {finished} of {total} planes; {kept}") from error


def _all_planes(job: Job) -> Iterator[tuple[int, int, int]]:
    n_t, n_c, n_z = job.shape[:3]
    return ((t, c, z) for t in range(n_t) for c in range(n_c) for z in range(n_z))


@contextmanager
def _bar(progress: Progress | None, total: int, description: str, done: int) -> Iterator[Callable[[int], Any]]:
    if progress is None:
        yield lambda n: None
        return
    bar = progress(total=total, desc=description, unit="plane")
    try:
        if done:
            bar.update(done)
        yield bar.update
    finally:
        bar.close()
