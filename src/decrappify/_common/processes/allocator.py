"""Settings of the memory allocator of a process that decrappify owns."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of mallopt in glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # of glibc with 64 bits


def share_one_arena() -> bool:
    """Set all threads to allocate from one arena of glibc; return whether the allocator has this setting.

    By default each thread has a separate arena, and memory that the thread reading frames has freed is not used by
    the network: measured, 40 MB more for frames of 2048 x 2048 pixels. Only for processes started by the command line,
    as it applies to all libraries of a process.
    """
    return _set(_M_ARENA_MAX, 1)


def keep_freed_blocks() -> bool:
    """Set glibc to keep freed memory of tiles for the next tile; return whether the allocator has these settings.

    glibc does so by default, with the thresholds that are set here, unless the environment contains one of them. The
    workers of Dask are started with MALLOC_TRIM_THRESHOLD_ of 64 KiB: every tensor is then mapped and returned to the
    system, and a movie needs 15 to 20 % more time. At most 64 MiB are kept.
    """
    return _set(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD) and _set(_M_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)


def _set(parameter: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    except (OSError, AttributeError):  # musl
        return False
