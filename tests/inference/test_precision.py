from __future__ import annotations

import os

import pytest
import torch
from tests import narrow  # noqa: F401  # makes its encoder known
from torch import nn

from decrappify._common.processes.processor import cpu_flags
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.precision import InFloat32, convert, has_fast_bfloat16
from decrappify.networks import create

CPU = torch.device("cpu")
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def small(seed=0, name="dynamic-unet", **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        settings = {"encoder": "narrow-resnet", "in_channels": 1, "out_channels": 1, "width_factor": 0.25} | settings
        return create(name, **settings).eval()


def test_has_fast_bfloat16_follows_the_limit_of_onednn(monkeypatch):
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    assert has_fast_bfloat16(CPU) is bool({"avx512_bf16", "amx_bf16"} & cpu_flags())
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert has_fast_bfloat16(CPU) is False  # oneDNN would emulate it
    assert has_fast_bfloat16(torch.device("mps")) is False


@pytest.mark.parametrize(("name", "settings"), [("dynamic-unet", {}), ("upsampled-unet", {"scale": 2})])
def test_convert_keeps_the_output_layer_in_float32(name, settings):
    network = small(name=name, **settings)
    before = network.get_submodule(network.spec.output_layer)[0].effective_weight().clone()
    converted = convert(network, "bfloat16", output_layer=network.spec.output_layer)
    last = converted.get_submodule(network.spec.output_layer)
    assert isinstance(last, InFloat32)
    assert torch.equal(last.layer[0].effective_weight(), before)
    dtypes = {name: parameter.dtype for name, parameter in converted.named_parameters()}
    assert {name for name, dtype in dtypes.items() if dtype == torch.float32} == {
        name for name in dtypes if name.startswith(network.spec.output_layer)
    }


def test_convert_without_an_output_layer_converts_all_parameters():
    network = convert(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 1, 1)), "bfloat16")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


def test_generator_in_bfloat16_predicts_more_gray_levels_than_bfloat16_has():
    source = torch.linspace(0, 1, 96 * 96).view(1, 1, 96, 96)
    prediction = InferenceNetwork(small(), device="cpu", precision="bfloat16")(source)
    assert not torch.equal(prediction, prediction.bfloat16().float())
    assert len(prediction.unique()) > 9000


@pytest.mark.cpu_sensitive
def test_auto_precision_follows_the_kernels_of_this_process():
    limited = os.environ.get("ONEDNN_MAX_CPU_ISA", "") in ("AVX2", "AVX512_CORE")
    network = InferenceNetwork(create("residual-unet", n_frames=1, base_channels=16), device="cpu")
    expected = bool({"avx512_bf16", "amx_bf16"} & cpu_flags()) and not limited
    assert (network.precision == "bfloat16") is expected
    assert (network.agreement_db is not None) is expected
