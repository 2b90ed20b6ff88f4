from __future__ import annotations

import logging
import time

import pytest
import torch
from qtpy.QtWidgets import QWidget

from decrappify.errors import Cancelled, InputError
from napari_decrappify.workers.running.outcome import Failed, Finished, Stopped
from napari_decrappify.workers.running.progress import Pace, Step, clock
from napari_decrappify.workers.running.runner import Runner

TIMEOUT = 10_000


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def runner(parent):
    return Runner(parent)


def outcome_of(qtbot, runner, job, settings=None):
    """Run a job to the end and return its only outcome."""
    outcomes = []
    runner.ended.connect(outcomes.append)
    with qtbot.waitSignal(runner.ended, timeout=TIMEOUT):
        runner.start(job, settings)
        assert runner.is_running
    assert not runner.is_running
    runner.ended.disconnect(outcomes.append)
    (outcome,) = outcomes
    return outcome


def raising(error):
    def job(settings, task):
        raise error

    return job


def wait_for_cancel(settings, task):
    assert task.cancel.wait(TIMEOUT / 1000)
    task.check_cancel()


def test_runner_passes_settings_and_returns_result(qtbot, runner):
    assert outcome_of(qtbot, runner, lambda settings, task: settings + 1, 6) == Finished(7)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("frame 3 of cells is damaged; repair the file"), "frame 3 of cells is damaged; repair the file"),
        (
            InputError("frame 3 contains NaN", advice="pass nan='fill'", option="nan"),
            "frame 3 contains NaN; choose other frames",
        ),
        (RuntimeError("mat1 and mat2\nshapes differ"), "RuntimeError: mat1 and mat2; details are in the log"),
        (ValueError(), "ValueError: no message; details are in the log"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nGPU 0 has ..."),
            "out of memory; close other",
        ),
        (MemoryError(), "out of memory; close other"),
        (ImportError("No module named 'dask'"), "No module named 'dask'; install the missing package"),
        (SystemExit("stop"), "SystemExit: stop; details are in the log"),
    ],
)
def test_failed_run_has_one_line_with_details_in_the_log(qtbot, runner, caplog, error, line):
    with caplog.at_level(logging.ERROR, "napari_decrappify"):
        outcome = outcome_of(qtbot, runner, raising(error))
    assert isinstance(outcome, Failed)
    assert outcome.error is error
    assert outcome.message.startswith(line)
    assert "\n" not in outcome.message
    assert "--" not in outcome.message
    assert caplog.records[-1].exc_info[1] is error
    assert outcome_of(qtbot, runner, lambda settings, task: "usable") == Finished("usable")


@pytest.mark.parametrize("job", [wait_for_cancel, raising(Cancelled("3 of 9 planes"))])
def test_cancelled_run_has_no_message_of_the_library(qtbot, runner, job):
    runner.started.connect(runner.cancel)
    assert outcome_of(qtbot, runner, job) == Stopped(None)


def test_cancelled_run_has_its_progress(qtbot, runner):
    def job(settings, task):
        task.progress(total=9, desc="restoring", unit="plane", initial=4)
        wait_for_cancel(settings, task)

    runner.progressed.connect(lambda _: runner.cancel())
    outcome = outcome_of(qtbot, runner, job)
    assert outcome.text() == "cancelled at plane 4 of 9"


def test_reports_arrive_in_order_before_the_end(qtbot, runner):
    seen = []
    runner.reported.connect(seen.append)
    runner.ended.connect(lambda _: seen.append("ended"))
    outcome_of(qtbot, runner, lambda settings, task: [task.report(i) for i in range(100)])
    assert seen == [*range(100), "ended"]


def test_progress_is_signaled_a_few_times_a_second(qtbot, runner):
    steps = []
    runner.progressed.connect(steps.append)

    def job(settings, task):
        bar = task.progress(total=200, desc="counting", unit="frame")
        for _ in range(200):
            bar.update(1)
            time.sleep(0.002)
        bar.close()

    outcome_of(qtbot, runner, job)
    assert len(steps) <= 30
    assert (steps[-1].done, steps[-1].total, steps[-1].unit) == (200, 200, "frame")


def test_start_raises_during_a_run(runner):
    runner.start(wait_for_cancel, None)
    with pytest.raises(RuntimeError, match="already in progress"):
        runner.start(wait_for_cancel, None)
    runner.stop()


def test_stop_waits_for_the_thread(runner):
    ends = []
    runner.start(lambda settings, task: (task.cancel.wait(TIMEOUT / 1000), ends.append("ended")), None)
    runner.stop()
    assert ends == ["ended"]
    assert not runner.is_running


def test_destroyed_widget_stops_its_run(qtbot):
    widget, ends = QWidget(), []
    runner = Runner(widget)
    runner.start(lambda settings, task: (task.cancel.wait(TIMEOUT / 1000), ends.append("ended")), None)
    widget.deleteLater()
    qtbot.waitUntil(lambda: ends == ["ended"], timeout=TIMEOUT)


def test_pace_estimates_time_left_from_the_latest_pieces():
    times = iter([0.0, 2.0, 4.0])
    pace = Pace(10, "restoring", "plane", now=lambda: next(times))
    assert pace.step().seconds_left is None
    assert pace.add(4).seconds_left is None  # finished before a resumed run
    assert pace.add().seconds_left == pytest.approx(10)
    assert pace.add() == Step(6, 10, "restoring", "plane", pytest.approx(8))
    assert clock(8) == "0:08"
