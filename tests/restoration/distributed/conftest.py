"""A movie and a model in files, and the result of a single process."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tests.restoration.conftest import FAST, files_of
from torch import nn

from decrappify import restore
from decrappify.io import save_movie
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks.residual_unet import ResidualUNet


class Case(NamedTuple):
    """Files of a run, and those that it must write."""

    source: Path
    model: Path
    output: Path
    expected: dict[str, bytes]

    def restore(self, **settings):
        return restore(self.source, self.model, self.output, **FAST, **settings)

    def is_as_expected(self) -> bool:
        """Return whether the output is that of a single process, and nothing else is left."""
        return files_of(self.output) == self.expected and [p.name for p in self.output.parent.iterdir()] == [
            self.output.name
        ]


@pytest.fixture(scope="module")
def case_files(tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("whole")
    pixels = np.random.default_rng(7).integers(90, 4000, (9, 2, 1, 40, 52), dtype=np.uint16)
    pixels[4, 0, 0, 20, 30] = 65000  # an outlier, for the notes of a plane
    movie = Movie.from_array(pixels, name="cells", pixel_size_um=(None, 0.2, 0.2), frame_interval_s=2.5)
    source = save_movie(movie, folder / "cells.ome.zarr")
    network = ResidualUNet(n_frames=3, base_channels=16, depth=1)
    nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    model = Model(network, card={"name": "random"}).save(folder / "random.safetensors")
    output = folder / "out.ome.zarr"
    restore(source, model, output, **FAST)
    return Case(source, model, output, files_of(output))


@pytest.fixture
def case(case_files, tmp_path) -> Case:
    (tmp_path / "results").mkdir()
    return case_files._replace(output=tmp_path / "results" / "out.ome.zarr")
