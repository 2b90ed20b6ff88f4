from __future__ import annotations

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from decrappify.errors import DeviceMemoryError, InputError, ModelFileError
from decrappify.limits.weights import check_loading, check_preparing
from decrappify.model import load_model
from decrappify.model.fastai_import import read_state_dict
from decrappify.networks import create
from decrappify.networks.weights import read_weights
from decrappify.normalization import NormalizationRule
from decrappify.training.engine.checkpoint import load_checkpoint

ARCHITECTURE = {"name": "residual-unet", "n_frames": 1, "base_channels": 16, "depth": 1}


def compressed(path, content):
    """Write a file of torch with compressed members."""
    torch.save(content, path.with_suffix(".stored"))
    with zipfile.ZipFile(path.with_suffix(".stored")) as stored, zipfile.ZipFile(path, "w", 8) as archive:
        for member in stored.infolist():
            archive.writestr(member.filename, stored.read(member))
    path.with_suffix(".stored").unlink()
    return path


def test_readers_reject_compressed_weights_before_unpacking(tmp_path):
    path = compressed(tmp_path / "net.pth", {"0.weight": torch.zeros(1 << 25)})
    for read in (read_state_dict, read_weights, lambda path: load_checkpoint(path, {})):
        with pytest.raises(
            ModelFileError, match=r"net\.pth unpacks to 134 MB, .* implausible for a file of 1\d\d\.\d kB"
        ):
            read(path)


def test_read_state_dict_rejects_one_repeated_value(tmp_path):
    torch.save({"0.weight": torch.zeros(1).expand(1 << 30)}, tmp_path / "net.pth")
    with pytest.raises(ModelFileError, match=r"declares weights of 4\.3 GB, .* implausible for a file of 1\.\d kB"):
        read_state_dict(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 30}, "depth is 30, expected an integer of at most 10"),
        ({"blocks": 10**7}, "blocks is 10000000, expected an integer of at most 64"),
        ({"base_channels": 10**9}, "base_channels is 1000000000, expected an integer of at most 4096"),
        ({"n_frames": 10**9 + 1}, "n_frames is 1000000001, expected at most 101"),
        ({"in_channels": 10**6, "out_channels": 10**6}, "in_channels is 1000000, expected an integer of at most 1024"),
        (
            {"base_channels": 4096, "depth": 4, "growth": 1.9},
            "contains weights that do not fit its architecture",
        ),
        ({"growth": 99.0, "depth": 10}, "the widest level .* expected an integer of at most 65536"),
        ({"depth": 10, "growth": 1.5}, "contains weights that do not fit its architecture"),
    ],
)
def test_load_model_rejects_implausible_headers_before_building(change, message, tmp_path):
    header = {
        "format_version": 1,
        "architecture": ARCHITECTURE | change,
        "normalization": NormalizationRule().to_dict(),
        "crappifier": None,
        "card": {},
        "written_by": "decrappify 0.1.0",
    }
    save_file({"head.weight": torch.zeros(3)}, tmp_path / "m.safetensors", {"decrappify": json.dumps(header)})
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("residual-unet", {"base_channels": 4096, "depth": 4, "growth": 1.9}),
        ("critic", {"width": 1024, "blocks": 9}),
        ("dynamic-unet", {"width_factor": 99.0, "encoder": "resnet101", "form": "wide"}),
    ],
)
def test_create_rejects_implausible_numbers_of_parameters(name, settings):
    with pytest.raises(InputError, match="parameters with these settings, expected at most 500,000,000"):
        create(name, **settings)


def test_weights_larger_than_memory_raise_before_copying(tmp_path, monkeypatch):
    weights = [torch.empty(25_000_000, device="meta")]
    with (tmp_path / "m.safetensors").open("wb") as file:
        file.truncate(100_000_000)
    monkeypatch.setattr("decrappify.limits.memory.available_memory", lambda: 250_000_000)
    with pytest.raises(
        DeviceMemoryError, match=r"loading .*m\.safetensors needs 275 MB, only 250 MB of memory are free; clo"
    ):
        check_loading(tmp_path / "m.safetensors")
    with pytest.raises(DeviceMemoryError, match="preparing a network with 100 MB of weights needs 300 MB, only 250 MB"):
        check_preparing(weights)
    monkeypatch.setattr("decrappify.limits.memory.available_memory", lambda: 300_000_000)
    check_loading(tmp_path / "m.safetensors")
    check_preparing(weights)
