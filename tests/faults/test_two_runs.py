"""Two processes that write one output at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from decrappify.io import save_movie
from decrappify.movie import Movie

from .killing import contents

SCRIPT = Path(__file__).with_name("writing.py")
OUTPUTS = {
    "restore": ("out.ome.zarr", "out.ome.tif"),
    "save": ("out.ome.zarr", "out.ome.tif", "out.mp4"),
    "colorize": ("out.mp4",),
    "photographs": ("colored",),
    "train": ("run",),
}


def prepared(folder: Path, how: str) -> Path:
    folder.mkdir()
    frames = np.random.default_rng(5).integers(1, 4000, (6, 1, 1, 48, 48), dtype=np.uint16)
    if how == "colorize":
        save_movie(Movie.from_array((frames % 200).astype(np.uint8)), folder / "input.mp4")
    elif how == "photographs":
        from PIL import Image

        (folder / "input").mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray((frame[0, 0] % 200).astype(np.uint8)).save(folder / "input" / f"{number}.png")
    else:
        save_movie(Movie.from_array(frames), folder / "input.ome.zarr")
    return folder


class Run:
    """A process that is started in advance, and begins its command when told."""

    def __init__(
        self, folder: Path, output: str, how: str, *, overwrite: bool, seed: int = 0, held: bool = False
    ) -> None:
        arguments = [str(folder), output, how, "overwrite" if overwrite else "new", str(seed)]
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments, "held" if held else "free"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )  # fmt: skip

    def begin(self) -> Run:
        """Begin the command."""
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()
        self.process.stdin.write("begin\n")
        self.process.stdin.flush()
        return self

    def wait_until_held(self) -> None:
        assert self.process.stdout.readline() == "held\n", self.process.stderr.read()

    def finish(self) -> tuple[int, str]:
        _, messages = self.process.communicate("continue\n", timeout=200)
        return self.process.returncode, messages


@pytest.mark.faults
@pytest.mark.parametrize(("seed", "second_overwrites"), [(0, False), (1, True)], ids=["same", "other-overwrite"])
@pytest.mark.parametrize(("how", "output"), [(how, output) for how, outputs in OUTPUTS.items() for output in outputs])
def test_the_second_of_two_runs_is_refused_and_the_first_unharmed(tmp_path, how, output, seed, second_overwrites):
    folder, alone = prepared(tmp_path / "results", how), prepared(tmp_path / "alone", how)
    undisturbed = Run(alone, output, how, overwrite=False)
    first = Run(folder, output, how, overwrite=not second_overwrites, held=True)
    second = Run(folder, output, how, overwrite=second_overwrites, seed=seed)
    assert undisturbed.begin().finish()[0] == 0
    first.begin().wait_until_held()
    code, message = second.begin().finish()
    assert code == 2, message
    assert f"{folder / output} is being written by process {first.process.pid} on " in message
    assert message.count("\n") == 1
    code, message = first.finish()
    assert code == 0, message
    if how == "train":  # the log and the card hold times
        assert (folder / output / "model.safetensors").exists()
        assert not list(folder.rglob(".*"))
    else:
        assert contents(folder / output) == contents(alone / output)
        assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in alone.iterdir())


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(("how", "output"), [("restore", "out.ome.zarr"), ("photographs", "colored")])
def test_the_lock_of_a_killed_run_is_taken_over(tmp_path, how, output):
    folder, alone = prepared(tmp_path / "results", how), prepared(tmp_path / "alone", how)
    undisturbed = Run(alone, output, how, overwrite=False)
    first, second = Run(folder, output, how, overwrite=False, held=True), Run(folder, output, how, overwrite=False)
    assert undisturbed.begin().finish()[0] == 0
    first.begin().wait_until_held()
    first.process.kill()
    first.process.communicate()
    code, messages = second.begin().finish()
    assert code == 0, messages
    assert f"process {first.process.pid} on " in messages
    assert "the lock is taken over" in messages
    assert contents(folder / output) == contents(alone / output)
    assert not list(folder.rglob(".*"))
