from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.registries import isolated
from torch.utils._python_dispatch import TorchDispatchMode

from decrappify.errors import MissingFileError, ModelFileError, OutputError, OutputExistsError
from decrappify.model import Model, load_model, read_card, shipped_models
from decrappify.model.card import card_text, model_table
from decrappify.networks import create
from decrappify.networks.registry import register_network
from decrappify.networks.residual_unet import ResidualUNet
from decrappify.normalization import NormalizationRule

CARD = {"name": "mine", "limits": "none known", "data": {"movies": ["a.tif", "b.tif"]}, "scores": [{"psnr_db": 31.5}]}


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create("small", n_frames=3, scale=2, base_channels=16, depth=1)
    torch.nn.init.ones_(network.tail.weight)
    crappifier = {"name": "noise", "steps": [{"type": "gaussian", "sigma": [0.0, 0.1]}]}
    return Model(network, NormalizationRule(low=2.0), crappifier, CARD)


def rewritten(model, path, **changes):
    """Write a model file with a changed header and the same weights."""
    header = read_card(model.save(path)) | changes
    save_file(load_file(path), path, {"decrappify": json.dumps(header)})
    return path


def test_load_model_returns_the_saved_model(model, tmp_path):
    loaded = load_model(model.save(tmp_path / "new" / "mine.safetensors"))
    assert (loaded.n_frames, loaded.in_channels, loaded.scale) == (3, 1, 2)
    assert (loaded.normalization, loaded.crappifier, loaded.card) == (model.normalization, model.crappifier, CARD)
    assert all(torch.equal(a, b) for a, b in zip(loaded.network.parameters(), model.network.parameters(), strict=True))
    assert not loaded.network.training
    assert load_model(loaded) is loaded
    assert "'mine', n_frames=3, scale=2" in repr(loaded)
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "mine.safetensors"]


def test_save_in_half_precision_halves_the_file_and_keeps_predictions(model, tmp_path):
    full, half = (
        model.save(tmp_path / "full.safetensors"),
        model.save(tmp_path / "half.safetensors", half_precision=True),
    )
    assert half.stat().st_size < 0.55 * full.stat().st_size
    loaded = load_model(half)
    assert {parameter.dtype for parameter in loaded.network.parameters()} == {torch.float32}
    assert loaded.sha256 == read_card(half)["sha256"] != model.sha256
    source = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network(source), model.network(source), rtol=2e-3, atol=2e-3)


def test_save_rejects_weights_beyond_float16_in_half_precision(model, tmp_path):
    torch.nn.init.constant_(model.network.tail.weight, 1e5)
    with pytest.raises(ModelFileError, match=r"tail\.weight exceed the range of float16"):
        model.save(tmp_path / "half.safetensors", half_precision=True)
    assert not list(tmp_path.iterdir())


def test_sha256_depends_on_weights_and_normalization_but_not_on_the_card(model, tmp_path):
    other = Model(model.network, model.normalization, None, {"name": "other"})
    assert other.sha256 == model.sha256
    assert Model(model.network, NormalizationRule()).sha256 != model.sha256
    changed = load_model(model.save(tmp_path / "m.safetensors"))
    with torch.no_grad():
        changed.network.tail.weight[0, 0, 0, 0] += 1
    assert changed.sha256 != model.sha256


def test_save_does_not_depend_on_the_memory_format(model, tmp_path):
    first = model.save(tmp_path / "a.safetensors").read_bytes()
    model.network.to(memory_format=torch.channels_last)
    assert model.save(tmp_path / "b.safetensors").read_bytes() == first


def test_save_overwrites_only_on_request(model, tmp_path):
    path = model.save(tmp_path / "m.safetensors")
    with pytest.raises(OutputExistsError, match=r"m.safetensors exists; pass overwrite=True"):
        model.save(path)
    assert model.save(path, overwrite=True) == path


def test_save_to_an_invalid_folder_raises(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*model.safetensors"):
        model.save(tmp_path / "file" / "model.safetensors")


def test_save_on_a_full_disk_raises_one_line_and_removes_its_file(model, tmp_path):
    resource = pytest.importorskip("resource", reason="the file size is limited with it")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"m.safetensors could not be written: .*larger") as caught:
            model.save(tmp_path / "m.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_save_uses_default_file_permissions(model, tmp_path):
    (tmp_path / "plain").touch()
    assert model.save(tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_shipped_models_load_by_name():
    for name in shipped_models():
        assert load_model(name).name
        assert name in model_table()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty; copy or download it again"),
        (b"<!DOCTYPE html><html>", "it is a web page saved under this name"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a git-LFS pointer"),
        (b"my notes about models " * 9, "it is a text file"),
        (bytes(range(128, 256)), "it is damaged, truncated or from another program"),
    ],
)
def test_load_model_describes_other_kinds_of_files(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"model.safetensors is not a model file: {message}") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_card_text_of_a_torch_checkpoint_names_the_conversion(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "net.pth")
    with pytest.raises(
        ModelFileError, match=r"a PyTorch checkpoint; convert it to a model file with 'decrappify import-"
    ):
        card_text(str(tmp_path / "net.pth"))


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_load_model_rejects_a_truncated_file(model, tmp_path, kept):
    path = model.save(tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ModelFileError, match=r"m.safetensors is not a model file"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format version 99, this decrappify .* reads versions 1 and 2; update decrappify"),
        ({"architecture": {"name": "small", "n_frames": 1}}, "weights that do not fit its architecture"),
        ({"architecture": {"name": "swin"}}, "cannot build: unknown network 'swin'"),
        ({"architecture": {"name": "small", "heads": 8}}, "cannot build: .*heads"),
        ({"normalization": {"mean": 0}}, "cannot build: .*mean"),
        ({"format_version": 2}, r"a damaged 'decrappify' header \(its 'pretrained_sha256' is None\)"),
    ],
)
def test_load_model_rejects_an_unsuitable_header(model, tmp_path, changes, message):
    path = rewritten(model, tmp_path / "m.safetensors", **changes)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def flip_bit(path, bit):
    """Flip one bit of the weights, counted from the end of the file."""
    content = bytearray(path.read_bytes())
    content[-1 - bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("bit", [0, 5, 1000, 8 * 3001])
def test_load_model_rejects_a_flipped_bit(model, tmp_path, bit):
    path = model.save(tmp_path / "m.safetensors")
    assert load_model(path).sha256 == model.sha256 == read_card(path)["sha256"]
    flip_bit(path, bit)
    with pytest.raises(
        ModelFileError, match=r"m.safetensors does not match its checksum: .*; copy or download it again"
    ):
        load_model(path)


def test_load_model_rejects_a_changed_normalization(model, tmp_path):
    normalization = model.normalization.to_dict() | {"high": 98.8}
    path = rewritten(model, tmp_path / "m.safetensors", normalization=normalization)
    with pytest.raises(ModelFileError, match="checksum"):
        load_model(path)


def test_load_model_reads_files_of_earlier_versions_without_checksum(model, tmp_path):
    path = model.save(tmp_path / "m.safetensors")
    header = read_card(path)
    del header["sha256"]
    save_file(load_file(path), path, {"decrappify": json.dumps(header)})
    assert load_model(path).sha256 == model.sha256


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_load_and_save_reject_weights_that_are_not_finite(model, tmp_path, value):
    path = model.save(tmp_path / "m.safetensors")
    weights, header = load_file(path), read_card(path)
    del header["sha256"]
    weights["tail.weight"][0, 0, 1, 1] = value
    save_file(weights, path, {"decrappify": json.dumps(header)})
    with pytest.raises(ModelFileError, match=r"m.safetensors: weights tail.weight contain NaN or infinity") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    with torch.no_grad():
        model.network.tail.weight[0, 0, 1, 1] = value
    with pytest.raises(ModelFileError, match=r"weights tail.weight contain NaN or infinity"):
        model.save(tmp_path / "new.safetensors")
    assert list(tmp_path.iterdir()) == [path]


def test_load_model_rejects_safetensors_of_another_program(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelFileError, match=r"a safetensors file but not a decrappify model"):
        load_model(path)
    save_file({"weight": torch.zeros(3)}, path, {"decrappify": "{half"})
    with pytest.raises(ModelFileError, match=r"has a damaged 'decrappify' header"):
        load_model(path)


@pytest.mark.parametrize("use", [load_model, card_text])
def test_unknown_model_name_raises(use):
    with pytest.raises(MissingFileError, match=r"nothing-here is neither a shipped model .* nor a model file"):
        use("nothing-here")


def test_load_model_of_a_run_folder_names_the_model_file(model, tmp_path):
    path = model.save(tmp_path / "model.safetensors")
    with pytest.raises(MissingFileError, match=re.escape(f"is the folder of a training run; pass its model {path}")):
        load_model(tmp_path)


def test_card_text_lists_all_entries(model, tmp_path):
    lines = card_text(str(model.save(tmp_path / "m.safetensors"))).splitlines()
    assert lines[:5] == ["name: mine", "limits: none known", "data:", "  movies:", "    - a.tif"]
    assert {"  - psnr_db: 31.5", "  scale: 2", "  low: 2.0"} <= set(lines)


def test_load_model_reads_a_header_length_that_resembles_a_pickle(tmp_path):
    network = create("small", base_channels=16, depth=1, n_frames=1)

    def saved(note: str) -> tuple[Path, bytes]:
        path = Model(network, card={"name": "padded", "note": note}).save(tmp_path / "m.safetensors", overwrite=True)
        return path, path.read_bytes()[:8]

    length = int.from_bytes(saved("")[1], "little")
    wanted = next(n for n in range(length, 2**20, 8) if n.to_bytes(8, "little")[:2] == b"\x80\x02")
    path, head = saved("x" * (wanted - length))
    assert head[:2] == b"\x80\x02"  # the first bytes of a pickle
    assert load_model(path).name == "padded"


class Writes(TorchDispatchMode):
    """Names of the operations that write values into tensors with memory."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and not made.is_meta:
            self.names.add(func._schema.name)
        return made


def test_load_model_does_not_initialize_weights_that_it_replaces(model, tmp_path):
    path = model.save(tmp_path / "model.safetensors")
    with Writes() as writes:
        loaded = load_model(path)
    assert writes.names.isdisjoint({"aten::copy_", "aten::zero_", "aten::uniform_", "aten::normal_"})
    for key, tensor in loaded.network.state_dict().items():
        assert tensor.equal(model.network.state_dict()[key])
        assert tensor.data_ptr() % 16 == 0  # on which the last digits of predictions depend


class WithKernel(ResidualUNet):
    """A network with a tensor that is not in its state dict."""

    def __init__(self, **settings):
        settings.pop("name", None)
        super().__init__(**settings)
        self.kernel = torch.ones(3)
        self.architecture["name"] = "with-kernel"


def test_load_model_builds_networks_with_tensors_that_are_not_weights(tmp_path):
    with isolated():
        register_network("with-kernel")(WithKernel)
        path = Model(WithKernel(base_channels=16)).save(tmp_path / "model.safetensors")
        assert load_model(path).network.kernel.tolist() == [1, 1, 1]


def test_model_html_summarizes_the_card_and_escapes_it(model):
    card = {"name": "<b>mine", "summary": "for nuclei", "scores": [f"score {i}" for i in range(9)], "limits": "none"}
    html = Model(model.network, card=card)._repr_html_()
    for text in ("&lt;b&gt;mine", "for nuclei", "window of 3 frames", "2 times the sampling", "score 5", "and 3 more"):
        assert text in html
    assert Model(model.network).sha256[:12] in html
    assert "score 6" not in html
    assert "fidelity" not in html


def test_model_html_states_the_fidelity(nogan_model):
    assert "0, or any up to 1 by with_fidelity()" in load_model(nogan_model)._repr_html_()
