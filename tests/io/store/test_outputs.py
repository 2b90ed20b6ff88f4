"""Files and folders that are never deleted, replaced or written into."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from decrappify.errors import InputError, MissingFileError, OutputError, OutputExistsError
from decrappify.io import open_movie, partial_path, save_movie
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
from decrappify.io.store import outputs
from decrappify.io.store.durable import write_json
from decrappify.io.store.locks import locked
from decrappify.io.store.outputs import check_output, refuse_overlap
from decrappify.io.store.working_folder import WorkingFolder, key_of
from decrappify.io.store.working_paths import working_path
from decrappify.movie import Movie

FRAMES = np.arange(3 * 20 * 24, dtype=np.uint16).reshape(3, 20, 24)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".mp4"])
def test_files_with_similar_names_are_not_changed(tmp_path: Path, suffix: str, overwrite: bool) -> None:
    output = tmp_path / f"cells{suffix}"
    if overwrite:
        save_movie(Movie.from_array(FRAMES[:1]), output)
    save_movie(Movie.from_array(FRAMES), tmp_path / "raw.ome.zarr")
    for name in (f"{output.name}.old", f".{output.name}.partial", f"{output.name}.partial.journal"):
        (tmp_path / "raw.ome.zarr").rename(tmp_path / name)
        before = contents(tmp_path / name)
        save_movie(tmp_path / name, output, overwrite=overwrite)
        assert contents(tmp_path / name) == before
        (tmp_path / name).rename(tmp_path / "raw.ome.zarr")
        overwrite = True
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name, "raw.ome.zarr"]


@pytest.mark.parametrize("kind", ["empty", "store", "file", "link", "of another output"])
def test_working_folder_of_others_raises_and_is_kept(tmp_path: Path, kind: str) -> None:
    output, folder = tmp_path / "cells.ome.zarr", tmp_path / "cells.ome.zarr.partial"
    if kind == "store":
        save_movie(Movie.from_array(FRAMES), tmp_path / "raw.ome.zarr")
        (tmp_path / "raw.ome.zarr").rename(folder)
    elif kind == "file":
        folder.write_text("notes", encoding="utf-8")
    elif kind == "of another output":
        with ZarrMovieWriter(tmp_path / "other.ome.zarr", shape=(1, 1, 1, 9, 9), dtype="uint8", run_key="mine"):
            (tmp_path / "other.ome.zarr.partial").rename(folder)
    else:
        (folder if kind == "empty" else tmp_path / "elsewhere").mkdir()
        if kind == "link":
            folder.symlink_to(tmp_path / "elsewhere")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"cells\.ome\.zarr\.partial is not the working folder of a run .*rename it"):
        save_movie(Movie.from_array(FRAMES), output, overwrite=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_inputs_that_overlap_the_output_raise(tmp_path: Path) -> None:
    stored = save_movie(Movie.from_array(FRAMES), tmp_path / "cells.ome.zarr")
    (tmp_path / "link.ome.zarr").symlink_to(stored)
    before = contents(stored)
    for source, output, message in [
        (stored, stored, "is the input itself"),
        (tmp_path / "link.ome.zarr", stored, "is the input itself"),
        (stored, tmp_path / "link.ome.zarr", "is the input itself"),
        (stored / "0", stored, "contains the input"),
        (stored, stored / "new.ome.tif", "is inside the input"),
    ]:
        movies = [source, open_movie(source), open_movie(source)[1:].crop(rows=slice(0, 16))]
        for movie in movies:
            with pytest.raises(InputError, match=f"{message}.*; choose another"):
                save_movie(movie, output, overwrite=True)
    assert contents(stored) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.ome.zarr", "link.ome.zarr"]


def test_unfinished_store_saved_over_itself_raises(tmp_path: Path) -> None:
    output = tmp_path / "cells.ome.zarr"
    with ZarrMovieWriter(output, shape=(1, 1, 1, 9, 9), dtype="uint8", run_key="export") as writer:
        writer.write_plane(0, 0, 0, np.ones((9, 9), np.uint8))
    with pytest.raises(InputError, match="is in the working folder of"):
        save_movie(partial_path(output), output, overwrite=True)
    assert np.asarray(open_movie(partial_path(output))).all()


def test_refuse_overlap_accepts_neighboring_names(tmp_path: Path) -> None:
    refuse_overlap(tmp_path / "a.ome.zarr", tmp_path / "a.ome.zarr.old", tmp_path / "a", None)


def test_store_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    output = save_movie(Movie.from_array(FRAMES), tmp_path / "cells.ome.zarr")
    before = contents(output)
    with pytest.raises(OutputExistsError, match="already exists"):
        save_movie(Movie.from_array(FRAMES[:2]), output)
    assert contents(output) == before
    save_movie(Movie.from_array(FRAMES[:2]), output, overwrite=True)
    assert open_movie(output).shape[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["cells.ome.zarr"]


def test_finish_warns_if_the_working_folder_cannot_be_deleted(tmp_path, monkeypatch, caplog):
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    values = np.zeros((1, 1, 1, 4, 4), np.uint8)
    with ZarrMovieWriter(tmp_path / "cells.ome.zarr", shape=values.shape, dtype=np.uint8) as target:
        target.write_plane(0, 0, 0, values[0, 0, 0])
        monkeypatch.setattr(WorkingFolder, "remove", denied)
        assert open_movie(target.finish()).shape == values.shape
    assert "cells.ome.zarr is complete, but its working folder" in caplog.text


def test_write_json_leaves_no_temporary_file_after_an_error(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "run.json", {"a": 1})
    assert not list(tmp_path.iterdir())


def test_names_above_255_bytes_and_looping_links_raise(tmp_path: Path) -> None:
    longest = tmp_path / ("n" * 250 + ".zarr")
    assert working_path(longest.with_name(longest.name[8:])).name == f"{longest.name[8:]}.partial"
    with locked(longest) as lock:
        WorkingFolder(lock, "key", overwrite=False).create()
        assert WorkingFolder(lock, "key", overwrite=False).continues
        assert key_of(lock) == "key"
    with pytest.raises(OutputError, match="its name has 256 bytes, expected at most 255; choose a shorter one"):
        check_output(tmp_path / ("n" * 251 + ".zarr"))
    (tmp_path / "loop").symlink_to("loop")
    for refuse in (check_output, refuse_overlap):
        with pytest.raises(OutputError, match="symbolic link that leads back to itself; choose another folder"):
            refuse(tmp_path / "loop" / "out.zarr")
    with pytest.raises(MissingFileError, match="loop is a symbolic link to loop, which does not exist; check"):
        open_movie(tmp_path / "loop")


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.EROFS, "on a read-only file system"), (errno.EACCES, "no permis")]
)
def test_check_output_states_why_a_folder_is_not_writable(tmp_path, monkeypatch, number, expected):
    def failing(dir):
        raise OSError(number, "")

    monkeypatch.setattr(outputs.os, "access", lambda *_: False)
    monkeypatch.setattr(outputs, "TemporaryFile", failing)
    with pytest.raises(OutputError, match=expected):
        check_output(tmp_path / "cells.ome.tif")
