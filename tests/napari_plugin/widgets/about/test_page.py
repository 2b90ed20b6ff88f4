"""Model page of the Restore widget: card, check on the layer, and estimate."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox, QTabWidget
from tests.napari_plugin.clicking import Driver, shown

from decrappify.samples import simulate
from napari_decrappify.widgets.restore import RestoreWidget


@pytest.fixture
def restore(scene, qtbot, tiny_models, tmp_path):
    driver = shown(qtbot, RestoreWidget, scene, "restore")
    driver.widget._model.add_file(tiny_models["still"])
    driver["folder"].setText(str(tmp_path / "results"))
    return driver


@pytest.fixture
def page(restore, qtbot):
    restore.widget.findChild(QTabWidget, "restore_tabs").setCurrentIndex(3)
    return Driver(qtbot, restore.widget, "restore_about")


def test_card_states_limits_scores_data_and_pixel_size(scene, restore, page, rng):
    pixels = rng.integers(90, 400, (3, 32, 32), dtype=np.uint16)
    scene.add_image(pixels, name="cells", scale=(1, 0.65, 0.65), units=("s", "um", "um"))
    restore.widget.findChild(QComboBox, "restore_model").setCurrentText("fluorescence-movie")
    text = page["card"].text()
    assert "<h3>fluorescence-movie</h3>" in text
    assert "0.0515 to 0.4 µm (stated by 8 of 33 sources); this layer: 0.65 µm, outside of this range" in text
    for heading, entry in (("Limits", "may be smoothed"), ("Scores", "PSNR 33.60 dB"), ("Trained on", "Mitocheck")):
        assert text.index(heading) < text.index(entry)


def test_shared_models_are_in_the_list_with_their_card(scene, qtbot, tiny_models, tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    shutil.copy(tiny_models["still"], tmp_path / "core" / "core-nuclei.safetensors")
    monkeypatch.setenv("DECRAPPIFY_MODELS", str(tmp_path / "core"))
    restore = shown(qtbot, RestoreWidget, scene, "restore")
    restore["model"].setCurrentText("core-nuclei")
    assert restore["model"].chosen == "core-nuclei"
    restore["tabs"].setCurrentIndex(3)
    text = Driver(qtbot, restore.widget, "restore_about")["card"].text()
    assert "tiny-still" in text
    assert str(tmp_path / "core" / "core-nuclei.safetensors") in text


def test_check_states_the_verdict_in_words_and_shows_a_region(scene, restore, page):
    sample = simulate("cell", n_frames=6, size=(96, 96), seed=0)
    scene.add_image(np.asarray(sample.noisy)[:, 0, 0], name="cells")
    page.run()
    assert "still" in page.status, page.status  # the untrained model returns its input
    assert "worse than a Gaussian filter" in page.status or "cannot be tested" in page.status
    assert "checked in 0:" in page.status
    assert page["details"].isVisible()
    assert "<b>noise</b>: gain" in page["details"].text()
    if "worse" in page.status:
        assert page.is_error
        assert "choose another one, or adapt or train one" in page.status
        assert page["images"].captions == ["80 % of the light", "Gaussian", "restored"]


def test_estimate_states_time_device_and_disk(scene, restore, page, rng, tmp_path):
    page.click("estimate")
    assert page.status == "no layer or no model; choose both on the page Restore"
    scene.add_image(rng.integers(90, 4000, (3, 64, 64), dtype=np.uint16), name="cells")
    page.click("estimate")
    page._qtbot.waitUntil(page["estimate"].isEnabled, timeout=60_000)
    assert page.status.startswith("about "), page.status
    assert "(cpu, " in page.status
    assert "on disk, of which" in page.status
    assert not (tmp_path / "results").exists()
