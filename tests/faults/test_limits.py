"""Restorations in separate processes with limited memory or threads: complete, or rejected in one line, in time."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decrappify.io import open_movie, save_movie
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks import create
from decrappify.normalization import IMAGENET

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform != "linux", reason="needs limits of Linux")]

_SECONDS = 240
_GROUPS = Path("/sys/fs/cgroup")
_numbers = itertools.count()


class Group:
    """A new control group of version 1 or 2 with one limit."""

    def __init__(self, controller: str, limits: dict[str, str], version_1: dict[str, str]) -> None:
        first = (_GROUPS / controller).is_dir()
        top = _GROUPS / controller if first else _GROUPS
        self.folder = top / f"decrappify-test-{os.getpid()}-{next(_numbers)}"
        try:
            self.folder.mkdir()
            for name, value in (version_1 if first else limits).items():
                (self.folder / name).write_text(value)
        except OSError as error:
            self.remove()
            pytest.skip(f"cannot create a control group ({error})")

    def enter(self) -> None:
        """Move this process into the group."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self) -> None:
        if self.folder.is_dir():
            self.folder.rmdir()


def memory_group(megabytes: int) -> Group:
    size = str(megabytes << 20)
    return Group("memory", {"memory.max": size}, {"memory.limit_in_bytes": size})


def process_group(count: int) -> Group:
    return Group("pids", {"pids.max": str(count)}, {"pids.max": str(count)})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(90, 4000, (2, 1024, 1024), dtype=np.uint16)
    return save_movie(Movie.from_array(values), tmp_path / "cells.ome.zarr")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(90, 4000, (3, 96, 96), dtype=np.uint16)
    return save_movie(Movie.from_array(values), tmp_path / "small.ome.zarr")


@pytest.fixture
def colorizer(tmp_path: Path) -> Path:
    """An untrained colorization model of 84 MB."""
    network = create("dynamic-unet", encoder="resnet18", width_factor=1.0)
    return Model(network, IMAGENET, card={"task": "colorization", "preset": "own"}).save(tmp_path / "m.safetensors")


def restore(source: Path, output: Path, *options: str, before: object = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in one process; raises TimeoutExpired if it hangs."""
    command = [sys.executable, "-m", "decrappify", "restore", str(source), str(output), "--device", "cpu"]
    command += ["--precision", "float32", "--backend", "torch", "--model", "fluorescence-still", *options]
    return run(command, before)


def run(command: list[str], before: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        command, preexec_fn=before, env=environment, capture_output=True, text=True, timeout=_SECONDS
    )  # fmt: skip


def assert_complete_or_one_line(done: subprocess.CompletedProcess[str], output: Path, n_frames: int) -> None:
    """Check that the result is complete, or that it is absent and one line states the reason."""
    assert "Traceback" not in done.stderr
    if done.returncode == 0:
        with open_movie(output) as restored:
            assert restored.shape[0] == n_frames
            assert all(restored.frame(t).any() for t in range(n_frames))
        return
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stderr.strip().splitlines()[-1].startswith("decrappify: ")
    assert not output.exists()


def test_restore_fits_into_the_memory_of_its_container(source: Path, tmp_path: Path) -> None:
    group = memory_group(550)
    try:
        done = restore(source, tmp_path / "out.ome.zarr", before=group.enter)
    finally:
        group.remove()
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_restore_killed_for_memory_resumes_with_smaller_tiles(source: Path, tmp_path: Path) -> None:
    group, output = memory_group(450), tmp_path / "out.ome.zarr"
    try:
        first = restore(source, output, "--tile-size", "1024", before=group.enter)
        assert first.returncode == -signal.SIGKILL, first.stderr
        assert not output.exists()
        done = restore(source, output, "--tile-size", "1024", before=group.enter)
    finally:
        group.remove()
    assert "ended the previous run for lack of memory, with --tile-size 1024: continuing with --tile-size 512" in (
        done.stderr
    )
    assert_complete_or_one_line(done, output, 2)
    assert done.returncode == 0


@pytest.mark.parametrize("megabytes", [300, 400, 500, 650, 1200])
def test_colorize_with_little_memory_succeeds_or_raises(colorizer: Path, tmp_path: Path, megabytes: int) -> None:
    Image.new("L", (2000, 1500), 90).save(tmp_path / "photo.png")
    output, group = tmp_path / "color.png", memory_group(megabytes)
    command = [sys.executable, "-m", "decrappify", "colorize", str(tmp_path / "photo.png"), str(output)]
    command += ["--model", str(colorizer), "--render-factor", "20", "--device", "cpu"]
    try:
        done = run(command, group.enter)
    finally:
        group.remove()
    if megabytes == 1200:
        assert done.returncode == 0, (done.returncode, done.stderr)
        return
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert re.fullmatch(r"decrappify: .* needs \d+ MB, only \d+ MB of memory are free; close .*\n", done.stderr)
    assert not output.exists()


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 8, 10])
def test_restore_with_few_threads_succeeds_or_raises(small: Path, tmp_path: Path, count: int) -> None:
    group = process_group(count)
    try:
        done = restore(small, tmp_path / "out.ome.zarr", before=group.enter)
    finally:
        group.remove()
    assert_complete_or_one_line(done, tmp_path / "out.ome.zarr", 3)


@pytest.mark.parametrize("megabytes", [1500, 2500, 3500, 4000, 4500, 5000, 6000])
def test_restore_with_little_address_space_succeeds_or_raises(source: Path, tmp_path: Path, megabytes: int) -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    done = restore(source, tmp_path / "out.ome.zarr", before=limit)
    assert_complete_or_one_line(done, tmp_path / "out.ome.zarr", 2)


@pytest.fixture(autouse=True)
def no_group_left() -> Iterator[None]:
    yield
    assert not list(_GROUPS.glob(f"*/decrappify-test-{os.getpid()}-*"))
