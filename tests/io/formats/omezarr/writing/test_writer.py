from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from decrappify.errors import InputError, OutputError, OutputExistsError, ThreadLimitError
from decrappify.io.formats.omezarr.reading.open import open_omezarr
from decrappify.io.formats.omezarr.writing.pyramid import halve
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
from decrappify.io.store.durable import output_errors
from decrappify.io.store.planes import journal
from decrappify.io.store.planes.journal import Journal
from decrappify.io.store.working_folder import WorkingFolder

SHAPE = (3, 2, 1, 600, 530)
DATA = np.random.default_rng(7).poisson(300, SHAPE).astype(np.uint16)


def writer(path: Path, **options: Any) -> ZarrMovieWriter:
    return ZarrMovieWriter(path, **({"shape": SHAPE, "dtype": "uint16", "run_key": "model-1"} | options))


def fill(target: ZarrMovieWriter, planes: slice = slice(None)) -> None:
    every = [(t, c, 0) for t in range(SHAPE[0]) for c in range(SHAPE[1])]
    for t, c, z in every[planes]:
        if not target.is_done(t, c, z):
            target.write_plane(t, c, z, DATA[t, c, z])


def contents(store: Path) -> dict[str, str]:
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def uninterrupted(tmp_path: Path) -> dict[str, str]:
    with writer(tmp_path / "uninterrupted.ome.zarr") as target:
        fill(target)
        return contents(target.finish())


def test_unfinished_store_has_another_name_and_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path, pixel_size_um=(None, 0.1, 0.1)) as target:
        assert not target.resumed
        fill(target, slice(0, 3))
        assert not path.exists()
        growing = open_omezarr(target.partial_path)
        np.testing.assert_array_equal(growing.frame(1, 0), DATA[1, 0, 0])
        assert growing.pixel_size_um == (None, 0.1, 0.1)
        with pytest.raises(InputError, match="lacks 3 of 6 planes"):
            target.finish()
        fill(target)
        assert target.finish() == path
        assert target.finish() == path
        with pytest.raises(InputError, match="is finished"):
            target.write_plane(0, 0, 0, DATA[0, 0, 0])
    assert [entry.name for entry in tmp_path.iterdir()] == ["cells.ome.zarr"]
    np.testing.assert_array_equal(np.asarray(open_omezarr(path)), DATA)


def test_pyramid_levels_are_means(tmp_path: Path) -> None:
    with writer(tmp_path / "cells.ome.zarr") as target:
        fill(target)
        group = zarr.open_group(target.finish(), mode="r")
    assert group["1"].shape == (3, 2, 1, 300, 265)
    assert group["0"].chunks == (1, 1, 1, 512, 512)
    blocks = DATA[2, 1, 0].reshape(300, 2, 265, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(group["1"][2, 1, 0], blocks, atol=0.5)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64", "int64", "float32", "float64"])
def test_halve_is_exact_at_the_limits_of_the_dtype(dtype: str) -> None:
    limits = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
    plane = np.array([[limits.max, limits.max, limits.min], [limits.max, limits.max, limits.min]], dtype)
    assert halve(plane).dtype == dtype
    assert halve(plane).tolist() == [[limits.max, limits.min]]


def test_resuming_writes_the_same_bytes(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path) as target:
        target.state["tile_size"] = 256
        target.save_state()
        fill(target, slice(0, 4))
        target.state["tile_size"] = 128  # not saved
    with writer(path) as target:
        assert target.resumed
        assert target.state == {"tile_size": 256}
        assert [target.is_done(t, 1, 0) for t in range(3)] == [True, True, False]
        fill(target)
        assert contents(target.finish()) == uninterrupted


def test_resuming_rewrites_planes_with_deleted_chunks(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    with writer(tmp_path / "cells.ome.zarr") as target:
        fill(target, slice(0, 4))
        shutil.rmtree(target.partial_path / "0" / "c" / "1" / "0")
    with writer(tmp_path / "cells.ome.zarr") as target:
        assert [target.is_done(t, 0, 0) for t in range(2)] == [True, False]
        fill(target)
        assert contents(target.finish()) == uninterrupted


def test_truncated_journal_line_and_stray_files_are_ignored(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path) as target:
        fill(target, slice(0, 2))
    lines = tmp_path / "cells.ome.zarr.partial" / "journal"
    lines.write_bytes(lines.read_bytes() + b"[1, 0")
    stray = target.partial_path / "0/c/1/0/0/0"
    stray.mkdir(parents=True)
    (stray / "0.1234.partial").write_bytes(b"half a chunk")
    with writer(path) as target:
        assert not target.is_done(1, 0, 0)
        fill(target, slice(2, 4))
    with writer(path) as target:
        fill(target)
        assert contents(target.finish()) == uninterrupted


def test_regions_write_the_same_bytes_as_planes(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    with writer(tmp_path / "cells.ome.zarr") as target:
        for t, c, z in np.ndindex(SHAPE[:3]):
            for rows in (slice(512, 600), slice(0, 512)):
                for columns in (slice(0, 512), slice(512, 530)):
                    target.write_region(t, c, z, rows, columns, DATA[t, c, z, rows, columns])
            target.complete_plane(t, c, z)
        assert contents(target.finish()) == uninterrupted


def test_region_that_is_not_aligned_with_the_chunks_raises(tmp_path: Path) -> None:
    region = (slice(0, 100), slice(0, 512))
    message = "region 0:100 of an axis of 600 is not aligned with the chunks"
    with writer(tmp_path / "cells.ome.zarr") as target, pytest.raises(InputError, match=message):
        target.write_region(0, 0, 0, *region, DATA[0, 0, 0, *region])


def test_existing_outputs_raise_and_are_replaced_with_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path) as target:
        fill(target, slice(0, 1))
    with pytest.raises(OutputExistsError, match=r"unfinished output of another run .* discard it with overwrite=True"):
        writer(path, run_key="model-2")
    with writer(path, run_key="model-2", overwrite=True) as target:
        assert not target.resumed
        fill(target)
        target.finish()
    with pytest.raises(OutputExistsError, match=r"cells\.ome\.zarr already exists"):
        writer(path)
    before = contents(path)
    with writer(path, overwrite=True, provenance={"model": "new"}) as target:
        fill(target, slice(0, 5))
        assert contents(path) == before  # the old store is kept until the new one is complete
        fill(target)
        target.finish()
    assert contents(path) != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["cells.ome.zarr"]


def test_writer_starts_again_without_resume_and_for_another_dtype(tmp_path: Path) -> None:
    path = tmp_path / "cells.ome.zarr"
    for options in ({"resume": False}, {"dtype": "float32"}):
        with writer(path) as target:
            fill(target, slice(0, 2))
        with writer(path, **options) as target:
            assert not target.resumed
            assert not target.is_done(0, 0, 0)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_interrupt_after_the_last_rename_keeps_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path) as target:
        fill(target)
        with monkeypatch.context() as patch:
            patch.setattr(WorkingFolder, "remove", interrupt)
            with pytest.raises(KeyboardInterrupt):
                target.finish()
    before = contents(path)
    with writer(path) as target:
        assert target.resumed
        assert target.is_done(2, 1, 0)
        target.save_state()
        assert target.finish() == path
    assert contents(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["cells.ome.zarr"]


def test_name_taken_by_another_movie_keeps_the_unfinished_store(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path) as target:
        fill(target, slice(0, 5))
    other = tmp_path / "other.ome.zarr"
    with writer(other) as target:
        target.write_plane(0, 0, 0, DATA[0, 0, 0])
    other.with_name("other.ome.zarr.partial").joinpath("store.ome.zarr").rename(path)
    taken = contents(path)
    with pytest.raises(OutputExistsError, match=r"cells\.ome\.zarr already exists"):
        writer(path)
    assert contents(path) == taken
    path.rename(tmp_path / "moved.ome.zarr")
    with writer(path) as target:
        assert target.is_done(2, 0, 0)
        fill(target)
        assert contents(target.finish()) == uninterrupted


def test_synced_planes_are_kept_after_a_power_failure(
    tmp_path: Path, uninterrupted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cells.ome.zarr"
    target = writer(path)
    fill(target, slice(0, 3))
    target.close()  # synced
    target = writer(path)
    fill(target, slice(3, 5))
    with monkeypatch.context() as patch:  # a power failure keeps or empties unsynced files
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(Journal, "record_synced", lambda journal: None)
        target.close()
    (target.partial_path / "0/c/2/0/0/0/0").write_bytes(b"")
    monkeypatch.setattr(journal, "boot_name", lambda: "another boot")
    with writer(path) as target:
        assert [target.is_done(*plane) for plane in [(0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0)]] == [
            True,
            True,
            False,
            False,
        ]
        fill(target)
        assert contents(target.finish()) == uninterrupted


@pytest.mark.parametrize(
    ("plane", "index", "message"),
    [
        (DATA[0, 0, 0, :9], (0, 0, 0), r"has shape \(9, 530\) and dtype uint16, expected \(600, 530\)"),
        (DATA[0, 0, 0].astype(np.float32), (0, 0, 0), "and dtype float32, expected .* and uint16"),
        (DATA[0, 0, 0], (3, 0, 0), r"plane \(3, 0, 0\) is not in cells.ome.zarr"),
    ],
)
def test_invalid_planes_raise(tmp_path: Path, plane: np.ndarray, index: tuple[int, int, int], message: str) -> None:
    with writer(tmp_path / "cells.ome.zarr") as target, pytest.raises(InputError, match=message):
        target.write_plane(*index, plane)


def test_unsupported_dtype_and_missing_folder_raise(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written with shape .* and dtype complex64"):
        writer(tmp_path / "cells.ome.zarr", dtype="complex64")
    with pytest.raises(OutputError, match=r"folder .* does not exist"):
        writer(tmp_path / "absent" / "cells.ome.zarr")
    assert not list(tmp_path.iterdir())


def test_omezarr_writer_reports_a_limit_on_threads_without_calling_the_store_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_threads(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(zarr, "open_array", out_of_threads)
    with pytest.raises(ThreadLimitError, match="the limit on processes") as caught:
        writer(tmp_path / "a.ome.zarr")
    assert "damaged" not in str(caught.value)


def test_full_disk_raises_with_the_free_space(tmp_path: Path) -> None:
    message = r"cells could not be written: the disk is full \(\d+ MB free\)"
    with pytest.raises(OutputError, match=message), output_errors(tmp_path / "cells"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_partial_store_that_is_deleted_meanwhile_raises_instead_of_becoming_a_damaged_output(tmp_path: Path) -> None:
    path = tmp_path / "cells.ome.zarr"
    with writer(path) as target:
        fill(target, slice(0, 3))
        shutil.rmtree(target.working_folder.path)
        with pytest.raises(OutputError, match="deleted or renamed while it was written"):
            fill(target, slice(3, None))
        assert not target.working_folder.path.exists()
    with writer(path) as target:
        fill(target)
        shutil.rmtree(target.working_folder.path)
        with pytest.raises(OutputError, match="deleted or renamed while it was written"):
            target.finish()
    assert not path.exists()


def test_folder_of_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "cells.ome.zarr").mkdir()
    (tmp_path / "cells.ome.zarr" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="but not a Zarr store, and is never replaced"):
        writer(tmp_path / "cells.ome.zarr", overwrite=True)


def test_planes_of_zeros_are_written(tmp_path: Path) -> None:
    with ZarrMovieWriter(tmp_path / "black.ome.zarr", shape=(1, 1, 1, 5, 5), dtype=np.float32) as target:
        target.write_plane(0, 0, 0, np.zeros((5, 5), np.float32))
        assert "0/c/0/0/0/0/0" in contents(target.finish())


RUN = """
import sys, time
import numpy as np
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
data = np.random.default_rng(8).integers(200, 400, (20, 700, 600), dtype=np.uint16)
shape = (20, 1, 1, 700, 600)
writer = ZarrMovieWriter(sys.argv[1], shape=shape, dtype="uint16", run_key="run", provenance={"model": "m"})
writer.state["tile_size"] = 64
writer.save_state()
print("started", flush=True)
for t in range(20):
    if not writer.is_done(t, 0, 0):
        writer.write_plane(t, 0, 0, data[t])
writer.finish()
print("finished", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_result_is_byte_identical_after_kills_at_random_times(tmp_path: Path, kills: int) -> None:
    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, str(tmp_path / name)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start("uninterrupted.ome.zarr") as process:
        process.stdout.readline()
        began = time.monotonic()
        process.stdout.readline()
        seconds = time.monotonic() - began
    chance = random.Random(7)
    killed = 0
    for _ in range(kills):
        with start("killed.ome.zarr") as process:
            process.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.3 * seconds))
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    with start("killed.ome.zarr") as process:
        assert process.wait() == 0
    assert killed >= max(1, kills - 1)
    assert contents(tmp_path / "killed.ome.zarr") == contents(tmp_path / "uninterrupted.ome.zarr")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["killed.ome.zarr", "uninterrupted.ome.zarr"]
