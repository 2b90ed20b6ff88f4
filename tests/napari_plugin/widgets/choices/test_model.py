from __future__ import annotations

import sys

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_decrappify.widgets.choices.model import ModelChoice


def items(box):
    return [box.itemText(i) for i in range(box.count())]


def test_model_choice_lists_shipped_and_recent_models(qtbot, tiny_models):
    box = ModelChoice("model", "restore/model", default="fluorescence-still")
    qtbot.addWidget(box)
    shipped = items(box)
    assert box.chosen == "fluorescence-still"
    assert shipped[-1] == "File…"
    assert box.add_file(tiny_models["movie"])
    assert box.chosen == tiny_models["movie"]
    assert box.header["architecture"]["n_frames"] == 3
    again = ModelChoice("model", "restore/model", default="fluorescence-still")
    qtbot.addWidget(again)
    assert again.chosen == tiny_models["movie"]
    assert set(items(again)) == {*shipped, "movie"}


def test_model_choice_rejects_a_file_that_is_not_a_model(qtbot, tiny_models, tmp_path, monkeypatch):
    box = ModelChoice("model", "restore/model", default="fluorescence-movie")
    qtbot.addWidget(box)
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nonsense")
    reasons = []
    box.refused.connect(reasons.append)
    for answer, expected in (
        (str(wrong), "fluorescence-movie"),
        ("", "fluorescence-movie"),
        (str(tiny_models["still"]), tiny_models["still"]),
    ):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, answer=answer: (answer, ""))
        box.setCurrentIndex(box.count() - 1)
        assert box.chosen == expected
    assert len(reasons) == 1
    assert "wrong.safetensors" in reasons[0]


def test_model_choice_omits_models_of_another_task(qtbot):
    box = ModelChoice("model", "colorize/model", accepts=lambda header: header["card"].get("task") == "colorization")
    qtbot.addWidget(box)
    assert (items(box), box.chosen, box.header) == (["File…"], None, {})


@pytest.mark.skipif(sys.platform == "win32", reason="another variable names the folder of settings")
def test_model_choice_states_why_shared_models_are_missing(qtbot, tmp_path, monkeypatch):
    box = ModelChoice("model", "restore/model", default="fluorescence-movie")
    qtbot.addWidget(box)
    reasons = []
    box.refused.connect(reasons.append)
    config = tmp_path / "decrappify" / "config.toml"
    config.parent.mkdir()
    config.write_text("model = 3")
    monkeypatch.delenv("DECRAPPIFY_MODELS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    box.showPopup()
    box.hidePopup()
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{config} has an entry 'model'")
    assert box.chosen == "fluorescence-movie"
