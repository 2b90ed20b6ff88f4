"""Adapt widget, driven by clicks, with adaptations of seconds."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.napari_plugin.clicking import TIMEOUT, Driver, shown

from decrappify import AdaptationConfig, load_model
from napari_decrappify.widgets.adapt import AdaptWidget
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.workers.models import adapt as job

SMALL = {"batch_size": 4, "patch_size": 32, "learning_rate": 2e-3, "ema_decay": 0.9, "precision": "float32"}


@pytest.fixture(scope="module")
def noisy():
    """Blobs of 12 photons that drift by one pixel per frame, at gain 3."""
    blobs = gaussian_filter(np.random.default_rng(0).random((80, 80)), 2.5)
    blobs = (blobs - blobs.min()) / np.ptp(blobs)
    photons = np.stack([12 * np.roll(blobs, t, axis=1)[:64, :64] for t in range(20)])
    return (100 + 3 * np.random.default_rng(1).poisson(photons)).astype(np.uint16)


@pytest.fixture
def steps(monkeypatch):
    """Set the number of steps, as those in a given time depend on the load of the computer."""

    def set_steps(max_steps, validate_every, **changes):
        config = partial(AdaptationConfig, max_steps=max_steps, validate_every=validate_every, **(SMALL | changes))
        monkeypatch.setattr(job, "AdaptationConfig", config)

    return set_steps


@pytest.fixture
def adapt(scene, qtbot, tiny_models, tmp_path, noisy):
    scene.add_image(noisy, name="cells")
    driver = shown(qtbot, AdaptWidget, scene, "adapt")
    driver["model"].add_file(tiny_models["movie"])
    driver["folder"].setText(str(tmp_path / "models"))
    return driver


def test_adapted_model_is_compared_kept_and_listed_in_restore(scene, adapt, steps, qtbot, tmp_path):
    steps(60, 20)
    restore = shown(qtbot, RestoreWidget, scene, "restore")
    assert adapt["name"].text() == "cells-adapted"
    assert not adapt["keep"].isEnabled()
    adapt.run()
    assert not adapt.is_error, adapt.status
    assert "the adapted model is better than tiny-movie" in adapt.status
    assert adapt.status.endswith("Keep or reject it.")
    curves = {curve.label: curve.points for curve in adapt["score"].curves}
    assert set(curves) == {"adapted", "given", "Gaussian"}
    assert [step for step, _ in curves["adapted"]] == [0, 20, 40, 60]
    assert curves["adapted"][-1][1] < 0
    assert "the adapted model is better than the given one" in adapt["comparison"].text()
    adapt.click("keep")
    path = tmp_path / "models" / "cells-adapted" / "model.safetensors"
    assert adapt.status == f"{path} is in the list of the Restore widget"
    assert load_model(path).card["adapted"]["from"] == "tiny-movie"
    restore["model"].showPopup()
    restore["model"].hidePopup()
    assert restore["model"].findText("cells-adapted/model") >= 0
    assert not adapt["keep"].isEnabled()
    assert adapt.unnamed() == []


def test_stop_takes_the_best_model_so_far_and_reject_deletes_it(adapt, steps, qtbot, tmp_path):
    steps(5000, 30)
    adapt.click("run")
    qtbot.waitUntil(lambda: adapt["comparison"].text().startswith("step 60"), timeout=TIMEOUT)
    adapt.click("cancel")
    adapt.wait_for_end()
    assert int(adapt.status.split(" steps in ")[0]) < 5000, adapt.status
    assert adapt.status.endswith("Keep or reject it.")
    assert (tmp_path / "models" / "cells-adapted" / "model.safetensors").is_file()
    adapt.click("reject")
    assert adapt.status.startswith("the adapted model was deleted")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.slow
def test_stop_before_the_first_step_is_stated_and_leaves_no_folder(adapt, steps, qtbot, tmp_path):
    adapt.click("run")
    qtbot.waitUntil(lambda: adapt.status.startswith("measuring the noise"), timeout=TIMEOUT)
    adapt.click("cancel")
    adapt.wait_for_end()
    assert adapt.status == "cancelled; the run was stopped before its first step, and no model was saved"
    assert list((tmp_path / "models").iterdir()) == []
    steps(4, 4)
    adapt.run()
    assert not adapt.is_error, adapt.status


@pytest.mark.slow
def test_given_model_that_is_better_is_kept_without_a_file(adapt, steps, tmp_path):
    steps(4, 4, learning_rate=1e-9)
    adapt.run()
    assert "the adapted model is not clearly better than tiny-movie, whose weights are kept" in adapt.status
    assert adapt.status.endswith("The given model is kept, and no file was written.")
    assert not adapt["keep"].isEnabled()
    assert list((tmp_path / "models").iterdir()) == []


def test_still_and_missing_layer_are_reported(scene, adapt):
    scene.layers.clear()
    assert adapt.status == "no raw movie; open one"
    scene.add_image(np.zeros((8, 8), np.uint16), name="still")
    adapt.run()
    assert adapt.is_error


def test_models_that_cannot_be_adapted_are_not_listed(qtbot, scene):
    adapt = Driver(qtbot, shown(qtbot, AdaptWidget, scene, "adapt").widget, "adapt")
    names = [adapt["model"].itemText(i) for i in range(adapt["model"].count())]
    assert "fluorescence-movie" in names
    assert "fluorescence-movie-x2" not in names
