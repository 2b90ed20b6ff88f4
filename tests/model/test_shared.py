from __future__ import annotations

import os
import re
import shutil

import pytest

from decrappify.cli.batch import parse_models
from decrappify.errors import InputError, MissingFileError
from decrappify.model import find_model, load_model, model_folders, named_models, shipped_models
from decrappify.model.card import model_table
from decrappify.model.shared import config_files


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Empty configuration folder of the user, without the environment variable."""
    monkeypatch.delenv("DECRAPPIFY_MODELS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def folder(home, tiny_models):
    """Shared folder with two models, one of them in a run folder."""
    (home / "core" / "confocal").mkdir(parents=True)
    shutil.copy(tiny_models["still"], home / "core" / "nuclei.safetensors")
    shutil.copy(tiny_models["movie"], home / "core" / "confocal" / "model.safetensors")
    return home / "core"


def configure(home, text):
    path = config_files()[0]
    assert path.is_relative_to(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_shared_models_are_found_by_name(folder, home, monkeypatch):
    assert model_folders() == []
    assert named_models() == shipped_models()
    monkeypatch.setenv("DECRAPPIFY_MODELS", os.pathsep.join([str(home / "not mounted"), str(folder)]))
    assert model_folders() == [home / "not mounted", folder]
    assert set(named_models()) == {*shipped_models(), "nuclei", "confocal"}
    assert load_model("nuclei").name == "tiny-still"
    assert find_model("confocal") == folder / "confocal" / "model.safetensors"
    assert str(folder) in model_table()
    assert parse_models(["GFP=nuclei"]) == {"GFP": ["nuclei"]}
    with pytest.raises(MissingFileError, match=re.escape("nor a shared one (confocal, nuclei), nor a model file")):
        find_model("nucleus")


def test_first_folder_of_equal_names_counts_and_shipped_names_remain(folder, home, monkeypatch):
    (home / "other").mkdir()
    for name in ("nuclei", "fluorescence-still"):
        shutil.copy(folder / "nuclei.safetensors", home / "other" / f"{name}.safetensors")
    monkeypatch.setenv("DECRAPPIFY_MODELS", os.pathsep.join([str(home / "other"), str(folder)]))
    assert find_model("nuclei") == home / "other" / "nuclei.safetensors"
    assert find_model("fluorescence-still") == shipped_models()["fluorescence-still"]


def test_configuration_file_names_the_folder(folder, home, monkeypatch):
    path = configure(home, f'models = ["{folder.as_posix()}", "beside"]')
    assert model_folders() == [folder, path.parent / "beside"]
    assert "nuclei" in named_models()
    monkeypatch.setenv("DECRAPPIFY_MODELS", str(home))
    assert model_folders() == [home]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = /mnt", "cannot be read (Invalid value"),
        ("model = '/mnt'", "has an entry 'model', expected only 'models'"),
        ("models = 3", "has the models 3, expected a folder in quotes"),
    ],
)
def test_faulty_configuration_is_one_line(home, text, message):
    path = configure(home, text)
    with pytest.raises(InputError, match=re.escape(f"{path} {message}")):
        named_models()
    assert find_model("fluorescence-still").is_file()  # does not depend on it


def test_damaged_shared_model_is_listed_with_the_reason(folder, home, monkeypatch):
    (folder / "nuclei.safetensors").write_bytes(b"damaged")
    monkeypatch.setenv("DECRAPPIFY_MODELS", str(folder))
    assert re.search(r"nuclei +cannot be read: .*is not a model file", model_table())
