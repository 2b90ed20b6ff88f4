"""Connection to a Dask cluster, or start of a local one."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from decrappify._common.progress import Cancel, check_cancel
from decrappify._version import RELEASE
from decrappify.errors import InputError, MissingExtraError, RemoteError
from decrappify.restoration.distributed.worker import describe_worker

logger = logging.getLogger(__name__)

_PAUSE_S = 0.2
_ADDRESS = re.compile(r"(\w+://)?[^/\s]+:\d+(/.*)?|inproc://.+")


def check_dask() -> Any:
    """Import and return `distributed`.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "restoration on several workers needs the packages dask and distributed; install 'decrappify[dask]'"
        ) from error
    return distributed


def check_cluster(cluster: Any) -> None:
    """Check the argument `cluster` of `restore`.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    InputError
        If it is not a client, a cluster, an address or a number of workers.
    """
    distributed = check_dask()
    if isinstance(cluster, distributed.Client):
        if cluster.asynchronous:
            raise InputError("cluster is an asynchronous client, expected Client(..., asynchronous=False)")
    elif isinstance(cluster, int) and not isinstance(cluster, bool):
        if cluster < 1:
            raise InputError(f"{cluster} is not a number of local workers, expected at least 1")
    elif not isinstance(cluster, str) and not hasattr(cluster, "scheduler_address"):
        raise InputError(
            f"cluster has type {type(cluster).__name__}, expected a Dask client or cluster, the address of a scheduler "
            "such as 'tcp://host:8786', or a number of local workers"
        )


@contextmanager
def connected(cluster: Any) -> Iterator[Any]:
    """Yield a client of a cluster; a local cluster and a client that were created here are closed at the end.

    Parameters
    ----------
    cluster : Client, str, int or cluster object
        A client, the address of a scheduler, the number of workers of a local cluster with one thread each, or a
        cluster such as a ``SLURMCluster``.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    InputError
        If it is of another type.
    RemoteError
        If the scheduler cannot be reached.
    """
    distributed = check_dask()
    check_cluster(cluster)
    if isinstance(cluster, distributed.Client):
        yield cluster
    elif isinstance(cluster, int):
        with local_cluster(cluster) as local, distributed.Client(local, set_as_default=False) as client:
            yield client
    else:
        client = _client(distributed, cluster)
        try:
            yield client
        finally:
            client.close(timeout=5)


@contextmanager
def local_cluster(n_workers: int) -> Iterator[Any]:
    """Yield a cluster of worker processes on this machine, with one thread each.

    Dask's profiler is off: it interrupts the workers a hundred times a second, for 5 % of the CPU time.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    """
    distributed = check_dask()
    import dask

    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,  # Dask would pause and end workers; tiles are planned from the free memory
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # with the default port, a second run would warn
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


def _client(distributed: Any, cluster: Any) -> Any:
    name = cluster if isinstance(cluster, str) else cluster.scheduler_address
    if isinstance(cluster, str) and not _ADDRESS.fullmatch(cluster):  # a client without a port would wait for a minute
        raise InputError(f"{cluster} is not the address of a Dask scheduler, expected a port, such as tcp://host:8786")
    try:
        return distributed.Client(cluster, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else "no scheduler answers there"
        raise RemoteError(
            f"cannot connect to the Dask scheduler {name}: {reason}; check the address that `dask scheduler` printed"
        ) from error


def wait_for_worker(client: Any, cancel: Cancel | None) -> dict[str, Any]:
    """Wait for the first worker, and return the workers by address.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    RemoteError
        If the scheduler is lost meanwhile.
    """
    is_logged = False
    while True:
        check_cancel(cancel, "cancelled while waiting for workers")
        if client.status != "running":
            raise lost_scheduler(client)
        workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
        if workers:
            return workers
        if not is_logged:
            logger.warning("waiting for workers of the scheduler %s", address_of(client))
            is_logged = True
        time.sleep(_PAUSE_S)


def check_workers(client: Any) -> None:
    """Raise InputError if the workers lack this package, or have another release of it."""
    try:
        found = client.run(describe_worker)
    except ImportError as error:
        raise InputError(
            f"the workers of {address_of(client)} cannot import decrappify ({error}); install decrappify {RELEASE} "
            "with the extra [dask] there"
        ) from error
    for address, worker in found.items():
        if worker["release"] != RELEASE:
            raise InputError(
                f"the worker {address} has decrappify {worker['release']}, this process has {RELEASE}; install the "
                "same release there"
            )


def n_sharing(workers: dict[str, Any]) -> int:
    """Return the largest number of workers on one machine.

    >>> n_sharing({"tcp://a:1": {"host": "a"}, "tcp://a:2": {"host": "a"}, "tcp://b:1": {"host": "b"}})
    2
    """
    return max(Counter(worker.get("host") for worker in workers.values()).values())


def address_of(client: Any) -> str:
    """Return the address of the scheduler of a client."""
    scheduler = getattr(client, "scheduler", None)
    return str(getattr(scheduler, "address", None) or "the cluster")


def lost_scheduler(client: Any) -> RemoteError:
    """Return the error for a scheduler that has ended."""
    return RemoteError(
        f"the connection to the Dask scheduler {address_of(client)} was lost; finished frames are kept, start the "
        "scheduler and repeat the call to restore the rest"
    )
