from __future__ import annotations

import logging
import time

import pytest
import torch
from qtpy.QtWidgets import QWidget

from decrappify.errors import Cancelled, InputError
from napari_decrappify.pace import Pace, Step, clock
from napari_decrappify.running import Runner

ENDS = ("succeeded", "failed", "cancelled")
TIMEOUT = 10_000


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def runner(parent):
    return Runner(parent)


def ending(qtbot, runner, work):
    """Run to the end and give every end that was told: exactly one is right."""
    told = []
    for name in ENDS:
        getattr(runner, name).connect(lambda value, name=name: told.append((name, value)))
    with qtbot.waitSignal(runner.finished, timeout=TIMEOUT):
        runner.start(work)
        assert runner.is_running
    assert not runner.is_running
    assert len(told) == 1
    return told[0]


def failing(error):
    def work(task):
        raise error

    return work


def test_a_result_arrives_in_the_gui_thread(qtbot, runner):
    assert ending(qtbot, runner, lambda task: 7) == ("succeeded", 7)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("frame 3 of cells holds NaN; repair the file"), "frame 3 of cells holds NaN; repair the file"),
        (RuntimeError("mat1 and mat2\nshapes differ"), "RuntimeError: mat1 and mat2; details are in the log"),
        (ValueError(), "ValueError: no message; details are in the log"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nGPU 0 has ..."),
            "out of memory: close other",
        ),
        (MemoryError(), "out of memory: close other"),
        (ImportError("No module named 'dask'"), "No module named 'dask'; install what is missing"),
        (SystemExit("stop"), "SystemExit: stop; details are in the log"),
    ],
)
def test_every_error_is_one_line_with_its_details_in_the_log(qtbot, runner, caplog, error, line):
    with caplog.at_level(logging.ERROR, "napari_decrappify"):
        kind, said = ending(qtbot, runner, failing(error))
    assert kind == "failed"
    assert said.startswith(line)
    assert "\n" not in said
    assert caplog.records[-1].exc_info[1] is error
    assert ending(qtbot, runner, lambda task: "usable again") == ("succeeded", "usable again")


@pytest.mark.parametrize("error", [Cancelled("stopped; 3 frames are kept"), Cancelled("3 of 9 planes")])
def test_a_cancelled_run_says_what_is_kept(qtbot, runner, error):
    assert ending(qtbot, runner, failing(error)) == ("cancelled", str(error))


def test_cancel_reaches_the_work(qtbot, runner):
    def work(task):
        assert task.cancel.wait(TIMEOUT / 1000)
        raise Cancelled("stopped")

    runner.started.connect(runner.cancel)
    assert ending(qtbot, runner, work) == ("cancelled", "stopped")


def test_reports_come_in_order_and_before_the_end(qtbot, runner):
    seen = []
    runner.reported.connect(seen.append)
    runner.finished.connect(lambda: seen.append("finished"))
    ending(qtbot, runner, lambda task: [task.report(i) for i in range(100)])
    assert seen == [*range(100), "finished"]


def test_progress_is_told_a_few_times_a_second_and_to_the_end(qtbot, runner):
    steps = []
    runner.progressed.connect(steps.append)

    def work(task):
        bar = task.progress(total=200, desc="counting", unit="sheep")
        for _ in range(200):
            bar.update(1)
            time.sleep(0.002)
        bar.close()

    ending(qtbot, runner, work)
    assert len(steps) <= 30
    assert (steps[-1].done, steps[-1].total, steps[-1].unit) == (200, 200, "sheep")


def test_only_one_run_at_a_time(qtbot, runner):
    runner.start(lambda task: task.cancel.wait(TIMEOUT / 1000))
    with pytest.raises(RuntimeError, match="already in progress"):
        runner.start(lambda task: None)
    runner.stop()


def test_stop_waits_for_the_thread(runner):
    ends = []
    runner.start(lambda task: (task.cancel.wait(TIMEOUT / 1000), ends.append("ended")))
    runner.stop()
    assert ends == ["ended"]
    assert not runner.is_running


def test_a_destroyed_widget_stops_its_work(qtbot):
    widget, ends = QWidget(), []
    runner = Runner(widget)
    runner.start(lambda task: (task.cancel.wait(TIMEOUT / 1000), ends.append("ended")))
    widget.deleteLater()
    qtbot.waitUntil(lambda: ends == ["ended"], timeout=TIMEOUT)


def test_the_time_left_comes_from_the_latest_pieces():
    times = iter([0.0, 2.0, 4.0])
    pace = Pace(10, "restoring", "plane", now=lambda: next(times))
    assert pace.step().seconds_left is None
    assert pace.add(4).seconds_left is None  # what a resumed run found done
    assert pace.add().seconds_left == pytest.approx(10)
    assert pace.add() == Step(6, 10, "restoring", "plane", pytest.approx(8))
    assert clock(8) == "0:08"
