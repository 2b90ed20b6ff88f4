"""Small networks of each published kind, and files of their weights as torch and fastai v1 write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from decrappify.networks import create

SPECTRAL = {"norm": "spectral", "attention": True, "y_range": (-3.0, 3.0)}
# One of every kind, with small and odd widths, so that a wrong guess is detected.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "deep": ("dynamic-unet", SPECTRAL | {"encoder": "resnet18", "width_factor": 0.3}),
    "wide": ("dynamic-unet", SPECTRAL | {"encoder": "resnet18", "form": "wide", "width_factor": 0.15}),
    "weight": ("dynamic-unet", {"encoder": "resnet18", "width_factor": 0.25}),
    "weight-attention": (
        "dynamic-unet",
        {"encoder": "resnet18", "width_factor": 0.07, "attention": True, "y_range": (-3, 3)},
    ),
    "batch": ("dynamic-unet", {"encoder": "resnet18", "width_factor": 0.1, "norm": "batch", "bottleneck": True}),
    "none": ("dynamic-unet", {"encoder": "resnet18", "width_factor": 0.1, "norm": "none", "last_cross": False}),
    "frames": (
        "dynamic-unet",
        {"encoder": "resnet18", "width_factor": 0.1, "n_frames": 3, "in_channels": 2, "out_channels": 2},
    ),
    "gray": ("dynamic-unet", {"encoder": "resnet18", "width_factor": 0.1, "in_channels": 1, "out_channels": 1}),
    "segmentation": ("dynamic-unet", {"encoder": "resnet18", "width_factor": 0.1, "out_channels": 1}),
    "pssr-small": (
        "upsampled-unet",
        {
            "encoder": "wn-resnet18",
            "width_factor": 0.1,
            "n_frames": 5,
            "in_channels": 1,
            "out_channels": 1,
            "attention": True,
            "bottleneck": True,
        },
    ),
}


@pytest.fixture(scope="session")
def made() -> Callable[[str], nn.Module]:
    """Create a network of `NETWORKS` or `create` with weights seeded by its name; small networks are cached."""
    kept: dict[str, nn.Module] = {}

    def make(name: str) -> nn.Module:
        if name not in kept:
            kind, settings = NETWORKS.get(name, (name, {}))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(len(name))
                network = create(kind, **settings).eval()
            for module in network.modules():
                if hasattr(module, "gamma"):
                    nn.init.constant_(module.gamma, 0.5)
            if name not in NETWORKS:
                return network
            kept[name] = network
        return kept[name]

    return make


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Save something with torch, in the format since torch 1.6 (a ZIP archive) or the one before."""

    def save(content: Any, name: str = "net_gen.pth", *, legacy: bool = False) -> Path:
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=not legacy)
        return tmp_path / name

    return save


@pytest.fixture
def same_outputs() -> Callable[..., None]:
    """Check that two networks return the same prediction for a random source."""

    def check(found: Any, expected: Any, *, atol: float = 0) -> None:
        torch.manual_seed(0)
        side = 32 if expected.scale == 1 else 8
        source: Tensor = torch.randn(1, expected.n_frames * expected.in_channels, side, side)
        with torch.inference_mode():
            torch.testing.assert_close(found(source), expected(source), atol=atol, rtol=0)

    return check
