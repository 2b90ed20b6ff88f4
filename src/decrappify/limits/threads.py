"""Number of threads that this process may still start, limited by containers and batch systems."""

from __future__ import annotations

import threading
from functools import cache

from decrappify.errors import ThreadLimitError

_SIGN = "can't start new thread"


def threads_that_start(wanted: int) -> int:
    """Return how many of `wanted` additional threads can run, by starting them; they end immediately.

    >>> threads_that_start(2)
    2
    """
    leave = threading.Event()
    probes: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            probe = threading.Thread(target=leave.wait, name="decrappify-probe", daemon=True)
            probe.start()
            probes.append(probe)
    except (RuntimeError, MemoryError):  # the limit, or no memory for the thread's stack
        pass
    finally:
        leave.set()
        for probe in probes:
            probe.join()
    return len(probes)


def check_threads(wanted: int, what: str) -> None:
    """Raise ThreadLimitError if threads could not be started, which makes some libraries hang or exit.

    Raises
    ------
    ThreadLimitError
        If fewer than `wanted` can be started now.
    """
    started = threads_that_start(wanted)
    if started < wanted:
        raise ThreadLimitError(
            f"{what} needs {wanted} threads, {started} can be started: the limit on processes (pids of the container, "
            "ulimit -u) or on memory (ulimit -v) is reached; raise it, or set OMP_NUM_THREADS=1 to need fewer"
        )


@cache
def check_torch_threads() -> None:
    """Raise ThreadLimitError if torch could not start its threads: OpenMP would end the process without a message.

    Checked once per process, as the threads persist.

    Raises
    ------
    ThreadLimitError
        If its threads cannot be started.
    """
    import torch

    check_threads(torch.get_num_threads() - 1, "computing with torch")


def is_thread_limit(error: BaseException) -> bool:
    """Return whether an error means that a thread could not be started."""
    return isinstance(error, RuntimeError) and not isinstance(error, ThreadLimitError) and _SIGN in str(error)


def check_zarr_threads() -> None:
    """Raise ThreadLimitError if Zarr could not start its threads: it would wait forever for a failed first one.

    Raises
    ------
    ThreadLimitError
        If they are not running and cannot be started.
    """
    if not any(thread.name == "zarr_io" and thread.is_alive() for thread in threading.enumerate()):
        check_threads(2, "reading and writing Zarr")
