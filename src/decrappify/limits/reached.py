"""Detection of errors of Python, torch and the runtimes that mean a reached limit, and their one-line errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from decrappify.errors import DecrappifyError, DeviceMemoryError, ThreadLimitError
from decrappify.limits.memory import available_memory, in_units
from decrappify.limits.threads import is_thread_limit

# Messages of torch's allocator, oneDNN, C++, OpenVINO and ONNX Runtime on insufficient memory.
_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "could not create a primitive",
    "could not create a memory",
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "unable to allocate",
    "bad_array_new_length",
)
# Messages of the loader if a library, such as that of torch, does not fit into the address space.
_OF_LIBRARIES = ("failed to map segment", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means insufficient memory."""
    if isinstance(error, DecrappifyError):
        return False
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ImportError):
        return any(sign in str(error).lower() for sign in _OF_LIBRARIES)
    # ONNX Runtime's errors derive from Exception only.
    if not isinstance(error, RuntimeError) and not type(error).__module__.startswith("onnxruntime"):
        return False
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


def raise_if_limit(error: BaseException, what: str) -> None:
    """Raise the one-line error of a reached limit if `error` indicates one.

    Handlers of damaged files call it first: an out-of-memory error does not mean a damaged file.

    Parameters
    ----------
    error : BaseException
        The caught exception.
    what : str
        The failed operation, such as ``"reading cells.tif"``.

    Raises
    ------
    DeviceMemoryError, ThreadLimitError
        If memory was insufficient, or a thread could not be started.
    """
    if is_out_of_memory(error):
        raise DeviceMemoryError(
            f"memory ran out while {what}{_free_memory()}; close other programs, raise the memory limit of this "
            "process or its container, or use a smaller part of the data"
        ) from error
    if is_thread_limit(error):
        raise ThreadLimitError(
            f"a thread could not be started while {what}: the limit on processes (pids of the container, ulimit -u) or "
            "on memory (ulimit -v) is reached; raise it, or set OMP_NUM_THREADS=1 to need fewer"
        ) from error


def _free_memory() -> str:
    try:
        return f" ({in_units(available_memory())} are free)"
    except (MemoryError, ImportError, OSError):  # not enough memory to determine it
        return ""


@contextmanager
def limit_errors(what: str) -> Iterator[None]:
    """Convert the errors of a reached limit into one line each, as `raise_if_limit` does; others are not changed."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        raise_if_limit(error, what)
        raise
