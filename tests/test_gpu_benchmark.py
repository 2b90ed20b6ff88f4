"""Parts of benchmarks/speed/gpu.py that do not depend on a GPU, and its end without one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import zarr
from benchmarks.harness.synthetic_movie import generate
from benchmarks.speed import gpu
from benchmarks.speed.gpu_pipeline import _ahead, _windows, run_pipeline

from decrappify.inference.network import InferenceNetwork
from decrappify.networks.residual_unet import ResidualUNet

CPU = torch.device("cpu")


@pytest.mark.parametrize("overlapped", [False, True])
def test_pipeline_writes_the_predictions_of_all_frames(tmp_path, overlapped):
    source = generate(tmp_path / "source.ome.zarr", 4, 32)
    ready = InferenceNetwork(ResidualUNet(n_frames=3, base_channels=16, depth=1), device="cpu", precision="float32")
    found = run_pipeline(ready, source, tmp_path / "result.zarr", pinned=False, overlapped=overlapped)
    result = zarr.open_array(tmp_path / "result.zarr", mode="r")
    raw = zarr.open_group(source, mode="r")["0"][:, 0, 0]
    np.testing.assert_array_equal(result[:], raw)  # an untrained network is the identity
    assert 0 < found["busy_s"] < found["seconds"]


def test_windows_repeat_the_ends_of_the_movie():
    frames = (torch.full((2, 2), float(t)) for t in range(4))
    assert [window[0, :, 0, 0].tolist() for window in _windows(frames, 4, 3)] == [
        [1, 0, 1],
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 2],
    ]


def test_frames_ahead_are_in_order():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        assert list(_ahead(thread, iter([3, 1, 2]))) == [3, 1, 2]


def test_section_shows_the_rows_of_a_device():
    rows = [gpu.measure_matmul(CPU, side=32), gpu.measure_model("fluorescence-still", CPU, batches=(1,), side=32)]
    text = gpu.section(rows)
    assert "| float32 | 1 | as restored |" in text
    assert "of matmul" in text


def test_script_ends_with_one_line_without_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu.py", "--results", str(tmp_path / "RESULTS.md")])
    with pytest.raises(SystemExit, match=r"^torch finds no CUDA GPU here: nothing was measured$"):
        gpu.main()
    assert list(tmp_path.iterdir()) == []
