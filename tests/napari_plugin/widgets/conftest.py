"""A Restore widget with a small model."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLineEdit
from tests.napari_plugin.clicking import shown

from napari_decrappify.widgets.restore import RestoreWidget


@pytest.fixture
def widget(request, qtbot, tiny_models):
    """Restore widget in the window of `viewer` if the test uses one, otherwise with the layers of `scene`."""
    if "viewer" in request.fixturenames:
        _, widget = request.getfixturevalue("viewer").window.add_plugin_dock_widget("decrappify", "Restore")
    else:
        widget = shown(qtbot, RestoreWidget, request.getfixturevalue("scene"), "restore").widget
    widget._model.add_file(tiny_models["movie"])
    return widget


@pytest.fixture
def results(widget, tmp_path):
    folder = tmp_path / "results"
    widget.findChild(QLineEdit, "restore_folder").setText(str(folder))
    return folder
