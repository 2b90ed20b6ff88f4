"""Real widgets in a real viewer; `make test-napari` runs these in a session of their own (see run.py)."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path, config):
    """Leave these tests to the session that has Qt."""
    return None if config.pluginmanager.hasplugin("pytestqt.plugin") else True


def pytest_collection_finish(session):
    """Keep what the imports made out of later garbage collections: napari asks for five of them for each viewer."""
    if not session.config.pluginmanager.hasplugin("pytestqt.plugin"):
        return
    import napari._qt.qt_main_window  # noqa: F401
    import torch  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Settings and a home folder that belong to the test."""
    from qtpy.QtCore import QSettings

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    return home


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Every thread that a test's widgets start ends with it."""
    yield
    deadline = time.monotonic() + 10
    while left := [thread.name for thread in threading.enumerate() if thread.name.startswith("decrappify")]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads are left: {left}")
        time.sleep(0.02)


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer whose window is shown, small, so that drawing it without a graphics card is quick."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 600)
    yield viewer
    gc.collect()
