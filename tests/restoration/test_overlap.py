from __future__ import annotations

import threading
import time

import pytest

from decrappify.restoration.overlap import run_overlapped


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_results_arrive_in_order(depth):
    written = []
    run_overlapped(range(50), lambda i: i * i, written.append, depth=depth)
    assert written == [i * i for i in range(50)]


def test_stages_run_at_the_same_time():
    def produce():
        for i in range(8):
            time.sleep(0.02)
            yield i

    start = time.perf_counter()
    run_overlapped(produce(), lambda i: time.sleep(0.02), lambda i: time.sleep(0.02))
    assert time.perf_counter() - start < 0.9 * 3 * 8 * 0.02


def test_reader_runs_ahead_by_the_depth_only():
    produced, ahead = [], []

    def produce():
        for i in range(30):
            produced.append(i)
            yield i

    def work(i):
        time.sleep(0.002)
        ahead.append(len(produced) - i)

    run_overlapped(produce(), work, lambda _: None, depth=2)
    assert max(ahead) <= 4  # one in work, two waiting, one ready to be handed over


class Broken(Exception):
    pass


@pytest.mark.parametrize("stage", ["reader", "work", "writer"])
@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_an_error_of_any_stage_is_raised_after_what_was_finished_is_written(stage, error):
    written = []

    def fail(i, here):
        if i == 5 and stage == here:
            raise error(here)
        return i

    with pytest.raises(error, match=stage):
        run_overlapped(
            (fail(i, "reader") for i in range(1000)),
            lambda i: fail(i, "work"),
            lambda i: written.append(fail(i, "writer")),
        )
    assert written == list(range(5))
