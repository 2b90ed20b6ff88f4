from __future__ import annotations

import logging
import threading
import time
import weakref
from contextlib import contextmanager

import pytest

from decrappify.restoration.run import threads
from decrappify.restoration.run.threads import run_overlapped


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_run_overlapped_writes_results_in_order(depth):
    written = []
    run_overlapped(range(50), lambda i: i * i, written.append, depth=depth)
    assert written == [i * i for i in range(50)]


def test_run_overlapped_runs_stages_concurrently():
    together = threading.Barrier(3, timeout=10)  # item 2 is read while item 1 is computed and item 0 written

    def wait_at(number, item):
        if item == number:
            together.wait()
        return item

    run_overlapped((wait_at(2, i) for i in range(3)), lambda i: wait_at(1, i), lambda i: wait_at(0, i))
    assert not together.broken


def test_run_overlapped_limits_the_lead_of_the_reader():
    produced, ahead = [], []

    def produce():
        for i in range(30):
            produced.append(i)
            yield i

    def work(i):
        time.sleep(0.002)
        ahead.append(len(produced) - i)

    run_overlapped(produce(), work, lambda _: None, depth=2)
    assert max(ahead) <= 3  # one in process, two in the queue


def test_run_overlapped_keeps_no_item_that_was_worked_on():
    class Frame:
        pass

    frames, alive = [], []

    def produce():
        for _ in range(10):
            frame = Frame()
            frames.append(weakref.ref(frame))
            yield frame
            del frame

    def work(_):
        time.sleep(0.005)
        alive.append(sum(frame() is not None for frame in frames))

    run_overlapped(produce(), work, lambda _: None)
    assert max(alive) <= 2  # one in process, one in the queue


class Broken(Exception):
    pass


@pytest.mark.parametrize("stage", ["reader", "work", "writer"])
@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_run_overlapped_raises_errors_after_writing_finished_planes(stage, error):
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


@contextmanager
def threads_that_fail(after=0):
    """Prevent the start of all threads but the first `after`, by a stack size of 2**46 bytes."""
    real_start, started = threading.Thread.start, []

    def start(thread):
        if len(started) < after:
            started.append(thread)
            return real_start(thread)
        before = threading.stack_size(1 << 46)
        try:
            return real_start(thread)
        finally:
            threading.stack_size(before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        yield


@pytest.mark.parametrize("started", [0, 1])
def test_run_overlapped_runs_sequentially_if_no_thread_starts(started, caplog):
    read, written = [], []

    def produce():
        for i in range(5):
            read.append(i)
            yield i

    with threads_that_fail(after=started), caplog.at_level(logging.WARNING):
        run_overlapped(produce(), lambda i: i * i, written.append)
    assert written == [0, 1, 4, 9, 16]
    assert read == list(range(5))
    assert caplog.messages == [
        "can't start new thread: reading, restoring and writing do not run concurrently, which is slower"
    ]


@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_channel_does_not_block_on_a_finished_thread(side):
    channel = threads._Channel(1)
    finished = threading.Thread(target=lambda: None)
    finished.start()
    finished.join()
    setattr(channel, side, finished)
    if side == "sender":
        assert list(channel) == []
    else:
        assert channel.put(1)
        assert not channel.put(2)


def test_run_overlapped_abandons_a_read_that_does_not_return(monkeypatch, caplog):
    monkeypatch.setattr(threads, "_LAST_READ_S", 0.1)
    reading, answer = threading.Event(), threading.Event()

    def produce():
        yield 0
        reading.set()
        answer.wait()

    def work(_):
        reading.wait(10)
        raise Broken("work")

    with pytest.raises(Broken):
        run_overlapped(produce(), work, lambda _: None)
    assert "reading the input timed out" in caplog.text
    answer.set()
    for thread in threading.enumerate():
        if thread.name.startswith("decrappify-restore"):
            thread.join()
