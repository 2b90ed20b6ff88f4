"""Submission of the tasks of a run to a cluster, and collection of what they have written."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import decrappify.errors
from decrappify._common.progress import Cancel, check_cancel
from decrappify.errors import DecrappifyError, DeviceMemoryError, InputError
from decrappify.movie import Plane
from decrappify.restoration.distributed.cluster import address_of, lost_scheduler
from decrappify.restoration.distributed.worker import Report, Written, restore_region
from decrappify.restoration.frames.reading import Repairs
from decrappify.restoration.job.region import Region

if TYPE_CHECKING:
    from decrappify.restoration.distributed.recipe import Recipe

_PAUSE_S = 0.3


def run_task(client: Any, function: Callable[..., Report], *arguments: Any, cancel: Cancel | None = None) -> Any:
    """Run one task on any worker and return its value.

    Raises
    ------
    DecrappifyError
        The error of the task, or of the cluster.
    """
    found: list[Any] = []
    _collect(client, {client.submit(function, *arguments, pure=False): None}, lambda _, value: found.append(value),
             cancel=cancel)  # fmt: skip
    return found[0]


def run_regions(
    client: Any,
    recipe: Recipe,
    token: str,
    regions: Mapping[Region, set[Plane]],
    on_written: Callable[[Region, Written], None],
    *,
    known: Mapping[Plane, Repairs],
    cancel: Cancel | None,
) -> None:
    """Restore regions on the workers of a cluster.

    Parameters
    ----------
    client : Client
        Client of the cluster.
    recipe : Recipe
        The run.
    token : str
        Token of this process.
    regions : mapping of Region to set of (t, c, z)
        The regions, with their finished planes.
    on_written : callable
        Called with each finished region and what was written, in any order.
    known : mapping of (t, c, z) to Repairs
        Planes of the input of which the rectangles can be read alone.
    cancel : threading.Event, optional
        Checked several times a second.

    Raises
    ------
    DecrappifyError
        The first error of a task; RemoteError for a lost scheduler; DeviceMemoryError for workers that were killed.
    """
    futures = {}
    for region, done in regions.items():
        used = None if region.rectangle is None else known
        key = f"{region.name}-{recipe.key}"
        futures[client.submit(restore_region, recipe, token, region, done, used, pure=False, key=key)] = region
    _collect(client, futures, on_written, cancel=cancel)


def _collect(
    client: Any, futures: Mapping[Any, Any], on_value: Callable[[Any, Any], None], *, cancel: Cancel | None
) -> None:
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pending = dict(futures)
    for future in futures:
        future.add_done_callback(ended.put)
    try:
        while pending:
            check_cancel(cancel, "cancelled")
            try:
                future = ended.get(timeout=_PAUSE_S)
            except queue.Empty:
                if client.status not in ("running", "connecting"):
                    raise lost_scheduler(client) from None
                continue
            item = pending.pop(future)
            on_value(item, _value(client, future, item))
            future.release()
    finally:
        for future in pending:
            future.release()


def _value(client: Any, future: Any, item: Any) -> Any:
    if future.status in ("cancelled", "lost"):
        raise lost_scheduler(client)
    if future.status == "error":
        raise _task_error(client, future.exception(), item)
    report: Report = future.result()
    if report.pid != os.getpid():  # otherwise they were shown already
        for name, level, text in report.messages:
            logging.getLogger(name).log(level, "%s", text)
    if report.error is not None:
        raise _own_error(*report.error)
    return report.value


def _own_error(kind: str, message: str) -> DecrappifyError:
    """Return an error of this package by the name of its class."""
    found = getattr(decrappify.errors, kind, None)
    if isinstance(found, type) and issubclass(found, DecrappifyError):
        return found(message)
    return InputError(message)


def _task_error(client: Any, error: BaseException, item: Any) -> BaseException:
    """Return the error of a task that Dask could not run, or that is not an error of this package."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        what = "the choice of the network" if item is None else item.description
        return DeviceMemoryError(
            f"several workers of {address_of(client)} were killed during {what}, probably for lack of memory; use "
            "fewer workers on a machine, or smaller tiles, and repeat the call to restore the rest"
        )
    if isinstance(error, ImportError | AttributeError):
        return InputError(f"a worker of {address_of(client)} cannot run the task ({error}); install the same release")
    if type(error).__name__ in ("CancelledError", "FutureCancelledError", "FuturesCancelledError"):
        return lost_scheduler(client)
    return error
