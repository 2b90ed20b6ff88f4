"""Compare widget, driven by clicks."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from tests.napari_plugin.clicking import TIMEOUT, Driver, shown

from decrappify import Movie
from decrappify.metrics.scorecard import score_movie
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.widgets.compare import CompareWidget
from napari_decrappify.workers.movies.compared_movies import matching_frames, subtract


@pytest.fixture
def movies(rng):
    """Reference, degraded and restored, (T, Y, X) uint16."""
    y, x = np.mgrid[:40, :48]
    clean = np.stack([500 + 300 * np.sin(x / 5 + t / 3) * np.cos(y / 7) for t in range(8)])
    noisy, restored = (np.rint(clean + rng.normal(0, sigma, clean.shape)) for sigma in (60, 15))
    return [movie.astype(np.uint16) for movie in (clean, noisy, restored)]


@pytest.fixture
def scene(movies):
    scene = ViewerModel()
    for name, movie in zip(("clean", "noisy", "restored"), movies, strict=True):
        metadata = {"decrappify": {"restored_from": "noisy"}} if name == "restored" else {}
        scene.add_image(movie, name=name, scale=(2, 0.1, 0.1), axis_labels=("t", "y", "x"), metadata=metadata)
    return scene


@pytest.fixture
def compare(qtbot, scene):
    return shown(qtbot, CompareWidget, scene, "compare")


def table(compare):
    box = compare["table"]
    return [tuple(box.item(i, j).text() for j in range(3)) for i in range(box.rowCount())]


def test_table_shows_the_scorecard_and_is_copied(scene, compare, movies):
    clean, noisy, restored = movies
    assert compare["restored"].layer.name == "restored"
    assert compare["input"].layer.name == "noisy"  # recorded in the restored layer
    assert not compare["copy"].isEnabled()
    compare["reference"].layer = scene.layers["clean"]
    compare.run()
    expected = score_movie(restored, clean, noisy)
    assert table(compare) == expected.rows()
    assert {"PSNR", "SSIM", "flicker floor"} <= {metric for metric, *_ in table(compare)}
    assert compare.status == f"restored against clean and noisy: 8 frames, data range {expected.data_range:.4g}"
    assert compare["progress"].value() == compare["progress"].maximum() == 32
    compare.click("copy")
    lines = [tuple(line.split("\t")) for line in QApplication.clipboard().text().split("\n")]
    assert lines == [("Metric", "Value", "Interpretation"), *expected.rows()]


def test_table_without_reference_shows_blind_metrics(compare, movies):
    compare.run()
    assert table(compare) == score_movie(movies[2], source=movies[1]).rows()
    metrics = {metric for metric, *_ in table(compare)}
    assert "PSNR" not in metrics
    assert {"noise estimate", "flicker / input", "residual whiteness"} <= metrics


def test_difference_is_a_lazy_layer_in_place(scene, compare, qtbot, movies):
    compare["reference"].layer = scene.layers["clean"]
    compare.click("difference")
    qtbot.waitUntil(lambda: len(scene.layers) == 4, timeout=TIMEOUT)
    layer = scene.layers["restored − clean"]
    np.testing.assert_array_equal(np.asarray(layer.data), movies[2].astype(np.float32) - movies[0])
    np.testing.assert_allclose(layer.scale, (2, 0.1, 0.1))
    low, high = layer.contrast_limits
    assert low == -high
    assert 30 < high < 60  # noise with a standard deviation of 15
    assert layer.metadata["decrappify"]["difference_of"] == ["restored", "clean"]
    assert compare["run"].isEnabled()


def test_part_is_compared_with_the_same_time_points(scene, compare, movies):
    part = scene.add_image(movies[2][3:6], name="part", scale=(2, 0.1, 0.1), translate=(6, 0, 0), axis_labels="tyx")
    compare["restored"].layer = part
    compare["reference"].layer = scene.layers["clean"]
    compare["input"].layer = None
    compare.run()
    assert table(compare) == score_movie(movies[2][3:6], movies[0][3:6]).rows()
    part.translate = (14, 0, 0)
    with pytest.raises(ValueError, match="'part' corresponds to frames 7 to 9 of 'clean', which has frames 0 to 7"):
        matching_frames(LayerImage.of(part), LayerImage.of(scene.layers["clean"]))
    compare.run()
    assert compare.is_error
    assert "choose layers of the same time points" in compare.status


def test_displayed_slice_and_channel_are_compared(scene, compare, movies):
    layers = [
        scene.add_image(np.stack([movie[::-1], movie]), name=f"stack {name}", axis_labels=("z", "t", "y", "x"))
        for name, movie in zip(("clean", "restored"), (movies[0], movies[2]), strict=True)
    ]
    compare["restored"].layer, compare["reference"].layer, compare["input"].layer = layers[1], layers[0], None
    scene.dims.set_current_step(0, 1)
    compare.run()
    assert table(compare) == score_movie(movies[2], movies[0]).rows()


def test_other_shape_is_an_error_and_the_widget_remains_usable(scene, compare, movies):
    scene.add_image(movies[0][:, ::2, ::2], name="small")
    compare["restored"].layer = scene.layers["restored"]
    compare["reference"].layer = scene.layers["small"]
    compare["input"].layer = None
    compare.run()
    assert compare.is_error
    assert "\n" not in compare.status
    assert compare["table"].rowCount() == 0
    compare["reference"].layer = scene.layers["clean"]
    compare.run()
    assert not compare.is_error
    with pytest.raises(ValueError, match="choose layers of equal shape"):
        subtract(*(Movie.from_array(movie) for movie in (movies[0], movies[0][:, :10])))


def test_cancel_does_not_change_the_table(scene, compare, qtbot, rng):
    long = np.broadcast_to(rng.random((1, 300, 300), np.float32), (400, 300, 300))
    for name in ("long clean", "long"):
        scene.add_image(long, name=name, contrast_limits=(0, 1))
    compare["restored"].layer, compare["reference"].layer = scene.layers["long"], scene.layers["long clean"]
    compare["input"].layer = None
    compare.click("run")
    qtbot.waitUntil(lambda: compare["progress"].value() > 0, timeout=TIMEOUT)
    compare.click("cancel")
    compare.wait_for_end()
    assert compare.status.startswith("cancelled at frame ")
    assert compare.status.endswith("; the table and the layers are unchanged")
    assert compare["table"].rowCount() == 0


def test_compare_requires_reference_or_input(scene, compare):
    compare["input"].layer = None
    assert not compare["run"].isEnabled()
    assert not compare["difference"].isEnabled()
    compare["input"].layer = scene.layers["noisy"]
    assert compare["difference"].isEnabled()
    scene.layers.clear()
    assert not compare["run"].isEnabled()


def test_controls_have_names_and_tooltips(compare):
    assert compare.unnamed() == []
    assert not compare["table"].item(0, 0)
    assert compare["table"].editTriggers() == compare["table"].EditTrigger.NoEditTriggers


def test_closing_during_a_run_leaves_no_thread(viewer, qtbot, rng):
    long = np.broadcast_to(rng.random((1, 300, 300), np.float32), (400, 300, 300))
    viewer.add_image(long, name="long", contrast_limits=(0, 1))
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Compare")
    compare = Driver(qtbot, widget, "compare")
    compare["input"].layer = viewer.layers["long"]
    compare.click("run")
    running = widget._runner._running
    viewer.close()
    qtbot.waitUntil(lambda: running._thread is None, timeout=TIMEOUT)


def test_result_of_a_channel_is_compared_with_that_channel(qtbot, rng):
    scene = ViewerModel()
    pixels = rng.integers(90, 4000, (3, 2, 32, 40), dtype=np.uint16)
    axes = {"axis_labels": ("t", "c", "y", "x")}
    scene.add_image(pixels, name="cells", **axes)
    recorded = {"restored_from": "cells", "source": {"channel": 1}}
    recorded = {"blending": "additive", "metadata": {"decrappify": recorded}}
    scene.add_image(pixels[:, 1:], name="result", translate=(0, 1, 0, 0), **recorded, **axes)
    compare = shown(qtbot, CompareWidget, scene, "compare")
    assert compare["input"].layer.name == "cells"
    compare.click("difference")
    compare.wait_for_end()
    difference = scene.layers[-1]
    assert difference.translate[1] == 1
    assert difference.blending == "translucent_no_depth"  # over the result, not added to it
    np.testing.assert_array_equal(np.asarray(difference.data), np.zeros((3, 1, 32, 40)))
