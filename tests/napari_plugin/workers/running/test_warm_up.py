"""Imports in advance, and the garbage collections that they would cause."""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import pytest

from napari_decrappify.workers.running.warm_up import collection_paused

# The first adaptation in a new process, and the longest collection during it in seconds of the processor.
FIRST_RUN = """
import gc, json, sys, threading, time
from functools import partial
from pathlib import Path
import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication, QPushButton
from decrappify import AdaptationConfig
from napari_decrappify.widgets.adapt import AdaptWidget
from napari_decrappify.workers.models import adapt

folder = sys.argv[1]
QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
small = {"max_steps": 4, "validate_every": 2, "batch_size": 4, "patch_size": 32}
adapt.AdaptationConfig = partial(AdaptationConfig, **small)
pauses, begin = [0.0], []

def measure(phase, info):
    if phase == "start":
        begin[:] = [time.thread_time()]
    else:
        pauses.append(time.thread_time() - begin[0])

application = QApplication([])
scene = ViewerModel()
expected = np.stack([np.roll(np.tile(np.linspace(20, 400, 96), (96, 1)), t, axis=1) for t in range(20)])
scene.add_image((100 + 2 * np.random.default_rng(0).poisson(expected)).astype(np.uint16), name="cells")
widget = AdaptWidget(scene)
widget._folder.line.setText(folder)
while any(thread.name == "decrappify-warm-up" for thread in threading.enumerate()):
    application.processEvents()
    time.sleep(0.01)
modules = set(sys.modules)
gc.callbacks.append(measure)
button = widget.findChild(QPushButton, "adapt_run")
button.click()
while not button.isEnabled():
    application.processEvents()
    time.sleep(0.001)
gc.callbacks.clear()
libraries = ("torch", "lightning_fabric", "matplotlib")
late = [name for name in set(sys.modules) - modules if name.split(".")[0] in libraries]
print(json.dumps([widget._panel.text, max(pauses), len(late)]))
widget.close()
"""


@pytest.mark.parametrize("has_frozen", [True, False])
def test_objects_created_in_a_pause_are_not_in_young_generations_unless_others_are_frozen(has_frozen):
    before = gc.get_freeze_count()
    assert before > 0  # by tests/napari_plugin/conftest.py
    if not has_frozen:
        gc.unfreeze()
    collections = []
    gc.callbacks.append(lambda phase, info: collections.append(phase))
    try:
        with collection_paused():
            created = [[number] for number in range(50_000)]
            assert not gc.isenabled()
            assert collections == []
        assert gc.isenabled()
        young = {id(each) for generation in (0, 1) for each in gc.get_objects(generation)}
        assert young.isdisjoint(map(id, created)) != has_frozen
        assert gc.get_freeze_count() == (before if has_frozen else 0)
    finally:
        gc.callbacks.pop()
        if not has_frozen:
            gc.freeze()


@pytest.mark.slow
def test_first_adaptation_neither_imports_nor_collects(tmp_path):
    result = subprocess.run([sys.executable, "-c", FIRST_RUN, tmp_path], capture_output=True, text=True, check=True)
    status, longest, n_late = json.loads(result.stdout.splitlines()[-1])
    assert status.startswith("4 steps in "), status
    assert longest < 0.1
    assert n_late < 30
