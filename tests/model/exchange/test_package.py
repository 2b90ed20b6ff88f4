from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.model.exchange.conftest import CARD, tiny

from decrappify.errors import InputError, MissingExtraError, OutputError, OutputExistsError
from decrappify.model import Model, export_model, load_model, shipped_models
from decrappify.model.exchange import description, export
from decrappify.model.exchange import package as packages
from decrappify.model.exchange.citations import method_citations
from decrappify.model.exchange.preprocessing import normalization_of, preprocessed, steps_of
from decrappify.model.exchange.readme import readme
from decrappify.networks import create
from decrappify.normalization import IMAGENET, ChannelStatistics, NormalizationRule


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def described(path):
    ruyaml = pytest.importorskip("ruyaml")
    return ruyaml.YAML(typ="safe").load(contents(path)["rdf.yaml"])


def test_package_contains_every_file_with_its_sha256(package):
    files = contents(package)
    text = files.pop("rdf.yaml").decode()
    assert set(files) == {
        "README.md",
        "cover.png",
        "test_source.npy",
        "test_prediction.npy",
        "weights.pt",
        "plain_residual_unet.py",
        "torchscript.pt",
        "weights.onnx",
    }
    assert all(hashlib.sha256(content).hexdigest() in text for content in files.values())


def test_package_describes_axes_halo_and_attribution(package):
    rdf = described(package)
    assert (rdf["format_version"], rdf["license"], rdf["authors"]) == ("0.5.4", "CC-BY-4.0", [{"name": "A. Author"}])
    assert rdf["cite"][0] == {"text": "A. Author (2026)", "url": "https://example.org"}
    assert all(entry.get("doi") or entry.get("url") for entry in rdf["cite"])
    _, channel, y, x = rdf["inputs"][0]["axes"]
    assert channel["channel_names"] == ["t_minus_1", "t", "t_plus_1"]
    assert y["size"] == x["size"] == {"min": 44, "step": 4}
    assert [axis["halo"] for axis in rdf["outputs"][0]["axes"][2:]] == [40, 40]
    assert rdf["outputs"][0]["axes"][2]["scale"] == 0.5
    assert "time-series" in rdf["tags"]


@pytest.mark.slow
def test_state_dict_and_architecture_file_reproduce_the_test_prediction_without_decrappify(package, tmp_path):
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    settings = described(package)["weights"]["pytorch_state_dict"]["architecture"]["kwargs"]
    script = f"""
import numpy as np, sys, torch
sys.path.insert(0, ".")
from plain_residual_unet import PlainResidualUNet
network = PlainResidualUNet(**{settings!r})
network.load_state_dict(torch.load("weights.pt", weights_only=True))
source = torch.from_numpy(np.load("test_source.npy")).double()
low, high = np.percentile(source, [2.0, 99.8])
with torch.inference_mode():
    found = network(((source - low) / (high - low + 1e-6)).float()).numpy()
assert np.abs(found - np.load("test_prediction.npy")).max() < 1e-5
assert "decrappify" not in sys.modules
"""
    subprocess.run([sys.executable, "-I", "-c", script], check=True, cwd=tmp_path)


@pytest.mark.parametrize("shape", [(1, 3, 44, 52), (3, 3, 60, 48)])
def test_onnx_and_torchscript_predict_the_same_for_other_sizes(package, model, shape):
    onnxruntime = pytest.importorskip("onnxruntime")
    files = contents(package)
    source = torch.rand(shape)
    with torch.inference_mode():
        expected = model.network(source).numpy()
    session = onnxruntime.InferenceSession(files["weights.onnx"], providers=["CPUExecutionProvider"])
    assert np.abs(session.run(["prediction"], {"source": source.numpy()})[0] - expected).max() < 1e-4
    assert session.get_modelmeta().custom_metadata_map["decrappify"].startswith('{"format_version": 1')
    with pytest.warns(FutureWarning, match=r"torch\.jit\.load"):
        traced = torch.jit.load(io.BytesIO(files["torchscript.pt"]))
    assert np.abs(traced(source).numpy() - expected).max() < 1e-4


def test_cover_shows_source_and_prediction_side_by_side(package):
    cover = contents(package)["cover.png"]
    image = Image.open(io.BytesIO(cover))
    assert image.width == 2 * image.height
    assert len(cover) < 500_000


def test_export_does_not_overwrite_unless_requested(model, tmp_path):
    path = tmp_path / "tiny.pt"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="already exists"):
        export_model(model, path)
    assert path.read_bytes() == b"mine"
    export_model(model, path, overwrite=True)
    assert path.stat().st_size > 10_000


def test_failed_export_leaves_no_file(model, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "package_files", lambda *_: {"rdf.yaml": b"type: model", "other": None})
    monkeypatch.setattr(packages, "_validate", lambda files: None)
    with pytest.raises(TypeError):
        export_model(model, tmp_path / "tiny.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_export_leaves_no_file_under_the_final_name(tmp_path):
    script = """
import os, signal, sys
from decrappify.model.exchange import export, graphs
from tests.model.exchange.conftest import tiny
graphs.as_torchscript = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
export.export_model(tiny(), sys.argv[1])
"""
    path = tmp_path / "tiny.pt"
    killed = subprocess.run([sys.executable, "-c", script, path], cwd=Path(__file__).parents[3], check=False)
    assert killed.returncode != 0
    assert not path.exists()
    export_model(tiny(), path)
    assert path.is_file()


def test_invalid_package_is_not_written(zoo, tmp_path):
    with pytest.raises(OutputError, match=r"bioimageio\.spec does not accept the package \(.*report this as a bug"):
        packages.write_package({"rdf.yaml": b"type: model\nformat_version: 0.5.4\n"}, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(("name", "extra"), [("onnxscript", "onnx"), ("bioimageio.spec", "bioimageio")])
def test_export_names_the_missing_extra(model, tmp_path, monkeypatch, name, extra):
    monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / ("tiny.onnx" if extra == "onnx" else "tiny.zip")
    match = "onnx" if extra == "onnx" else re.escape(name)
    with pytest.raises(
        MissingExtraError, match=rf'{match}.* is not installed; run pip install "decrappify\[{extra}\]"'
    ):
        export_model(model, path)
    assert list(tmp_path.iterdir()) == []


def test_package_of_another_network_is_refused(tmp_path):
    network = create("dynamic-unet", encoder="resnet18", width_factor=0.25)
    colorizer = Model(network, IMAGENET, card={"name": "color"})
    with pytest.raises(InputError, match=r"'dynamic-unet', expected 'residual-unet'.*as ONNX or TorchScript"):
        export_model(colorizer, tmp_path / "color.zip")


@pytest.mark.slow
def test_colorization_generator_is_exported_to_torchscript(tmp_path):
    network = create("dynamic-unet", encoder="resnet18", width_factor=0.25, norm="spectral", attention=True)
    path = export_model(Model(network, IMAGENET, card={"name": "color"}), tmp_path / "color.pt")
    source = torch.rand(1, 3, 96, 64)
    with pytest.warns(FutureWarning, match=r"torch\.jit\.load"):
        traced = torch.jit.load(path)
    with torch.inference_mode():
        torch.testing.assert_close(traced(source), network(source), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_colorization_generator_is_exported_to_onnx(zoo, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = create("dynamic-unet", encoder="resnet18", width_factor=0.25, norm="spectral", attention=True)
    path = export_model(Model(network, IMAGENET, card={"name": "color"}), tmp_path / "color.onnx")
    source = torch.rand(1, 3, 96, 64)
    found = onnxruntime.InferenceSession(path).run(None, {"source": source.numpy()})[0]
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(found), network(source), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_shipped_models_are_exported_and_imported_unchanged(zoo, name, tmp_path):
    model = load_model(name)
    copy = load_model(export_model(name, tmp_path / "model.zip"))
    assert (copy.sha256, copy.card, copy.crappifier) == (model.sha256, model.card, model.crappifier)
    assert described(tmp_path / "model.zip")["license"] == "BSD-3-Clause"


def test_graph_that_predicts_otherwise_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr("decrappify.model.exchange.graphs.MOST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match=r"exported to TorchScript differs by .*expected at most"):
        export_model(model, tmp_path / "tiny.pt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("a.model",), "suffix '.model', expected one of '.onnx', '.pt', '.zip'"), (("a.pt", "keras"), "'keras'")],
)
def test_export_rejects_an_unknown_format(model, tmp_path, arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        export_model(model, tmp_path / arguments[0], format=(arguments[1:] or (None,))[0])


def test_attribution_is_as_given_else_of_the_card(model):
    assert export._attribution(model, None, ()) == description.Attribution(license="CC-BY-4.0", authors=("A. Author",))
    given = export._attribution(model, "MIT", ["B. Author"])
    assert given == description.Attribution(license="MIT", authors=("B. Author",))
    assert export._attribution(Model(model.network), None, ()) == description.Attribution()
    shipped = export._attribution(load_model("em-denoise"), None, ())
    assert shipped == description.Attribution(license="BSD-3-Clause", authors=("The decrappify developers",))


def test_readme_states_limits_normalization_and_validation(model):
    text = readme(model)
    assert "Trained on nuclei." in text
    assert "percentiles 2 and 99.8 of the means of 2 x 2" in text.replace("\n", " ")
    assert "## Validation\n\n- nuclei, 10 photons: PSNR 31.5 dB" in text
    assert "lowest_um: 0.05" in text
    assert "no scores are recorded" in readme(Model(model.network))
    assert "images of 16 bits by 257" in readme(Model(model.network, IMAGENET)).replace("\n", " ")


def test_only_networks_without_biases_cite_the_bias_free_paper(model):
    spec = tiny(bias=True).network.spec
    assert len(method_citations(spec, is_trained_on_degraded=True)) == 3
    assert "1906.05478" in str(method_citations(model.network.spec, is_trained_on_degraded=True))


@pytest.mark.parametrize("normalization", [NormalizationRule(low=3.0, bin_size=1), ChannelStatistics((0.4,), (0.2,))])
def test_steps_of_a_normalization_are_read_back(model, normalization, rng):
    spec = model.network.spec
    steps = steps_of(normalization, spec)
    assert normalization_of(steps, spec) == normalization
    source = rng.uniform(0, 255, (1, 3, 32, 40)).astype(np.float32)
    if isinstance(normalization, NormalizationRule):
        low, high = np.percentile(source, [3.0, 99.8])
    else:
        low, high = 0.4 * 255, 0.6 * 255
    np.testing.assert_allclose(preprocessed(source, steps), (source - low) / (high - low), atol=1e-5)


def test_card_data_with_arrays_and_tuples_becomes_plain_values():
    given = {1: (np.float32(0.5), None), "rows": np.arange(2), "text": CARD["name"]}
    assert description.plain(given) == {"1": [0.5, None], "rows": [0, 1], "text": "tiny"}
