"""Writing of outputs, killed at a file event and repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decrappify.io import save_movie
from decrappify.movie import Movie

SCRIPT = Path(__file__).with_name("killing.py")
OUTPUTS = {
    "restore": ("out.ome.zarr", "out.ome.tif", "out.mp4"),
    "save": ("out.ome.zarr", "out.ome.tif", "out.mp4"),
    "colorize": ("out.mp4",),
}
CASES = [(how, output) for how, outputs in OUTPUTS.items() for output in outputs]


def prepared(folder: Path, how: str, output: str, *, overwrite: bool) -> Path:
    """Create a folder with the input, an old output if it is to be replaced, and files with similar names."""
    folder.mkdir()
    movie = Movie.from_array(np.random.default_rng(5).integers(1, 4000, (2, 1, 1, 32, 40), dtype=np.uint16))
    if how == "colorize":
        save_movie(Movie.from_array((np.asarray(movie) % 200).astype(np.uint8)), folder / "input.mp4")
    else:
        save_movie(movie, folder / "input.ome.zarr")
    if overwrite:
        save_movie(Movie.from_array(np.full((2, 32, 32), 7, np.uint8)), folder / output)
    for name in (f"{output}.old", f".{output}.partial", f"{output}.partial.journal"):
        (folder / name).mkdir()
        (folder / name / "zarr.json").write_text("raw data", encoding="utf-8")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return folder


def sweep(folder: Path, how: str, output: str, *, overwrite: bool, stride: int) -> dict[str, Any]:
    prepared(folder, how, output, overwrite=overwrite)
    arguments = [str(folder), output, how, "overwrite" if overwrite else "new", str(stride)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=environment, timeout=500
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize(("how", "output"), CASES)
def test_output_killed_at_any_file_event_is_finished_by_the_same_command(tmp_path, how, output, overwrite):
    found = sweep(tmp_path / "results", how, output, overwrite=overwrite, stride=1)
    print(f"{how} {output}: {found['tried']} kills at {found['events']} file events")  # noqa: T201
    assert found["events"] > 10
    assert not found["failures"], "\n".join(found["failures"][:5])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize(("how", "output"), [("restore", "out.ome.tif")])
def test_output_killed_at_some_file_events_is_finished_by_the_same_command(tmp_path, how, output):
    found = sweep(tmp_path / "results", how, output, overwrite=True, stride=23)
    assert found["tried"] > 5
    assert not found["failures"], "\n".join(found["failures"])
