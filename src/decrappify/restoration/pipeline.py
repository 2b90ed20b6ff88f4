"""restore(): a movie through a model, plane by plane, into memory or a file, resumable and in constant memory."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import DTypeLike
from torch import Tensor

from decrappify.errors import InputError
from decrappify.intensity import Normalization
from decrappify.movie import Array, Movie
from decrappify.restoration.inference import choose_device
from decrappify.restoration.job import Job, Target
from decrappify.restoration.overlap import run_overlapped
from decrappify.restoration.restorer import RestorationCancelled, Restorer
from decrappify.restoration.results import MemoryResult, Result, StoreResult, remove_working_store, saved_state
from decrappify.runtime import present_runtime, take_up_runtime, threads_put_back

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
    channel: int | str | None = None,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    dtype: DTypeLike | None = None,
    window_axis: str = "T",
    nan: str = "error",
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    on_plane: OnPlane | None = None,
) -> Movie:
    """Restore a movie, stack or still with a model.

    Reading, the network and writing run at the same time, one plane at a time: memory does not grow with the length
    of the movie. Every frame has the same tiles and the same normalisation. A run that is stopped at any moment,
    and started again by the same call, finishes the rest with as many threads as it began with; on the same type of
    processor the file is then the same, byte for byte, on another one a warning says that last digits may differ.

    Parameters
    ----------
    movie : path, Movie or array
        All that `open_movie` takes.
    model : Model, str or Path
        A model, the name of a shipped one, or a model file.
    output : path, optional
        ``.ome.zarr``, ``.ome.tif`` or ``.mp4``; by default the result stays in memory.
    tile_size, tile_overlap : int, optional
        In input pixels; planned from the free memory and the model by default. Tiles that do not fit are halved.
    frames : str, slice or int, optional
        Frames to restore, such as ``"10:50"``; their windows still see the frames around them.
    channel : int or str, optional
        Index or name of the one channel to restore.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of the network; ``"auto"`` is fast where this model loses nothing by it.
    backend : {"auto", "torch", "compile", "onnxruntime", "openvino"}
        What runs the network, see `InferenceNetwork`; ``"auto"`` takes OpenVINO for long runs where it is installed and
        faster, and else torch.
    dtype : dtype, optional
        Of the result, that of the input by default: integers are rounded and clipped, never rescaled.
    window_axis : {"T", "Z"}
        ``"Z"`` lets the slices of a stack play the window.
    nan : {"error", "zero"}
        Refuse NaN and infinite pixels, or take them as 0.
    overwrite : bool
        Replace an existing output, once the new one is complete.
    resume : bool
        Continue an unfinished run of the same input, model and options; False starts again.
    progress : callable, optional
        Like ``tqdm``: ``progress(total=planes, desc=..., unit="plane")`` with ``update(n)`` and ``close()``.
    cancel : threading.Event, optional
        When set, the run stops within one tile; finished planes are kept.
    on_plane : callable, optional
        Called with (t, c, z) of the output when that plane is written, from the thread that writes. With an `output`,
        the plane can then be read from the growing store, ``decrappify.io.partial_path(output)``.

    Returns
    -------
    Movie
        Shape (T, C, Z, Y * scale, X * scale), with the input's pixel size (divided by the scale), frame interval,
        channel names and a record of the run in `provenance`.

    Raises
    ------
    FormatError
        If movie or output is of a format that has no reader or writer.
    OutputExistsError
        If the output, or the unfinished one of another run, is already there.
    InputError
        If movie, model and options do not fit each other, or a frame holds NaN.
    DeviceMemoryError
        If not even the smallest tile fits into memory.
    RestorationCancelled
        If `cancel` was set.

    Examples
    --------
    >>> import decrappify as dc
    >>> restored = dc.restore("cells.czi", "fluorescence-movie", "cells.ome.zarr")  # doctest: +SKIP
    """
    from decrappify.io import open_movie
    from decrappify.io.formats import writer_for
    from decrappify.model import load_model

    if output is not None:
        writer_for(Path(output))
    loaded = load_model(model)
    opened = open_movie(movie, channel=channel)
    source = Path(movie) if isinstance(movie, str | os.PathLike) else None
    try:
        job = Job(opened, loaded, frames=frames, dtype=dtype, window_axis=window_axis, nan=nan)
        start = _Start(job, source, None if output is None else Path(output), precision, backend, overwrite, resume)
        if start.complete:
            return open_movie(start.output)
        with threads_put_back():
            restorer, normalizations, result = start.prepare(device, tile_size, tile_overlap, progress, cancel)
            try:
                _run(job, restorer, normalizations, result, progress, on_plane)
                return result.finish()
            finally:
                result.close()
    finally:
        if source is not None:
            opened.close()


class _Start:
    """What is checked and decided before the first plane: fresh, or as the interrupted run had decided."""

    def __init__(
        self,
        job: Job,
        source: Path | None,
        output: Path | None,
        precision: str,
        backend: str,
        overwrite: bool,
        resume: bool,
    ) -> None:
        self.job, self.output = job, output
        self._precision, self._backend = precision, backend
        self._overwrite, self._resume = overwrite, resume
        self.complete = False
        self._state: dict[str, Any] = {}
        if output is None:
            return
        if source is not None and output.exists() and output.resolve() == source.resolve():
            raise InputError(f"{output} is the input itself; choose another name for the output")
        self._run_key = job.run_key(source, precision, backend)
        self._check_output(output)

    def _check_output(self, output: Path) -> None:
        from decrappify.io.outputs import check_output

        state = saved_state(output, self._run_key) if self._resume else None
        if state is not None:
            self._state = state
            # Killed between the export's rename and the removal of the working store.
            self.complete = bool(state.get("exporting")) and output.exists() and not self._overwrite
            if self.complete:
                remove_working_store(output)
        else:
            check_output(output, overwrite=self._overwrite)

    def prepare(
        self,
        device: str,
        tile_size: int | None,
        tile_overlap: int | None,
        progress: Progress | None,
        cancel: threading.Event | None,
    ) -> tuple[Restorer, list[Normalization], Result]:
        """Make the restorer, the normalisations and the open result."""
        state, job, chosen = self._state, self.job, choose_device(device)
        runtime = take_up_runtime(state.get("runtime"), chosen) if state else present_runtime(chosen)
        restorer = Restorer(
            job.model,
            tile_size=state.get("tile_size", tile_size),
            tile_overlap=state.get("tile_overlap", tile_overlap),
            device=chosen,
            precision=state.get("precision", self._precision),
            backend=state.get("backend", self._backend),
            expected_pixels=job.n_pixels,
            cancel=cancel,
        )
        restorer.grid((job.movie.shape[3], job.movie.shape[4]))  # refuses unfit tiles before anything is written
        _say(restorer, tile_size, job.movie)
        normalizations = [Normalization(*pair) for pair in state.get("normalizations", [])] or job.measure()
        network = restorer.network
        settings = {
            "tile_overlap": restorer.tile_overlap, "precision": network.precision, "backend": network.backend
        }  # fmt: skip
        decided = {
            "normalizations": [[norm.offset, norm.scale] for norm in normalizations],
            "tile_size": restorer.tile_size,
            **settings,
            "device": restorer.network.device.type,
            "provenance": job.provenance(normalizations, {"tile_size": restorer.tile_size, **settings, **runtime}),
        } | state
        decided["runtime"] = runtime
        if decided["device"] != restorer.network.device.type:
            logger.warning("continuing on %s a run begun on %s: last digits may differ", device, decided["device"])
        result = self._open(job.metadata | {"provenance": decided["provenance"]}, progress)
        if result.state != decided:
            result.state.update(decided)
            result.save_state()
        return restorer, normalizations, result

    def _open(self, metadata: dict[str, Any], progress: Progress | None) -> Result:
        if self.output is None:
            return MemoryResult(self.job.shape, self.job.dtype, metadata)
        return StoreResult(
            self.output,
            self.job.shape,
            self.job.dtype,
            metadata,
            run_key=self._run_key,
            overwrite=self._overwrite,
            resume=self._resume,
            progress=progress,
        )


def _say(restorer: Restorer, tile_size: int | None, movie: Movie) -> None:
    network = restorer.network
    logger.info(
        "%s on %s in %s, tiles of %d pixels with an overlap of %d",
        network.backend, network.device, network.precision, restorer.tile_size, restorer.tile_overlap,
    )  # fmt: skip
    if tile_size is not None and tile_size >= max(movie.shape[3:]):
        logger.info("tile_size=%d holds the whole frame (%d x %d)", tile_size, *movie.shape[3:])


def _run(
    job: Job,
    restorer: Restorer,
    normalizations: list[Normalization],
    result: Result,
    progress: Progress | None,
    on_plane: OnPlane | None,
) -> None:
    """Reader, network and writer over all windows that are not done."""

    def is_done(target: Target) -> bool:
        return all(result.is_done(*plane) for plane in job.planes(target))

    total = job.shape[0] * job.shape[1] * job.shape[2]
    done = sum(result.is_done(*plane) for plane in _all_planes(job))
    frame_shape = (job.movie.shape[3], job.movie.shape[4])
    with _bar(progress, total, f"restoring {job.movie.name}", done) as update:

        def work(item: tuple[Target, list[Tensor]]) -> tuple[Target, Array]:
            target, window = item
            tile_size = restorer.tile_size
            restored = restorer.restore_frames(window, frame_shape)
            if restorer.tile_size != tile_size:
                result.state["tile_size"] = restorer.tile_size
                result.save_state()
            update(job.out_channels)
            return target, restored

        def write(item: tuple[Target, Array]) -> None:
            target, restored = item
            planes = job.to_grey(restored, target, normalizations)
            for place, plane in zip(job.planes(target), planes, strict=True):
                result.write_plane(*place, plane)
                if on_plane is not None:
                    on_plane(*place)

        try:
            run_overlapped(job.windows(normalizations, restorer.load, is_done), work, write)
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
