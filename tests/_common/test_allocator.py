from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import threading
from decrappify._common.allocator import share_one_arena
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
