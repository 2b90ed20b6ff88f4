"""Restoration of a movie with a model, plane by plane, into memory or a file, resumable and in constant memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.arguments import moved_arguments, moved_into
from decrappify._common.checks import check_instance
from decrappify._common.processes.processor import threads_put_back
from decrappify._common.progress import Cancel, Progress, checked_progress
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.limits.reached import limit_errors
from decrappify.movie import Array, Movie
from decrappify.restoration.job.channel_models import ModelChoice
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.job.output_range import check_output_range
from decrappify.restoration.outputs.arrays import given_axes, in_axes
from decrappify.restoration.outputs.results import open_result
from decrappify.restoration.records.attempts import recorded_attempt
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.run.call import Call
from decrappify.restoration.run.state import RunState
from decrappify.restoration.run.steps import completed, planned, report_plan
from decrappify.restoration.run.windows import OnPlane, run_windows

if TYPE_CHECKING:
    from decrappify.model import Model

PathLike = str | os.PathLike[str]

_MOVED = (
    moved_into("inference=InferenceOptions", "tile_size", "tile_overlap", "device", "precision", "backend")
    | moved_into(
        "options=RestorationOptions", "frames", "dtype", "window_axis", "nan", "missing", "outliers", "fidelity"
    )
    | {
        name: f"open_movie(path, {name}=...) as the movie"
        for name in ("scene", "channel", "axes", "folder_as", "absent_chunks")
    }
    | {"as_array": "an array to restore_array, or the result to np.asarray"}
)


@moved_arguments(_MOVED)
def restore(
    movie: Any,
    model: Model | ModelChoice | str | Path | Mapping[str, Any] | Sequence[Any],
    output: PathLike | None = None,
    *,
    inference: InferenceOptions = InferenceOptions(),
    options: RestorationOptions = RestorationOptions(),
    trust: Any = False,
    cluster: Any = None,
    part: str | None = None,
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
    on_plane: OnPlane | None = None,
) -> Movie:
    """Restore a movie, stack or still with a model.

    Reading, the network and writing run concurrently, one plane at a time: memory does not grow with the length of the
    movie. Every frame has the same tiles and the same normalization. A run can be stopped at any time; the same call
    then restores the remaining planes with the original number of threads. On the same type of processor the file is
    equal byte for byte; on another one a warning states that the last digits may differ.

    Parameters
    ----------
    movie : path, Movie or array
        Any input of `open_movie`. Open it first to select a scene or channel, or to set axes or pixel size:
        ``restore(open_movie("cells.czi", channel="actin"), ...)``;
        `decrappify.restoration.scenes.restore_scenes` restores every scene.
    model : Model, str or Path, or mapping or list of these
        A model, the name of a shipped one, or a model file. A mapping has one for each channel, such as
        ``{"GFP": "fluorescence-movie", "DAPI": "fluorescence-still"}``, with ``"*"`` for all others. Of a list, the
        one with the longest window that fits the movie is used.
    output : path, optional
        ``.ome.zarr``, ``.ome.tif`` or ``.mp4``; by default the result is kept in memory.
    inference : InferenceOptions
        Tiles, device, precision and backend.
    options : RestorationOptions
        Frames, window axis, dtype, fidelity, and the handling of NaN, missing planes and outliers.
    trust : bool, NoiseModel, Calibration, path, or list with one per channel
        Whether to compare the result with the data afterwards, and write the map next to `output`, such as
        ``cells_trust.ome.zarr`` (`decrappify.trust_map`). The noise of the camera is calibrated from the movie, or is
        the one that is passed.
    cluster : Client, str, int or cluster object, optional
        Dask client, address of a scheduler, number of local workers with one thread each, or Dask cluster, whose
        workers restore the movie (``docs/cluster.md``). They open movie and model from their paths, and write into the
        output, which must be on a disk that all share. Repeating the call with or without it resumes the run.
    part : str, optional
        Restore part K of N, such as ``"3/16"``, into an output shared by N independent jobs; the last one completes it.
        Until then, the growing movie is returned.
    overwrite : bool
        Whether to replace an existing output once the new one is complete.
    resume : bool
        Whether to resume an unfinished run with the same input, model and options (``docs/resuming.md``).
    progress : bool or callable, optional
        True, or like ``tqdm``: ``progress(total=planes, desc=..., unit="plane", initial=finished)`` with ``update(n)``
        and ``close()``.
    cancel : threading.Event, optional
        When set, the run stops within one tile; finished planes are kept.
    on_plane : callable, optional
        Called with (t, c, z) of the output when that plane is written, from the writer thread. With an `output`,
        the plane can then be read from the growing store, ``decrappify.io.partial_path(output)``.

    Returns
    -------
    Movie
        Shape (T, C, Z, Y * scale, X * scale), with the input's pixel size (divided by the scale), frame interval,
        channel names and a record of the run in `provenance`. A constant channel is copied unchanged.

    Raises
    ------
    FormatError
        If the format of movie or output is not supported.
    OutputExistsError
        If the output, or the unfinished output of another run, already exists.
    OutputError
        If another process writes this output, or it cannot be written.
    InputError
        If movie, model and options do not match, a frame contains NaN, the output is the input, contains it, or is
        inside it, or the noise for `trust` is not determined.
    DeviceMemoryError
        If the smallest tile does not fit into memory, or several workers were killed.
    MissingExtraError
        If `cluster` is passed and Dask is not installed.
    RemoteError
        If the scheduler of `cluster` cannot be reached, or is lost; finished planes are kept.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> import decrappify as dc
    >>> restored = dc.restore("cells.czi", "fluorescence-movie", "cells.ome.zarr")  # doctest: +SKIP
    """
    from decrappify.io import open_movie
    from decrappify.io.integrity.missing_planes import missing_reported
    from decrappify.io.recognition.registry import writer_for

    place = None if output is None else Path(output)
    if place is not None:
        writer_for(place)
    bars = checked_progress(progress)
    check_instance(InferenceOptions, inference=inference)
    check_instance(RestorationOptions, options=options)
    inference.check_unused("batch_size", by="restore")
    _check_order(movie, model)
    sharing = None
    if cluster is not None or part is not None:
        from decrappify.restoration.distributed.sharing import checked_sharing

        starts_anew = overwrite or not resume
        sharing = checked_sharing(movie, model, place, cluster, part, trust=trust is not False, starts_anew=starts_anew)
    loaded = options.models(model)
    with missing_reported():  # by this run
        opened = open_movie(movie)
    inputs = InputRecord(opened)
    state = None
    try:
        if isinstance(loaded, ModelChoice):
            loaded.check_matched(opened)
        job = Job(inputs.movie, loaded, options)
        trusted = None
        if trust is not False:
            from decrappify.restoration.outputs.trust_run import planned_trust

            trusted = planned_trust(opened, job.networks, place, trust, overwrite=overwrite)
        call = Call(
            job=job,
            inputs=inputs,
            output=place,
            inference=inference,
            overwrite=overwrite,
            resume=resume,
            progress=bars,
            cancel=cancel,
            on_plane=on_plane,
        )
        with threads_put_back(), limit_errors(f"restoring {opened.name}"):
            if sharing is not None:
                restored = sharing.restored(call)
            else:
                state = call.state()
                restored = _restored(call, state)
        if trusted is not None:
            trusted.write(restored, overwrite=overwrite, resume=resume, progress=bars, cancel=cancel)
        return restored
    finally:
        if state is not None:
            state.close()
        if isinstance(movie, str | os.PathLike):
            opened.close()


def restore_array(
    array: Any,
    model: Model | str | Path,
    *,
    axes: str | None = None,
    inference: InferenceOptions = InferenceOptions(),
    options: RestorationOptions = RestorationOptions(),
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Array:
    """Restore an array with a model into an array with the same axes.

    Parameters
    ----------
    array : array
        An array of numpy, dask, xarray or others, see `open_movie`.
    model : Model, str or Path
        As for `restore`.
    axes : str, optional
        One letter of ``TCZYX`` per dimension, as for `open_movie`.
    inference, options, progress, cancel
        As for `restore`.

    Returns
    -------
    ndarray
        Result with the number and order of axes of `array`, Y and X multiplied by the scale of the model; (T, C, Z, Y,
        X) for other inputs of `open_movie`.

    Raises
    ------
    InputError, DeviceMemoryError, Cancelled
        As for `restore`.

    Examples
    --------
    >>> from decrappify.model import Model
    >>> from decrappify.networks.residual_unet import ResidualUNet
    >>> model = Model(ResidualUNet(n_frames=1, base_channels=16))
    >>> noisy = np.random.default_rng(0).poisson(9.0, (40, 50)).astype(np.uint16)
    >>> restore_array(noisy, model, inference=InferenceOptions(device="cpu")).shape
    (40, 50)
    """
    from decrappify.io import open_movie

    given = given_axes(array, axes)
    with open_movie(array, axes=axes) as movie:
        restored = restore(movie, model, inference=inference, options=options, progress=progress, cancel=cancel)
        return in_axes(np.asarray(restored), given)


def _restored(call: Call, state: RunState) -> Movie:
    """Plan a run, restore its planes, and complete the result."""
    if state.complete and call.output is not None:
        return open_result(call.output)
    plan, restorer = planned(state, call.inference, call.cancel)
    check_output_range(plan.job, plan.channels)
    result = state.open(plan, call.progress, call.cancel)
    report_plan(state, plan)
    with recorded_attempt(result, state.planes_done, state.earlier):
        run_windows(plan, restorer, result, call.inputs, call.progress, call.on_plane)
        call.inputs.confirm()
    return completed(plan, call.inputs, result)


def _check_order(movie: Any, model: Any) -> None:
    """Raise InputError if a model is passed as the movie, or `model` has a type that cannot name a model."""
    from decrappify.model import Model, shipped_models

    is_path = isinstance(movie, str | os.PathLike)
    names_model = is_path and (str(movie) in shipped_models() or Path(movie).suffix == ".safetensors")
    if isinstance(movie, Model) or (names_model and not Path(movie).is_dir()):
        raise InputError(
            f"restore expects the movie first and the model second, found the model {getattr(movie, 'name', movie)} "
            "first; swap the two"
        )
    if not isinstance(model, Model | ModelChoice | str | os.PathLike | Mapping | list | tuple):
        raise InputError(
            f"model has type {type(model).__name__}, expected a Model, the name of a shipped model, or the path of a "
            "file"
        )
