"""Comparison of a preview with its input on the canvas."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QSlider
from tests.napari_plugin.clicking import TIMEOUT
from tests.napari_plugin.restoring import button, click, noisy, status


@pytest.fixture
def source(scene, widget, rng):
    source = scene.add_image(noisy(rng, (5, 96, 120)), name="cells", scale=(1, 0.5, 0.5), translate=(0, 3, 4))
    scene.dims.set_current_step(0, 3)
    return source


def preview_of(qtbot, scene, widget, name="cells [preview movie]"):
    click(qtbot, widget, "preview")
    qtbot.waitUntil(lambda: button(widget, "preview").isEnabled(), timeout=TIMEOUT)
    return scene.layers[name]


def test_split_is_outlined_and_labeled(scene, widget, qtbot, source):
    widget.findChild(QSlider, "restore_split").setValue(25)
    preview_of(qtbot, scene, widget)
    outline = scene.layers["split view"]
    left, right = outline.data
    assert {tuple(corner) for corner in left} == {(0, y, x) for y in (-0.5, 95.5) for x in (-0.5, 29.5)}
    assert {tuple(corner) for corner in right} == {(0, y, x) for y in (-0.5, 95.5) for x in (29.5, 119.5)}
    assert list(outline.text.values) == ["input", "movie"]
    np.testing.assert_allclose(outline.translate, (3, 3, 4))
    np.testing.assert_allclose(outline.scale, source.scale)
    assert outline not in scene.layers.selection
    widget.findChild(QSlider, "restore_split").setValue(0)
    assert list(outline.text.values) == ["movie"]
    width = outline.edge_width[0]
    scene.scene.camera.zoom *= 4
    assert outline.edge_width[0] == pytest.approx(width / 4)
    click(qtbot, widget, "clear")
    assert [layer.name for layer in scene.layers] == ["cells"]


def test_contrast_of_input_and_preview_is_linked(scene, widget, qtbot, source):
    preview = preview_of(qtbot, scene, widget)
    source.contrast_limits = (200, 3000)
    assert tuple(preview.contrast_limits) == (200, 3000)
    preview.gamma = 0.5
    assert source.gamma == 0.5
    click(qtbot, widget, "clear")
    source.contrast_limits = (100, 2000)
    assert tuple(preview.contrast_limits) == (200, 3000)


def test_preview_of_an_additive_channel_is_not_added_to_it(scene, widget, qtbot, source):
    source.blending = "additive"
    assert preview_of(qtbot, scene, widget).blending == "translucent_no_depth"


def test_preview_of_another_frame_is_removed(scene, widget, qtbot, source):
    preview_of(qtbot, scene, widget)
    scene.dims.set_current_step(0, 3)
    assert len(scene.layers) == 3
    scene.dims.set_current_step(0, 4)
    assert [layer.name for layer in scene.layers] == ["cells"]
    click(qtbot, widget, "preview")
    scene.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: button(widget, "preview").isEnabled(), timeout=TIMEOUT)
    assert [layer.name for layer in scene.layers] == ["cells"]
    assert status(widget) == "another frame is displayed by now; click Preview again"


def test_preview_of_a_color_image_is_in_color(scene, widget, qtbot, rng, tiny_models):
    scene.add_image(rng.integers(0, 255, (64, 80, 3), dtype=np.uint8), name="photo", rgb=True)
    widget._model.add_file(tiny_models["still"])
    preview = preview_of(qtbot, scene, widget, "photo [preview still]")
    assert preview.rgb
    assert preview.data.shape == (64, 80, 3)
    assert scene.layers["split view"].ndim == 2
