"""Tiny untrained colorization models, and images to colorize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests import narrow  # noqa: F401  # makes its encoder known

from decrappify.colorization import film
from decrappify.colorization.colorizer import Colorizer
from decrappify.inference.options import InferenceOptions
from decrappify.model import Model
from decrappify.networks import create
from decrappify.normalization import IMAGENET

from .films import CountingColorizer, tiny_model

CARD = {"name": "tiny", "task": "colorization", "preset": "own"}


@pytest.fixture(scope="session")
def color_model():
    torch.manual_seed(5)
    settings = {"width_factor": 0.25, "attention": True, "y_range": (-3.0, 3.0)}
    return Model(create("dynamic-unet", encoder="narrow-resnet", **settings), IMAGENET, card=CARD)


@pytest.fixture(scope="session")
def colorizer(color_model):
    return Colorizer(color_model, render_factor=4, inference=InferenceOptions(device="cpu", precision="float32"))


@pytest.fixture(scope="session")
def photo():
    """A smooth gray image with fine grain, (60, 90, 3) uint8."""
    y, x = np.mgrid[:60, :90]
    grain = np.random.default_rng(3).integers(-8, 9, (60, 90))
    gray = (120 + 60 * np.sin(x / 15) + 40 * np.cos(y / 9) + grain).clip(0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.fixture
def album(tmp_path, photo):
    """A folder of three images and two files to be skipped."""
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("p10.png", "p2.jpg", "p1.bmp"):
        Image.fromarray(photo).save(folder / name)
    (folder / "notes.txt").write_text("holiday")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


@pytest.fixture
def film_colorizer():
    """A colorizer that is faster than `colorizer` and counts its images."""
    return CountingColorizer(tiny_model(), render_factor=2, inference=InferenceOptions(device="cpu"))


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr(film, "SEGMENT_FRAMES", 8)
