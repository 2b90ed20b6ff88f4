from __future__ import annotations

import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from decrappify.errors import MissingFileError, ModelFileError
from decrappify.model.fastai_import import read_state_dict
from decrappify.model.fastai_import.kinds import is_checkpoint

FORMATS = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


@pytest.fixture
def state():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).state_dict()
    layer["1.running_var"] += 0.5
    return dict(layer)


def assert_same(found, expected):
    assert list(found) == list(expected)
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, atol=0, rtol=0)


def optimizer(lr):
    return {"state": {}, "param_groups": [{"lr": lr, "betas": (0.9, 0.99), "params": [0, 1]}]}


@FORMATS
class TestContents:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: state,
            OrderedDict,
            lambda state: {"model": state},
            lambda state: {"model": state, "opt": optimizer(1e-3)},
            lambda state: {"model": state, "opt": optimizer(slice(None, 3e-3, None))},
            lambda state: {"model": state, "opt": optimizer(np.float64(1e-3))},
            lambda state: {"model": state, "opt": optimizer(np.float32(1e-3))},
            lambda state: {f"module.{key}": value for key, value in state.items()},
            lambda state: {"model": {f"module.module.{key}": value for key, value in state.items()}},
        ],
        ids=["bare", "ordered", "model", "opt", "opt-slice", "opt-float64", "opt-float32", "module", "module-twice"],
    )
    def test_read_state_dict_reads_files_of_fastai_and_torch(self, wrap, legacy, state, saved):
        assert_same(read_state_dict(saved(wrap(state), legacy=legacy)), state)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_read_state_dict_converts_other_float_types_to_float32(self, dtype, legacy, state, saved):
        other = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
        found = read_state_dict(saved({"model": other}, legacy=legacy))
        assert_same(found, {key: value.to(state[key].dtype) for key, value in other.items()})

    def test_read_state_dict_adds_missing_batch_counters(self, legacy, state, saved):
        del state["1.num_batches_tracked"]
        found = read_state_dict(saved(state, legacy=legacy))
        assert_same(found, state | {"1.num_batches_tracked": torch.tensor(0)})

    def test_read_state_dict_rejects_an_exported_learner(self, legacy, state, saved, monkeypatch):
        learner = foreign_class("fastai.basic_train", "Learner", monkeypatch)
        path = saved({"model": state, "cls": learner}, "export.pkl", legacy=legacy)
        with pytest.raises(ModelFileError, match=r"export.pkl is an exported fastai learner .* learn.save\('name'\)"):
            read_state_dict(path)

    def test_read_state_dict_rejects_python_objects(self, legacy, saved, monkeypatch):
        network = foreign_class("deoldify.unet", "DynamicUnetDeep", monkeypatch)()
        path = saved(network, legacy=legacy)
        with pytest.raises(
            ModelFileError, match=r"contains Python objects \(deoldify.unet.DynamicUnetDeep\), which are"
        ):
            read_state_dict(path)

    def test_read_state_dict_rejects_a_pickled_network(self, legacy, saved):
        with pytest.raises(
            ModelFileError, match=r"contains Python objects \(torch.nn.modules.conv.Conv2d\), which are"
        ):
            read_state_dict(saved(nn.Conv2d(1, 1, 1), legacy=legacy))

    @pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
    def test_read_state_dict_rejects_a_truncated_download(self, kept, legacy, state, saved):
        path = saved({"model": state, "opt": optimizer(slice(1))}, legacy=legacy)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        with pytest.raises(ModelFileError, match=r"truncated download.* again \(the README files of jantic/DeOldify"):
            read_state_dict(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({}, "contains nothing, expected weights by name"),
            ({"model": {}}, "contains nothing, expected weights by name"),
            ({"epoch": 3, "loss": 0.5}, "contains entries such as 'epoch', 'loss', expected weights by name"),
            ({"a": {"b": torch.zeros(1)}}, "contains entries such as 'a', expected weights"),
            ({1: torch.zeros(1)}, "contains entries such as 1, expected weights"),
            (torch.zeros(2), "contains a Tensor, expected a dictionary"),
            ([torch.zeros(2)], "contains a list, expected a dictionary"),
        ],
    )
    def test_read_state_dict_rejects_entries_other_than_weights(self, content, message, legacy, saved):
        with pytest.raises(ModelFileError, match=rf"net_gen.pth {message}") as caught:
            read_state_dict(saved(content, legacy=legacy))
        assert "\n" not in str(caught.value)


def foreign_class(module, name, monkeypatch):
    """Create a class of a package that is not installed, as named in a pickle."""
    package = types.ModuleType(module)
    package.__dict__[name] = type(name, (), {"__module__": module})
    monkeypatch.setitem(sys.modules, module.split(".")[0], types.ModuleType(module.split(".")[0]))
    monkeypatch.setitem(sys.modules, module, package)
    return package.__dict__[name]


def test_state_dict_does_not_depend_on_its_file(state, saved):
    path = saved(state)
    found = read_state_dict(path)
    path.write_bytes(b"")
    assert_same(found, state)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty; copy or download it again"),
        (b"  <!DOCTYPE html><html>quota exceeded</html>", "it is a web page saved under this name"),
        (b"\xef\xbb\xbf<head>Sign in</head>", "it is a web page saved under this name"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "it is a git-LFS pointer; fetch the real file"),
        (b"not found", "it is a text file"),
        (bytes(range(128, 256)), "it is damaged, truncated or from another program"),
        (pickle.dumps({"weights": [1.0]}), "it is a Python pickle; save the weights alone"),
        (pickle.dumps({}, 2), "it is a Python pickle"),
    ],
)
def test_read_state_dict_describes_other_kinds_of_files(tmp_path, content, message):
    path = tmp_path / "ColorizeArtistic_gen.pth"
    path.write_bytes(content)
    assert is_checkpoint(path)
    with pytest.raises(ModelFileError, match=rf"_gen.pth contains no weights: {message}.* jantic/DeOldify") as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("weights/net.pth", "is a ZIP archive, not weights; unpack it and use the .pth file inside"),
        ("net/constants.pkl", "is a TorchScript program, not weights"),
    ],
)
def test_read_state_dict_describes_other_zip_archives(tmp_path, member, message):
    with zipfile.ZipFile(tmp_path / "net.pth", "w") as archive:
        archive.writestr(member, b"something")
    with pytest.raises(ModelFileError, match=message):
        read_state_dict(tmp_path / "net.pth")


def test_read_state_dict_does_not_download_a_missing_file(tmp_path):
    with pytest.raises(MissingFileError, match=r"gen.pth does not exist; nothing is downloaded .* jantic/DeOldify"):
        read_state_dict(tmp_path / "ColorizeArtistic_gen.pth")


@pytest.mark.parametrize("stored", [True, False], ids=["normed-weight-stored", "normed-weight-missing"])
def test_read_state_dict_adds_the_second_vector_of_an_old_spectral_norm(stored, saved):
    torch.manual_seed(0)
    layer = nn.utils.spectral_norm(nn.Conv2d(3, 5, 3))
    for _ in range(200 if not stored else 1):  # without the normed weight, u must have converged
        layer(torch.zeros(1, 3, 8, 8))
    now = layer.eval().state_dict()
    old = {"bias": now["bias"], "weight_orig": now["weight_orig"], "weight_u": now["weight_u"]}
    if stored:
        old["weight"] = layer.weight.detach()
    found = read_state_dict(saved(old))
    assert set(found) == {"bias", "weight_orig", "weight_u", "weight_v"}
    sigma = torch.dot(found["weight_u"], found["weight_orig"].flatten(1) @ found["weight_v"])
    torch.testing.assert_close(found["weight_orig"] / sigma, layer.weight.detach(), atol=1e-6, rtol=1e-5)


def test_read_state_dict_reads_files_of_fastai_in_both_formats(parity):
    names = ["mini_fastai_v1_checkpoint.pth", "mini_fastai_v1_checkpoint_legacy.pth"]
    first, second = (read_state_dict(parity / name) for name in names)
    assert_same(first, second)
    assert first["0.0.weight_orig"].shape == (4, 3, 3, 3)
    with torch.serialization.safe_globals([slice]):
        assert_same(first, torch.load(parity / names[0], weights_only=True)["model"])
