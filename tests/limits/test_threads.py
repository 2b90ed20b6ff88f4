from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from decrappify.errors import ThreadLimitError
from decrappify.limits.threads import check_threads, check_zarr_threads, is_thread_limit, threads_that_start

# Zarr marks its loop as started before starting its thread; if that fails, the next call blocks indefinitely.
ZARR_WITHOUT_THREADS = """
import sys, threading
from decrappify.io import open_movie
from decrappify.errors import ThreadLimitError
threading.stack_size(1 << 46)
for _ in range(2):
    try:
        open_movie(sys.argv[1]).frame(0)
    except ThreadLimitError as error:
        print(error)
"""


@pytest.fixture
def no_threads():
    """Prevent the start of threads by a stack size of 2**46 bytes."""
    before = threading.stack_size(1 << 46)
    yield
    threading.stack_size(before)


def test_threads_that_start_stops_its_threads():
    before = threading.active_count()
    assert threads_that_start(3) == 3
    assert threading.active_count() == before


def test_check_threads_names_needed_and_possible(no_threads):
    with pytest.raises(ThreadLimitError, match=r"restoring needs 2 threads, 0 can be started: .*OMP_NUM_THREADS=1"):
        check_threads(2, "restoring")


def test_is_thread_limit_recognizes_the_error_of_python(no_threads):
    with pytest.raises(RuntimeError) as caught:
        threading.Thread(target=print).start()
    assert is_thread_limit(caught.value)
    assert not is_thread_limit(RuntimeError("shapes do not match"))


def test_check_zarr_threads_passes_if_threads_can_start():
    check_zarr_threads()


def test_open_movie_of_zarr_raises_if_no_thread_can_start(tmp_path):
    import numpy as np

    from decrappify.io import save_movie
    from decrappify.movie import Movie

    path = save_movie(Movie.from_array(np.ones((2, 8, 8), np.uint16)), tmp_path / "cells.ome.zarr")
    command = [sys.executable, "-c", ZARR_WITHOUT_THREADS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.count("reading and writing Zarr needs 2 threads, 0 can be started") == 2, done.stderr
