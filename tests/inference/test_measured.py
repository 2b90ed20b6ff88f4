"""Measurement of the backends for "auto", and the choice by the length of the run."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from decrappify.errors import InputError
from decrappify.inference import measured
from decrappify.inference.measured import Cost, cheapest, cost_key, measured_costs, other_backend
from decrappify.inference.network import InferenceNetwork
from decrappify.networks.residual_unet import ResidualUNet

CPU = torch.device("cpu")
SOURCE = torch.zeros(1, 1, 8, 8)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr("decrappify._common.files.user_cache.user_cache", lambda: tmp_path)
    return tmp_path / "backends.json"


def forms(prepared, clock):
    """Return two backends that advance a clock: "openvino" takes 3 s to prepare and half of torch's time."""

    def form(name, preparation, seconds):
        def prepare():
            prepared.append(name)
            clock[0] += preparation

            def predict(source):
                clock[0] += seconds
                return source

            return predict

        return prepare

    return {"torch": form("torch", 1.0, 1.0), "openvino": form("openvino", 3.0, 0.5)}


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measured.time, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("per_megapixel", "megapixels", "expected"),
    [(0.5, 100, "openvino"), (0.5, 3, "torch"), (0.97, 1000, "torch"), (1.2, 1000, "torch")],
)
def test_cheapest_counts_the_preparation_and_requires_a_gain(per_megapixel, megapixels, expected):
    costs = {"torch": Cost(0, 1.0), "openvino": Cost(2, per_megapixel)}
    assert cheapest(costs, megapixels * 1e6) == expected


def test_measured_costs_are_stored_for_the_next_run(clock, cache, caplog):
    prepared = []
    with caplog.at_level(logging.INFO):
        first = measured_costs(forms(prepared, clock), SOURCE, "here")
        second = measured_costs(forms(prepared, clock), SOURCE, "here")
    per_pixel = 1e6 / 64
    assert first == second == {"torch": Cost(0, per_pixel), "openvino": Cost(3.5, per_pixel / 2)}
    assert prepared == ["torch", "openvino"]
    assert "measured on this computer on 20" in caplog.text
    measured_costs(forms(prepared, clock), SOURCE, "elsewhere")
    assert len(prepared) == 4


@pytest.mark.parametrize("content", ["", "[]", '{"here": {"torch": "x"}}', '{"here": {"openvino": [1, 2]}}'])
def test_damaged_cache_is_measured_again(clock, cache, content):
    cache.write_text(content)
    prepared = []
    assert set(measured_costs(forms(prepared, clock), SOURCE, "here")) == {"torch", "openvino"}
    assert prepared == ["torch", "openvino"]


def test_backend_that_fails_has_no_cost(clock, caplog):
    def fails():
        raise InputError("openvino is not installed")

    with caplog.at_level(logging.INFO):
        costs = measured_costs(forms([], clock) | {"openvino": fails}, SOURCE, "here")
    assert set(costs) == {"torch"}
    assert "openvino is not installed" in caplog.text


def test_key_names_processor_threads_layers_and_versions():
    key = cost_key(nn.Conv2d(1, 2, 3), "float32", ("numpy",))
    for part in (f"{torch.get_num_threads()} threads", "float32", f"torch {torch.__version__}", "numpy "):
        assert part in key
    assert key != cost_key(nn.Conv2d(1, 3, 3), "float32", ("numpy",))


@pytest.mark.parametrize(
    ("there", "device", "precision", "expected"),
    [
        ({"openvino", "onnxruntime", "onnxscript"}, "cpu", "bfloat16", "openvino"),
        ({"onnxruntime", "onnxscript"}, "cpu", "float32", "onnxruntime"),
        ({"onnxruntime", "onnxscript"}, "cpu", "bfloat16", None),
        ({"openvino"}, "cuda", "float32", None),
        (set(), "cpu", "float32", None),
    ],
)
def test_other_backend_is_installed_and_supports_the_precision(monkeypatch, there, device, precision, expected):
    monkeypatch.setattr(measured, "find_spec", lambda name: object() if name in there else None)
    assert other_backend(torch.device(device), precision) == expected


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed: it is an extra")
@pytest.mark.slow
def test_long_run_measures_and_a_short_one_does_not(monkeypatch, cache):
    monkeypatch.setattr("decrappify.inference.network.MEASURED_SIDE", 64)
    network = ResidualUNet(n_frames=1, base_channels=16, depth=1)
    assert InferenceNetwork(network, device="cpu", precision="float32", expected_pixels=1000).backend == "torch"
    assert not cache.exists()
    long_run = InferenceNetwork(network, device="cpu", precision="float32", expected_pixels=60_000_000)
    assert cache.exists()
    assert long_run(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)
