"""Memory and modules of a restoration, in separate processes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from decrappify.io import save_movie
from decrappify.movie import Movie

PEAK = """
import json, sys
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
"""
OPEN = f"""{PEAK}
import decrappify
decrappify.open_movie(sys.argv[1]).frame(0, 0, 0)
print(json.dumps([peak(), sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""
RESTORE = f"""{PEAK}
import torch
torch.set_num_threads(1)
before = peak()
import decrappify
from decrappify import InferenceOptions
inference = InferenceOptions(device="cpu", precision="float32")
decrappify.restore(sys.argv[1], "fluorescence-movie", sys.argv[2], inference=inference)
print(json.dumps([peak() - before, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


def run(code, *paths):
    command = [sys.executable, "-c", code, *map(str, paths)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def smooth(n_frames, size):
    """Return a movie without outliers."""
    rows, columns = np.mgrid[:size, :size]
    frame = 500 + 200 * np.sin(rows / 9) * np.sin(columns / 7)
    noise = np.random.default_rng(0).normal(0, 20, (n_frames, size, size))
    return Movie.from_array((frame + noise).astype(np.uint16), "TYX")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_opening_a_movie_takes_little_memory_and_no_torch(tmp_path, suffix):
    peak, modules = run(OPEN, save_movie(smooth(1, 64), tmp_path / f"small{suffix}"))
    assert peak < 120
    assert {"torch", "scipy", "skimage", "av"}.isdisjoint(modules)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_restoring_a_movie_without_outliers_needs_no_scipy(tmp_path):
    _, modules = run(RESTORE, save_movie(smooth(3, 64), tmp_path / "small.ome.zarr"), tmp_path / "out.ome.zarr")
    assert {"scipy", "skimage", "av", "torchvision", "matplotlib"}.isdisjoint(modules)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_restoring_large_frames_takes_constant_memory(tmp_path):
    peaks = []
    for n_frames in (4, 8):
        source = save_movie(smooth(n_frames, 2048), tmp_path / f"{n_frames}.ome.zarr")
        peaks.append(run(RESTORE, source, tmp_path / f"{n_frames}-out.ome.zarr")[0])
    assert max(peaks) < 450  # measured: 370 MiB beyond importing torch
    assert peaks[1] < peaks[0] + 60
