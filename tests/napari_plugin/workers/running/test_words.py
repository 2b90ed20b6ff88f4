from __future__ import annotations

import threading

from decrappify._common.argument_names import setting
from napari_decrappify.workers.running.outcome import Finished
from napari_decrappify.workers.running.task import Task
from napari_decrappify.workers.running.words import control_names


def test_control_names_apply_until_the_last_of_several_threads_ends():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with control_names():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with control_names():
        thread.start()
        assert entered.wait(10)
    assert setting("device", "cpu") == "the device CPU"
    leave.set()
    thread.join()
    assert setting("device", "cpu") == "device='cpu'"


def test_messages_of_a_job_name_controls():
    task = Task()
    task.run(lambda _, __: setting("overwrite", True), None)
    assert task.outcome == Finished("--overwrite on the command line")
    assert setting("overwrite", True) == "overwrite=True"
