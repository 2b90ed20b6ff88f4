"""Real widgets in a real viewer; `make test-napari` runs these tests in a separate session (see run.py)."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path, config):
    """Ignore these tests in sessions without Qt."""
    return None if config.pluginmanager.hasplugin("pytestqt.plugin") else True


def pytest_collection_finish(session):
    """Exclude imported objects from later garbage collections, of which napari runs five per viewer."""
    if not session.config.pluginmanager.hasplugin("pytestqt.plugin"):
        return
    import napari._qt.qt_main_window  # noqa: F401
    import torch  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Separate settings and home folder for each test."""
    from qtpy.QtCore import QSettings

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    return home


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Check that all threads started by the widgets of a test have ended."""
    yield
    deadline = time.monotonic() + 60  # the first import of the libraries for training
    while left := [thread.name for thread in threading.enumerate() if thread.name.startswith("decrappify")]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads are left: {left}")
        time.sleep(0.02)


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer with a visible window, small enough to be drawn fast without a graphics card."""
    gc.freeze()  # napari collects garbage several times per viewer: only among what the test creates
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 600)
    yield viewer
    gc.collect()


@pytest.fixture
def scene():
    """Viewer model without a window, as opening a window takes a second."""
    from napari.components import ViewerModel

    return ViewerModel()
