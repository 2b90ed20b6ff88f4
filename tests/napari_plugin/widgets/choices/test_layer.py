from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_decrappify.widgets.choices.layer import AxesChoice, LayerChoice


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def layers(qtbot, model):
    box = LayerChoice(model, "layer", "a layer")
    qtbot.addWidget(box)
    yield box
    box.disconnect_viewer()


def items(box):
    return [box.itemText(i) for i in range(box.count())]


def test_layer_choice_follows_the_viewer_and_keeps_the_choice(model, layers, qtbot):
    changes = []
    layers.layer_changed.connect(lambda: changes.append(layers.layer and layers.layer.name))
    first = model.add_image(np.zeros((4, 4)), name="first")
    model.add_labels(np.zeros((4, 4), int), name="labels")
    second = model.add_image(np.zeros((4, 4)), name="second")
    assert (items(layers), layers.layer) == (["second", "first"], first)
    first.name = "renamed"
    assert (items(layers), layers.layer) == (["second", "renamed"], first)
    model.layers.remove(first)
    assert (items(layers), layers.layer) == (["second"], second)
    model.layers.clear()
    assert layers.layer is None
    assert changes == ["first", "second", None]


def test_layer_choice_has_an_optional_empty_entry(model, qtbot):
    box = LayerChoice(model, "reference", "a reference", empty="no reference")
    qtbot.addWidget(box)
    model.add_image(np.zeros((4, 4)), name="clean")
    assert (items(box), box.layer) == (["no reference", "clean"], None)
    box.disconnect_viewer()


def test_axes_choice_lists_labels_first(model, qtbot):
    box = AxesChoice("axes")
    qtbot.addWidget(box)
    box.follow(model.add_image(np.zeros((5, 4, 4)), axis_labels=("z", "y", "x")))
    assert items(box) == ["ZYX", "TYX", "CYX"]
    box.follow(model.add_image(np.zeros((5, 4, 4, 3), np.uint8), rgb=True))
    assert items(box)[0] == "TYX"
    box.follow(None)
    assert box.axes is None
