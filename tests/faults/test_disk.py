"""File operations that fail while an output is written: full and damaged disks, quotas, permissions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from tests.io.integrity.test_file_guard import czi, film, folder_of_images, packed_tiff, plain_tiff

from decrappify.io import save_movie
from decrappify.movie import Movie

HERE = Path(__file__).parent
OUTPUTS = {
    "restore": ("out.ome.zarr", "out.ome.tif", "out.mp4"),
    "save": ("out.ome.zarr", "out.ome.tif", "out.mp4"),
    "crappify": ("out.ome.tif",),
    "colorize": ("out.mp4",),
    "photograph": ("out.png", "out.jpg", "out.tif"),
    "photographs": ("out",),
    "report": ("out",),
    "checkpoint": ("out",),
    "model": ("out.safetensors",),
}
CASES = [(how, output) for how, outputs in OUTPUTS.items() for output in outputs]
TRIES = int(os.environ.get("DECRAPPIFY_FAULT_TRIES", "8"))  # per case; a large number tries every operation


@pytest.fixture(scope="session")
def failing_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled library that makes file operations fail."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler to make file operations fail")
    library = tmp_path_factory.mktemp("failing") / "failing_calls.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "failing_calls.c", "-ldl"], check=True)
    return library


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory, without waiting times for a disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def prepared(folder: Path, how: str, output: str, *, overwrite: bool) -> Path:
    """Create a folder with the input, an old output if it is to be replaced, and a file of the user."""
    folder.mkdir()
    movie = Movie.from_array(np.random.default_rng(5).integers(1, 4000, (2, 1, 1, 32, 40), dtype=np.uint16))
    gray = (np.asarray(movie) % 200).astype(np.uint8)
    if how == "colorize":
        save_movie(Movie.from_array(gray), folder / "input.mp4")
    elif how in ("photograph", "photographs"):
        from PIL import Image

        (folder / "input").mkdir()
        for t in range(2):
            Image.fromarray(gray[t, 0, 0]).save(folder / "input" / f"{t}.png")
        shutil.copy(folder / "input" / "0.png", folder / "input.png")
    elif how in ("restore", "save", "crappify"):
        save_movie(movie, folder / "input.ome.zarr")
    if overwrite and output == "out":
        (folder / output).mkdir()
        for name in {"report": ("report.html", "report.csv"), "photographs": ("1.png",)}.get(how, ()):
            (folder / output / name).write_text("old", encoding="utf-8")
        if how == "checkpoint":
            import torch

            torch.save({"settings": {"steps": 2}, "step": 1}, folder / output / "checkpoint.pt")
    elif overwrite and output.endswith((".zarr", ".ome.tif", ".mp4")):
        save_movie(Movie.from_array(np.full((2, 32, 32), 7, np.uint8)), folder / output)
    elif overwrite:
        (folder / output).write_text("old", encoding="utf-8")
    elif how == "checkpoint":
        (folder / output).mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return folder


def sweep(library: Path, folder: Path, how: str, output: str, *, overwrite: bool, tries: int | str) -> dict[str, Any]:
    if how != "reading":
        prepared(folder, how, output, overwrite=overwrite)
    arguments = [str(folder), output, how, "overwrite" if overwrite else "new", str(tries)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LD_PRELOAD": str(library)}
    run = subprocess.run(
        [sys.executable, str(HERE / "failing.py"), *arguments], capture_output=True, text=True, env=environment,
        timeout=240 if tries == "full-disk" or tries < 100 else None,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.faults
@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize(("how", "output"), CASES)
def test_output_with_failing_file_operations_is_rejected_in_one_line(failing_calls, in_memory, how, output, overwrite):
    found = sweep(failing_calls, in_memory / "results", how, output, overwrite=overwrite, tries=TRIES)
    print(f"{how} {output}: {found['tried']} faults at {found['operations']} operations")  # noqa: T201
    assert found["operations"] > 5
    assert not found["failures"], "\n".join(found["failures"][:5])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB; skipped if it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs administrator rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.faults
@pytest.mark.parametrize(("how", "output"), CASES)
def test_output_on_a_full_disk_is_rejected_in_one_line_and_finished_later(failing_calls, small_disk, how, output):
    found = sweep(failing_calls, small_disk / "results", how, output, overwrite=True, tries="full-disk")
    print(f"{how} {output}: full disk, {found['refused']} of {found['tried']} refused")  # noqa: T201
    assert found["refused"] > 0
    assert not found["failures"], "\n".join(found["failures"][:5])


def zarr_store(folder: Path, rng: np.random.Generator) -> Path:
    return save_movie(rng.integers(90, 4000, (4, 64, 64), dtype=np.uint16), folder / "cells.ome.zarr")


def ome_tiff(folder: Path, rng: np.random.Generator) -> Path:
    return save_movie(rng.integers(90, 4000, (4, 64, 64), dtype=np.uint16), folder / "cells.ome.tif")


@pytest.mark.faults
@pytest.mark.parametrize("write", [plain_tiff, packed_tiff, ome_tiff, czi, film, folder_of_images, zarr_store])
def test_input_with_failing_reads_is_rejected_in_one_line(failing_calls, in_memory, rng, write):
    folder = in_memory / "results"
    folder.mkdir()
    name = write(folder, rng).name
    found = sweep(failing_calls, folder, "reading", name, overwrite=False, tries=2 * TRIES)
    print(f"reading {name}: {found['tried']} faults at {found['operations']} operations")  # noqa: T201
    assert found["refused"] > 3
    assert not found["failures"], "\n".join(found["failures"][:5])
