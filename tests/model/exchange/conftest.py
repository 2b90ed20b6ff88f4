"""Tiny models and an exported package of one of them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from decrappify.model import Model, export_model
from decrappify.networks import create
from decrappify.normalization import NormalizationRule

CARD = {
    "name": "tiny",
    "summary": "nuclei, denoised from three frames",
    "limits": ["Trained on nuclei."],
    "pixel_size": {"lowest_um": 0.05, "highest_um": 0.4},
    "data": ["simulated nuclei"],
    "scores": ["nuclei, 10 photons: PSNR 31.5 dB"],
    "settings": {"learning_rate": 1e-05, "seed": 0, "workers": None, "deterministic": False},
    "license": "CC-BY-4.0",
    "authors": ["A. Author"],
    "cite": [{"text": "A. Author (2026)", "url": "https://example.org"}, {"text": "without an address"}],
}


def tiny(**settings):
    """Return a model with a tiny network that changes its source."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = create("small", **{"base_channels": 16, "depth": 1, "n_frames": 3} | settings)
        torch.nn.init.normal_(network.tail.weight, std=0.05)
    return Model(network, NormalizationRule(low=2.0), {"name": "noise", "steps": []}, CARD)


@pytest.fixture(scope="package")
def zoo():
    """Skip a test if packages of the zoo cannot be written or read."""
    for name in ("loguru", "onnxruntime", "onnxscript"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed: it is a part of the extra bioimageio")


@pytest.fixture(scope="package")
def model():
    return tiny(scale=2)


@pytest.fixture(scope="package")
def package(zoo, model, cached_operator_tables, tmp_path_factory):
    return export_model(model, tmp_path_factory.mktemp("package") / "tiny.zip")
