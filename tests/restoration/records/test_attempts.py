from __future__ import annotations

import logging
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from tests.restoration.conftest import FAST, PoolingNetwork, as_model

from decrappify.restoration import restore, restore_array
from decrappify.restoration.outputs.results import MemoryResult
from decrappify.restoration.records import attempts
from decrappify.restoration.records.attempts import died_of_memory, recorded_attempt, taken_from

KILLED = """
import os, signal, sys
import numpy as np
from decrappify.restoration import restore
from tests.restoration.conftest import PoolingNetwork, as_model, grouped

class Killed(PoolingNetwork):
    calls = 0
    def forward(self, source):
        Killed.calls += 1
        if Killed.calls > 1:  # the first call is part of planning
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(source)

restore(np.load(sys.argv[1]), as_model(Killed()), sys.argv[2], **grouped(tile_size=160))
"""


def empty_result():
    return MemoryResult((1, 1, 1, 8, 8), np.dtype(np.uint8), {})


@pytest.fixture
def kills(monkeypatch):
    """Counter of out-of-memory kills, as the system reports it."""
    counted = {"out_of_memory_kills": 3, "boot": "a"}
    monkeypatch.setattr(attempts, "_out_of_memory_kills", lambda: dict(counted))
    return counted


def left_behind(planes_done, earlier=None):
    """Return the record left by a run that is killed while it is active."""
    result = empty_result()
    with recorded_attempt(result, planes_done, earlier):
        state = dict(result.state)
    return taken_from(state)


@pytest.mark.parametrize("error", [None, ValueError("network"), KeyboardInterrupt()])
def test_recorded_attempt_is_removed_however_the_run_ends(error):
    result = empty_result()
    with nullcontext() if error is None else pytest.raises(type(error)), recorded_attempt(result, 0):
        assert "attempt" in result.state
        if error is not None:
            raise error
    assert result.state == {}


def test_died_of_memory_follows_the_count_of_the_system(kills):
    left = left_behind(planes_done=4)
    assert not died_of_memory(left, 4)  # killed by the user, or by a power cut
    kills["out_of_memory_kills"] += 1
    assert died_of_memory(left, 4)
    assert not died_of_memory(left, 5)  # it finished a plane, as the next run will
    kills["boot"] = "b"
    assert not died_of_memory(left, 4)


def test_died_of_memory_without_a_count_needs_two_kills(kills):
    kills.clear()
    first = left_behind(planes_done=4)
    assert not died_of_memory(first, 4)
    second = left_behind(4, first)
    assert died_of_memory(second, 4)
    assert not died_of_memory(left_behind(5, second), 5)


@pytest.mark.parametrize("earlier", [None, "text", {}, {"planes_done": 0}, {"planes_done": 0, "kills": "many"}])
def test_died_of_memory_accepts_any_record(earlier, kills):
    assert not died_of_memory(earlier, 0)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A movie, and the unfinished output of a run that was killed in its first tile."""
    folder = tmp_path_factory.mktemp("killed")
    np.save(folder / "cells.npy", np.random.default_rng(0).integers(0, 4000, (2, 150, 90), dtype=np.uint16))
    command = [sys.executable, "-c", KILLED, str(folder / "cells.npy"), str(folder / "restored.ome.zarr")]
    assert subprocess.run(command, cwd=Path(__file__).parents[3]).returncode == -signal.SIGKILL
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("of_memory", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_restore_after_a_kill_for_memory_uses_smaller_tiles(killed, tmp_path, monkeypatch, caplog, of_memory):
    folder = shutil.copytree(killed, tmp_path / "copy")
    if of_memory:
        counted = {"out_of_memory_kills": 0, "boot": None} | attempts._out_of_memory_kills()
        counted["out_of_memory_kills"] += 1
        monkeypatch.setattr(attempts, "_out_of_memory_kills", lambda: counted)
    array, model = np.load(folder / "cells.npy"), as_model(PoolingNetwork())
    with caplog.at_level(logging.WARNING), restore(array, model, folder / "restored.ome.zarr", **FAST) as restored:
        np.testing.assert_allclose(np.asarray(restored), restore_array(array, model, **FAST)[:, None, None], atol=1)
    line = "the system ended the previous run for lack of memory, with tile_size=152: continuing with tile_size=76"
    assert (line in caplog.text) == of_memory
    assert sorted(path.name for path in folder.iterdir()) == ["cells.npy", "restored.ome.zarr"]
