"""Published weights as models: loading, saving, the command, and agreement with the original networks."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from decrappify.errors import InputError, MissingFileError, ModelFileError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.model import importing, load_model, read_card
from decrappify.model.card import card_text
from decrappify.normalization import IMAGENET, NormalizationRule
from decrappify.restoration import RestorationOptions, restore


@pytest.fixture(scope="module")
def weights(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "Own_gen.pth"
    torch.save({"model": made("deep").state_dict(), "opt": {"lr": slice(1)}}, path)
    return path


@pytest.fixture(scope="module")
def imported(weights):
    return load_model(weights)


@pytest.mark.parametrize(
    ("name", "legacy"),
    [
        *(pytest.param(name, legacy, marks=pytest.mark.slow) for name, legacy in (("a.pth", True), ("a.pkl", False))),
        ("Own_gen", False),
        ("a.safetensors", True),
    ],
)
def test_load_model_recognizes_weights_by_content(name, legacy, made, saved, same_outputs):
    path = saved(made("deep").state_dict(), name, legacy=legacy)
    model = load_model(path)
    same_outputs(model.network, made("deep"))
    assert model.normalization == IMAGENET
    assert (model.name, model.card["task"], model.card["preset"]) == (path.stem, "colorization", "own")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.card["imported_from"] == {"file": name, "sha256": sha256}


def test_load_model_reads_a_model_file_named_like_weights(tiny_models, tmp_path):
    model = load_model(tiny_models["still"])
    assert load_model(model.save(tmp_path / "model.pth")).sha256 == model.sha256


def test_load_model_normalizes_weights_without_statistics_by_percentiles(made, saved):
    assert load_model(saved(made("gray").state_dict())).normalization == NormalizationRule()


@pytest.mark.slow
def test_import_command_writes_an_equivalent_model_file(weights, imported, tmp_path, command, same_outputs):
    output, model = tmp_path / "models" / "own.safetensors", imported
    lines = command("import-weights", weights, "-o", output).stdout.splitlines()
    assert lines[0].startswith(f"{weights}: a fastai-v1 U-Net (resnet18, deep form, width factor 0.3, spectral norm")
    assert lines[1].startswith(
        "note: a file does not contain the blur and the output range; those of 'artistic' are used"
    )
    assert lines[-3:] == [
        f"sha256: {hashlib.sha256(weights.read_bytes()).hexdigest()}",
        f"parameters: {sum(p.numel() for p in model.network.parameters()):,}",
        f"{output}: model for colorization, preset own",
    ]
    again = load_model(output)
    assert (again.sha256, again.card, again.normalization) == (model.sha256, model.card, model.normalization)
    same_outputs(again.network, model.network)
    assert {"task: colorization", "preset: own"} <= set(card_text(str(output)).splitlines())


def test_import_command_passes_the_preset_and_overwrites_on_request(made, saved, tmp_path, command):
    weights, output = saved(made("weight").state_dict()), tmp_path / "own.safetensors"
    output.touch()
    done = command("import-weights", weights, "-o", output, "--preset", "artistic", "--overwrite")
    assert f"{output}: model for colorization, preset own" in done.stdout
    assert read_card(output)["card"]["task"] == "colorization"
    refused = command("import-weights", weights, "-o", output, exit_code=2)
    assert refused.stderr == f"decrappify: {output} exists; pass --overwrite or choose another name\n"


def test_import_weights_rejects_an_existing_output_before_reading(tmp_path):
    (tmp_path / "own.safetensors").touch()
    with pytest.raises(OutputExistsError, match=r"own.safetensors exists"):
        importing.import_weights(tmp_path / "missing.pth", tmp_path / "own.safetensors")


def test_import_weights_does_not_overwrite_the_weights_file(weights):
    before = weights.read_bytes()
    with pytest.raises(InputError, match=r"Own_gen.pth is the weights file itself; choose another name"):
        importing.import_weights(weights, weights, overwrite=True)
    assert weights.read_bytes() == before


def test_import_weights_rejects_a_model(imported, tmp_path, tiny_models):
    with pytest.raises(InputError, match=r"still.safetensors is already a decrappify model; use it without import"):
        importing.import_weights(tiny_models["still"], tmp_path / "own.safetensors")
    with pytest.raises(InputError, match=r"is a model and needs no preset; preset='video' is for published weights"):
        load_model(tiny_models["still"], preset="video")
    with pytest.raises(InputError, match=r"is a model and needs no preset"):
        load_model(imported, preset="video")


@pytest.mark.parametrize("use", [load_model, lambda path: importing.import_weights(path, "own.safetensors")])
class TestUnsuitableFiles:
    def test_web_page_raises(self, use, tmp_path):
        path = tmp_path / "ColorizeArtistic_gen.pth"
        path.write_text("<html>Too many users have viewed this file</html>")
        with pytest.raises(ModelFileError, match=r"it is a web page saved under this name.*jantic/DeOldify"):
            use(path)

    def test_missing_file_raises(self, use, tmp_path):
        with pytest.raises(
            MissingFileError, match=r"nothing is downloaded automatically, the README of jantic/DeOldify"
        ):
            use(tmp_path / "ColorizeArtistic_gen.pth")

    def test_another_model_raises(self, use, parity):
        for name in ("mini_fastai_v1_checkpoint.pth", "mini_fastai_v1_checkpoint_legacy.pth"):
            with pytest.raises(ModelFileError, match=r"contains the weights of another model") as caught:
                use(parity / name)
            assert "\n" not in str(caught.value)


def test_restore_rejects_a_colorizer_and_names_colorize(imported):
    with pytest.raises(InputError, match=r"model 'Own_gen' colorizes images; use colorize"):
        restore(np.zeros((1, 3, 1, 16, 16), np.uint8), imported)


def test_restore_runs_an_imported_model_with_its_normalization(made, saved):
    model = load_model(saved(made("weight").state_dict()))
    image = np.random.default_rng(0).integers(0, 255, (1, 3, 1, 32, 32), dtype=np.uint8)
    found = np.asarray(
        restore(
            image,
            model,
            inference=InferenceOptions(device="cpu", precision="float32"),
            options=RestorationOptions(dtype="float32"),
        )
    )[0, :, 0]
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))
    with torch.inference_mode():
        predicted = model.network(torch.from_numpy((image[0, :, 0] / np.float32(255) - mean) / std)[None])[0].numpy()
    np.testing.assert_allclose(found, (predicted * std + mean) * 255, atol=0.02)


@pytest.mark.slow
@pytest.mark.cpu_sensitive
class TestOriginals:
    """Predictions of the original networks for weights computed from their names."""

    @pytest.fixture(autouse=True)
    def _plain_convolutions(self):
        """Disable oneDNN: on some processors, rounding errors of its fast algorithms reach the tolerance."""
        before = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(False)
        yield
        torch._C._set_mkldnn_enabled(before)

    @staticmethod
    def state(recipe, name):
        return {key: torch.from_numpy(value) for key, value in recipe.load_state(name).items()}

    @staticmethod
    def error(model, name, recipe, parity):
        with torch.inference_mode():
            found = model.network(torch.from_numpy(recipe.make_input((1, 3, 64, 64), 1001))).numpy()
        return np.abs(found - np.load(parity / f"{name}_out_64.npy")).max()

    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
    def test_artistic_predicts_the_same_from_weights_and_model_file(self, legacy, recipe, parity, saved, tmp_path):
        content = {"model": self.state(recipe, "artistic"), "opt": {"lr": slice(None, 3e-3)}}
        path = saved(content, "ColorizeArtistic_gen.pth", legacy=legacy)
        model = load_model(path)
        assert model.card["preset"] == "artistic"
        assert self.error(model, "artistic", recipe, parity) < 2e-5
        importing.import_weights(path, tmp_path / "artistic.safetensors")
        again = load_model(tmp_path / "artistic.safetensors")
        assert again.sha256 == model.sha256
        assert self.error(again, "artistic", recipe, parity) < 2e-5

    def test_artistic_in_half_precision_is_close(self, recipe, parity, saved):
        state = {
            key: value.half() if value.is_floating_point() else value
            for key, value in self.state(recipe, "artistic").items()
        }
        model = load_model(saved({"model": state}))
        assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
        assert self.error(model, "artistic", recipe, parity) < 0.02

    def test_video_predicts_the_outputs_of_stable(self, recipe, parity, saved):
        path = saved({"model": self.state(recipe, "stable")}, "ColorizeVideo_gen.pth", legacy=True)
        model = load_model(path, preset="video")
        assert model.card["preset"] == "video"
        assert self.error(model, "stable", recipe, parity) < 2e-5
