from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import threading
from decrappify._common.processes.allocator import share_one_arena
print(share_one_arena())
blocks = []
threads = [threading.Thread(target=lambda: blocks.append(bytes(1 << 16))) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
import ctypes
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no arenas")
def test_share_one_arena_lets_threads_allocate_from_one():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert done.stderr.count("Arena ") == 1


FREED = """
import ctypes, sys
from decrappify._common.processes.allocator import keep_freed_blocks
if sys.argv[1] == "kept":
    assert keep_freed_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
for _ in range(2):
    libc.free(libc.malloc(24 << 20))
libc.malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such thresholds")
def test_keep_freed_blocks_keeps_a_large_block_in_an_environment_that_returns_it():
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    mapped = {}
    for setting in ("unset", "kept"):
        done = subprocess.run(
            [sys.executable, "-c", FREED, setting], capture_output=True, text=True, check=True, env=environment
        )
        mapped[setting] = int(done.stderr.rpartition("max mmap bytes   =")[2])
    assert mapped["unset"] >= 24 << 20  # a mapped block is returned when it is freed
    assert mapped["kept"] < 24 << 20
