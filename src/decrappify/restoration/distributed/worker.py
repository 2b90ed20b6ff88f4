"""Functions that run on a worker: choice of the network's settings, and restoration of a region."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from decrappify._common.plugins import load_plugin
from decrappify._common.processes.allocator import keep_freed_blocks
from decrappify._common.processes.processor import present_runtime, take_up_runtime, threads_put_back
from decrappify._version import RELEASE
from decrappify.errors import Cancelled, DecrappifyError, InputError
from decrappify.inference.memory import memory_shared_by
from decrappify.io import open_movie
from decrappify.io.formats.omezarr.writing.region_writer import RegionWriter
from decrappify.io.integrity.missing_planes import missing_reported
from decrappify.io.store.durable import read_json
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.io.store.planes.regions import has_token, regions_folder
from decrappify.io.store.working_paths import working_path
from decrappify.limits.reached import limit_errors
from decrappify.movie import Movie, Plane
from decrappify.restoration.distributed.division import recorded_rectangles, rectangles_of
from decrappify.restoration.distributed.recipe import Recipe
from decrappify.restoration.frames.reading import Repairs
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.region import Region
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.resuming import changed_settings, run_key, settings_of
from decrappify.restoration.run.network import check_window_memory, chosen_device, frame_shape, prepared_restorer
from decrappify.restoration.run.plan import RestorationPlan, chosen_network, make_plan
from decrappify.restoration.run.windows import run_windows
from decrappify.restoration.tiling.restorer import Restorer

PLAN = "plan.json"  # in the folder of the regions: the state of the run, which workers read
_LONGEST_WAIT_S = 600.0  # for a worker that is regarded as lost, but still writes the region
_CHECK_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of a task.

    Attributes
    ----------
    value : object
        Return value of the function; None after an error.
    error : tuple of str or None
        Class and message of an error of this package.
    messages : list of (str, int, str)
        Logger, level and text of the log messages.
    pid : int
        The process.
    """

    value: Any = None
    error: tuple[str, str] | None = None
    messages: list[tuple[str, int, str]] = field(default_factory=list)
    pid: int = field(default_factory=os.getpid)


@dataclass(frozen=True, slots=True)
class Written:
    """Planes that a task has written.

    Attributes
    ----------
    planes : list of (t, c, z)
        Planes of which the region is finished and on the disk.
    notes : list of ((t, c, z), mapping)
        Values recorded with planes.
    tile_size : int
        Tile size used; smaller than planned after running out of memory.
    processor : str
        Types of processors that have computed the run, see `decrappify._common.processes.processor`.
    """

    planes: list[Plane]
    notes: list[tuple[Plane, dict[str, Any]]]
    tile_size: int
    processor: str


def reported(function: Callable[..., T]) -> Callable[..., Report]:
    """Return the function as a task that returns a `Report`: errors of this package cannot all be pickled."""

    @wraps(function)
    def task(*arguments: Any) -> Report:
        keep_freed_blocks()
        with _collected() as messages, _one_at_a_time:
            try:
                with limit_errors("restoring a region"), threads_put_back():
                    return Report(value=function(*arguments), messages=messages)
            except (DecrappifyError, OSError) as error:
                _forget()
                kind = type(error).__name__ if isinstance(error, DecrappifyError) else "OutputError"
                return Report(error=(kind, str(DecrappifyError(error))), messages=messages)
            except BaseException:
                _forget()
                raise

    return task


@reported
def choose_network(
    recipe: Recipe, begun: Mapping[str, Any], threads: int, n_workers: int
) -> tuple[dict[str, Any], dict[str, Any], list[Rectangle]]:
    """Return the values chosen for the network, threads and processor of this worker, and the division of frames.

    Parameters
    ----------
    recipe : Recipe
        The run.
    begun : mapping
        State of the interrupted run; empty for a new one.
    threads : int
        Number of threads for a new run.
    n_workers : int
        Number of workers.
    """
    opened = _opened(recipe)
    device = chosen_device(recipe.inference.device, begun)
    runtime = _runtime(begun, threads, device)
    with memory_shared_by(recipe.n_sharing):
        restorer = _restorer(opened.job, recipe, begun, device, None)
        rectangles = rectangles_of(opened.job, restorer.grid(frame_shape(opened.job)), begun, n_workers)
        n_planes = opened.job.shape[0] * opened.job.shape[2]
        are_divided = bool(rectangles) and (n_planes < n_workers or bool(recorded_rectangles(begun)))
        for rectangle in rectangles if are_divided else [None]:
            check_window_memory(opened.job, restorer, rectangle)
    return chosen_network(restorer), runtime, rectangles


@reported
def restore_region(
    recipe: Recipe,
    token: str,
    region: Region,
    done: Collection[Plane],
    known: Mapping[Plane, Repairs] | None = None,
) -> Written:
    """Restore the planes of a region that are not done, or its rectangle of them, into the growing store.

    Parameters
    ----------
    recipe : Recipe
        The run.
    token : str
        Token of the coordinating process, without which the task ends.
    region : Region
        Frames and slices, and perhaps the rectangle.
    done : collection of (t, c, z)
        Planes that are finished, in the rectangle.
    known : mapping of (t, c, z) to Repairs, optional
        Planes of the input of which the rectangle can be read alone.

    Raises
    ------
    Cancelled
        If the coordinating process has ended, or has been stopped.
    """
    opened = _opened(recipe)
    job = opened.job
    fence = Fence(working_path(recipe.output), token)
    writer = RegionWriter(
        recipe.output,
        region.name,
        shape=job.shape,
        dtype=job.dtype,
        done=done,
        rectangle=region.rectangle,
        longest_wait_s=_LONGEST_WAIT_S,
    )
    try:
        if fence.is_set():
            raise Cancelled("another run writes this output now")
        plan, restorer = _prepared(opened, fence, region.rectangle)
        runtime = take_up_runtime(plan.runtime, plan.device)
        run_windows(plan, restorer, writer, opened.inputs, region=region, known=known)
        writer.synchronize()
        return Written(sorted(writer.written), sorted(writer.notes.items()), restorer.tile_size, runtime["processor"])
    finally:
        writer.close()


def _runtime(begun: Mapping[str, Any], threads: int, device: Any) -> dict[str, Any]:
    """Return the recorded threads and processor of an interrupted run, else those of this worker for a new one."""
    return take_up_runtime(begun.get("runtime"), device) if begun else present_runtime(device) | {"threads": threads}


def describe_worker() -> dict[str, Any]:
    """Return the release of this package on a worker."""
    return {"release": RELEASE}


class Fence:
    """A request to stop, which is set when the token of the coordinating process is not valid any more."""

    def __init__(self, working: Path, token: str) -> None:
        self._working, self._token = working, token
        self._checked_at, self._is_set = float("-inf"), False

    def is_set(self) -> bool:
        """Return whether the token was replaced; the file is read at most once a second."""
        if not self._is_set and time.monotonic() - self._checked_at > _CHECK_S:
            self._is_set = not has_token(self._working, self._token)
            self._checked_at = time.monotonic()
        return self._is_set


class _Opened:
    """The movie and models of a recipe, and once the run has begun its plan and the network."""

    def __init__(self, recipe: Recipe) -> None:
        if recipe.release != RELEASE:
            raise InputError(
                f"a worker has decrappify {RELEASE}, this process has {recipe.release}; install the same release there"
            )
        for file in filter(None, recipe.plugins.split(os.pathsep)):
            load_plugin(file)
        self.recipe = recipe
        with missing_reported():  # by the coordinating process
            self.movie: Movie = open_movie(recipe.movie.path, **recipe.movie.options)
        try:
            self.inputs = InputRecord(self.movie)
            self.job = Job(self.inputs.movie, recipe.options.models(recipe.model), recipe.options)
            _check_same(recipe, self.job)
        except BaseException:
            self.movie.close()
            raise
        self.planned: tuple[RestorationPlan, Restorer] | None = None


_one_at_a_time = threading.Lock()  # the network and its memory exist once
_kept: list[_Opened] = []


def _opened(recipe: Recipe) -> _Opened:
    """Return what this process has opened for a recipe; only the latest one is kept."""
    if not _kept or _kept[0].recipe.key != recipe.key:
        _forget()
        _kept.append(_Opened(recipe))
    return _kept[0]


def _forget() -> None:
    while _kept:
        _kept.pop().movie.close()


def _check_same(recipe: Recipe, job: Job) -> None:
    found = settings_of(job)
    if run_key(found) != run_key(recipe.settings):
        changes = changed_settings(recipe.settings, found) or ["the settings differ"]
        raise InputError(
            f"a worker finds another input or model than this process ({'; '.join(changes)}); use paths that lead to "
            "the same files on all machines"
        )


def _restorer(job: Job, recipe: Recipe, begun: Mapping[str, Any], device: Any, fence: Fence | None) -> Restorer:
    return prepared_restorer(job, recipe.inference, begun, device, killed=False, cancel=fence, checks_memory=False)


def _prepared(opened: _Opened, fence: Fence, rectangle: Rectangle | None) -> tuple[RestorationPlan, Restorer]:
    recipe, job = opened.recipe, opened.job
    if opened.planned is None:
        state = read_json(regions_folder(working_path(recipe.output)) / PLAN)
        if not state:
            raise Cancelled("another run writes this output now")
        device = chosen_device(recipe.inference.device, state)
        restorer = _restorer(job, recipe, state, device, fence)
        check_window_memory(job, restorer, rectangle)
        plan = make_plan(
            job, restorer, recipe.inference, settings=recipe.settings, runtime=state["runtime"], begun=state
        )
        opened.planned = plan, restorer
    plan, restorer = opened.planned
    restorer.cancel = fence
    return plan, restorer


@contextmanager
def _collected() -> Iterator[list[tuple[str, int, str]]]:
    """Collect the log messages of this package in this thread."""
    found: list[tuple[str, int, str]] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                found.append((record.name, record.levelno, record.getMessage()))

    handler, logger = Collector(), logging.getLogger("decrappify")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
