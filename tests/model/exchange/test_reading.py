from __future__ import annotations

import hashlib
import re
import sys
import zipfile

import numpy as np
import pytest
import torch
from tests.model.exchange.conftest import tiny

import decrappify as dc
from decrappify.errors import MissingExtraError, MissingFileError, ModelFileError
from decrappify.model import importing, load_model, read_card
from decrappify.model.exchange.kinds import is_package
from decrappify.model.exchange.package import as_yaml
from decrappify.normalization import NormalizationRule


@pytest.fixture
def folder(package, tmp_path):
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "folder")
    return tmp_path / "folder"


def change(folder, edit):
    """Change the description of a package."""
    ruyaml = pytest.importorskip("ruyaml")
    content = ruyaml.YAML(typ="safe").load((folder / "rdf.yaml").read_bytes())
    edit(content)
    (folder / "rdf.yaml").write_bytes(as_yaml(content))


def without_own_entry(content):
    del content["config"]["decrappify"]


def replaced(folder, name, content):
    """Replace a file of a package and its SHA-256 in the description."""
    before = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / name).write_bytes(content)
    text = (folder / "rdf.yaml").read_text().replace(before, hashlib.sha256(content).hexdigest())
    (folder / "rdf.yaml").write_text(text)


def test_package_is_read_as_the_exported_model(package, folder, model):
    for path in (package, folder, folder / "rdf.yaml"):
        copy = load_model(path)
        assert (copy.sha256, copy.normalization) == (model.sha256, model.normalization)
        assert (copy.card, copy.crappifier) == (model.card, model.crappifier)
        state = copy.network.state_dict()
        assert all(torch.equal(weight, state[key]) for key, weight in model.network.state_dict().items())


def test_restore_accepts_a_package_in_place_of_a_model(package, model, rng):
    movie = rng.poisson(20, (3, 24, 32)).astype(np.uint16)
    assert np.array_equal(dc.restore_array(movie, package), dc.restore_array(movie, model))


def test_import_weights_converts_a_package(package, tmp_path, model):
    lines = importing.import_weights(package, tmp_path / "model.safetensors")
    assert "its test prediction was reproduced" in lines[0]
    assert load_model(tmp_path / "model.safetensors").sha256 == model.sha256


def test_package_without_the_entry_of_decrappify_is_read_with_its_preprocessing(folder):
    change(folder, without_own_entry)
    model = load_model(folder)
    assert model.normalization == NormalizationRule(low=2.0, high=99.8, bin_size=1)
    assert model.card["name"] == "decrappify tiny"
    assert model.card["imported_from"] == {"file": "folder"}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("weights", "pytorch_state_dict", "architecture", "callable"), "UNet2d", "network 'UNet2d', expected 'Plain"),
        (("weights", "pytorch_state_dict", "architecture", "kwargs"), {"scale": 3}, "cannot be built: scale is 3"),
        (("weights", "pytorch_state_dict", "architecture", "kwargs"), {"color": 1}, "cannot be built: .*color"),
        (("weights", "pytorch_state_dict", "architecture", "kwargs"), {"base_channels": 32}, "do not fit its archit"),
        (("weights", "pytorch_state_dict", "source"), "missing.pt", "does not contain 'missing.pt'"),
        (("weights", "pytorch_state_dict", "source"), "https://example.org/w.pt", "expected a file of the package"),
        (("config", "decrappify", "format_version"), 9, "version 9, expected 1; update decrappify"),
        (("config", "decrappify", "card"), 3, "damaged entry 'decrappify'"),
        (("config", "decrappify", "normalization", "low"), 5.0, "does not match its checksum"),
        (("type",), "dataset", "BioImage Model Zoo|describes a 'dataset'"),
        (("inputs",), [], "not a valid package of the BioImage Model Zoo"),
    ],
)
def test_package_that_does_not_fit_is_refused_in_one_line(folder, place, value, message):
    def edit(content):
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = value

    change(folder, edit)
    with pytest.raises(ModelFileError, match=message) as error:
        load_model(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_package_without_a_state_dict_is_refused(folder):
    def edit(content):
        del content["weights"]["pytorch_state_dict"]
        del content["weights"]["torchscript"]["parent"], content["weights"]["onnx"]["parent"]

    change(folder, edit)
    with pytest.raises(ModelFileError, match=r"weights \['onnx', 'torchscript'\], expected 'pytorch_state_dict'"):
        load_model(folder)


def test_package_with_another_preprocessing_is_refused(folder):
    def edit(content):
        without_own_entry(content)
        content["inputs"][0]["preprocessing"] = [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}]

    change(folder, edit)
    with pytest.raises(ModelFileError, match=r"preprocessing \['zero_mean_unit_variance'\], expected 'scale_range'"):
        load_model(folder)


def test_package_whose_test_prediction_is_not_reproduced_is_refused(folder):
    prediction = np.load(folder / "test_prediction.npy")
    np.save(folder / "other.npy", prediction * 1.1)
    replaced(folder, "test_prediction.npy", (folder / "other.npy").read_bytes())
    with pytest.raises(ModelFileError, match=r"differs from the test prediction .* expected at most 0\.001"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"])
def test_damaged_weights_are_refused(folder, content):
    (folder / "weights.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"weights\.pt"):
        load_model(folder)
    replaced(folder, "weights.pt", content)
    with pytest.raises(ModelFileError, match=r"package|weights"):
        load_model(folder)


def test_pickled_code_in_weights_is_not_run(folder, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"head.weight": Harmful()}, tmp_path / "harmful.pt")
    replaced(folder, "weights.pt", (tmp_path / "harmful.pt").read_bytes())
    with pytest.raises(ModelFileError, match="weights that cannot be read"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


def test_architecture_file_of_a_package_is_not_run(folder, tmp_path):
    replaced(folder, "plain_residual_unet.py", f"open({str(tmp_path / 'ran')!r}, 'w')".encode())
    load_model(folder)
    assert not (tmp_path / "ran").exists()


def test_damaged_description_is_refused(folder):
    (folder / "rdf.yaml").write_text("a: [")
    with pytest.raises(ModelFileError, match="cannot be read as a package"):
        load_model(folder)


def test_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    with pytest.raises(MissingExtraError, match=re.escape('run pip install "decrappify[bioimageio]"')):
        load_model(folder)


def test_card_of_a_package_is_read_after_its_conversion(package, folder, command):
    for path in (package, folder):
        refused = command("models", path, exit_code=2)
        assert "package of the BioImage Model Zoo, expected a model file; convert it with" in refused.stderr
        with pytest.raises(ModelFileError):
            read_card(path)


def test_only_paths_with_a_description_are_packages(package, tmp_path):
    tiny().save(tmp_path / "model.safetensors")
    torch.save({}, tmp_path / "weights.pth")
    others = (tmp_path, tmp_path / "rdf.yaml", tmp_path / "model.safetensors", tmp_path / "weights.pth")
    assert [is_package(path) for path in (package, *others)] == [True, False, False, False, False]
    with pytest.raises(MissingFileError):
        load_model(tmp_path)
