"""Runs in separate processes: killed at random times, or with measured peak memory."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.restoration.conftest import files_of
from torch import nn

from decrappify.io import save_movie
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks.residual_unet import ResidualUNet

RESTORE = """
import sys, torch
torch.set_num_threads(1)
from decrappify import InferenceOptions, restore
inference = InferenceOptions(device="cpu", precision="float32", tile_size=96)
restore(sys.argv[1], sys.argv[2], sys.argv[3], inference=inference).close()
"""

MEMORY = """
import resource, sys
import numpy as np
from decrappify.model import load_model
from decrappify.movie import ArraySource, Movie
from decrappify import InferenceOptions, restore

class Generated(ArraySource):
    def __init__(self, n_frames):
        super().__init__(np.zeros((1, 512, 512), np.uint16))
        self.shape = (n_frames, *self.shape[1:])
    def read(self, t, c, z, rows, columns):
        return np.random.default_rng(t).integers(0, 4000, (512, 512), dtype=np.uint16)[rows, columns]

inference = InferenceOptions(device="cpu", precision="float32")
restore(Movie(Generated(int(sys.argv[1]))), sys.argv[2], sys.argv[3], inference=inference).close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def model_file(tmp_path):
    network = ResidualUNet(n_frames=3, base_channels=16, depth=1)
    nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    return Model(network, card={"name": "random"}).save(tmp_path / "random.safetensors")


def start(*arguments):
    return subprocess.Popen([sys.executable, "-c", RESTORE, *map(str, arguments)])


def kill_when(process, journal: Path, planes: int, delay: float) -> None:
    """Send SIGKILL to the process `delay` seconds after it has written `planes` planes."""
    while process.poll() is None:
        if journal.is_file() and journal.read_bytes().count(b"\n[") >= planes:
            time.sleep(delay)
            break
        time.sleep(0.002)
    process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.cpu_sensitive
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_restore_killed_three_times_resumes_byte_for_byte(rng, tmp_path, model_file, suffix):
    movie = Movie.from_array(rng.integers(0, 4000, (30, 192, 200), dtype=np.uint16), pixel_size_um=(None, 0.2, 0.2))
    source = save_movie(movie, tmp_path / "cells.ome.zarr")
    # The name of the output is part of some formats, so both runs use the same name.
    whole, output = (tmp_path / folder / f"restored{suffix}" for folder in ("whole", "killed"))
    for path in (whole, output):
        path.parent.mkdir()
    assert start(source, model_file, whole).wait() == 0
    journal = output.with_name(f"{output.name}.partial") / "journal"
    generator = random.Random()
    for planes in sorted(generator.sample(range(1, 29), 3)):
        kill_when(start(source, model_file, output), journal, planes, generator.uniform(0, 0.05))
        assert not output.exists()
    assert start(source, model_file, output).wait() == 0
    assert files_of(output) == files_of(whole)
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.slow
def test_restore_memory_does_not_grow_with_the_movie(tmp_path, model_file):
    peaks = []
    for n_frames in (20, 120):
        command = [sys.executable, "-c", MEMORY, str(n_frames), str(model_file), str(tmp_path / f"{n_frames}.ome.zarr")]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] < 1.05 * peaks[0], f"peak memory {peaks} kB"
