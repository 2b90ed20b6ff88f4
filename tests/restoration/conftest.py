"""Small networks with random weights, and movies that count their reads."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify.inference.options import InferenceOptions
from decrappify.model import Model
from decrappify.movie import ArraySource, Movie
from decrappify.networks import NetworkSpec, RestorationNetwork
from decrappify.normalization import NormalizationRule
from decrappify.restoration import RestorationOptions

ON_CPU = InferenceOptions(device="cpu", precision="float32")
FAST = {"inference": ON_CPU}


def grouped(**settings):
    """Group settings into the arguments of `restore`, on the CPU in float32."""
    inference = {name: settings.pop(name) for name in INFERENCE & settings.keys()}
    options = {name: settings.pop(name) for name in OPTIONS & settings.keys()}
    return settings | {"inference": replace(ON_CPU, **inference), "options": RestorationOptions(**options)}


INFERENCE, OPTIONS = ({field.name for field in fields(kind)} for kind in (InferenceOptions, RestorationOptions))


class PoolingNetwork(RestorationNetwork):
    """Network with two poolings and a pixel shuffle for the scale; its receptive field is 14 pixels to each side."""

    def __init__(self, n_frames=1, in_channels=1, scale=1, seed=0):
        super().__init__()
        self.spec = NetworkSpec(
            n_frames=n_frames,
            in_channels=in_channels,
            out_channels=in_channels,
            scale=scale,
            size_multiple=4,
            margin=16,
        )
        self.architecture = {"name": "pooling", "n_frames": n_frames, "in_channels": in_channels, "scale": scale}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = (n_frames * in_channels, 6, 6, 6, 6, in_channels * scale**2)
            self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))

    def forward(self, source: Tensor) -> Tensor:
        if source.shape[-1] % 4 or source.shape[-2] % 4:
            raise ValueError(f"source of {tuple(source.shape)} pixels does not fit")
        first, fine, coarse, up, last = self.convs
        x0 = F.relu(first(source))
        x1 = F.relu(fine(F.max_pool2d(x0, 2)))
        x2 = F.relu(coarse(F.avg_pool2d(x1, 2)))
        x1 = F.relu(up(x1 + F.interpolate(x2, scale_factor=2)))
        middle = source[:, self.n_frames // 2 * self.in_channels :][:, : self.in_channels]
        middle = F.interpolate(middle, scale_factor=self.scale) if self.scale > 1 else middle
        return middle + F.pixel_shuffle(last(x0 + F.interpolate(x1, scale_factor=2)), self.scale)


class WindowMean(RestorationNetwork):
    """Mean over the window: independent of tiles, as it is purely local; the identity for one frame."""

    def __init__(self, n_frames=1):
        super().__init__()
        self.spec = NetworkSpec(n_frames=n_frames, in_channels=1, out_channels=1)
        self.architecture = {"name": "window-mean", "n_frames": n_frames}

    def forward(self, source: Tensor) -> Tensor:
        return source.mean(1, keepdim=True)


class Breaks(PoolingNetwork):
    """A network that raises an error at its n-th tile."""

    def __init__(self, at, error):
        super().__init__(3)
        self.calls, self.at, self.error = 0, at, error

    def forward(self, source):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return super().forward(source)


class CountingSource(ArraySource):
    """A source that counts the reads of each plane."""

    def __init__(self, array):
        super().__init__(array)
        self.counts = Counter()

    def read(self, t, c, z, rows, columns):
        self.counts[t, c, z] += 1
        return super().read(t, c, z, rows, columns)


def as_model(network):
    return Model(network, NormalizationRule(), None, {"name": network.architecture["name"]})


def files_of(path: Path) -> dict[str, bytes]:
    """Return the contents of a file, or of all files of a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decrappify")]


@pytest.fixture
def movie(rng):
    """A 16-bit movie of 6 frames, 2 channels and 1 slice, with metadata."""
    return Movie.from_array(
        rng.integers(90, 4000, (6, 2, 1, 45, 70), dtype=np.uint16),
        name="cells",
        pixel_size_um=(None, 0.2, 0.2),
        frame_interval_s=2.5,
        channel_names=("actin", "nuclei"),
        provenance={"microscope": "spinning disk"},
    )
