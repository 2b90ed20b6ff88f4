from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

import decrappify as dc
from decrappify.batch import find_sources
from decrappify.errors import InputError, MissingFileError

from .folders import frames, mixed_folder


def write(folder, *names, shape=(8, 9)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, np.zeros(shape, np.uint8))


def names(sources, root):
    return [source.path.relative_to(root).as_posix() for source in sources]


def test_folder_of_stills_and_movies_has_one_source_per_file(tmp_path, rng):
    mixed_folder(tmp_path / "raw", rng, n_frames=2, side=16)
    (tmp_path / "raw" / "notes.txt").write_text("notes")
    (tmp_path / "raw" / ".hidden.tif").write_bytes(b"")
    found = find_sources([tmp_path / "raw"])
    assert len(found) == 11
    assert names(found, tmp_path / "raw")[:3] == ["actin.ome.tif", "bright.czi", "golgi.ome.tif"]
    assert all(source.error is None for source in found)


def test_frames_with_labels_are_one_source_and_numbered_stills_are_not(tmp_path, caplog):
    write(tmp_path / "movie", "t001.tif", "t002.tif", "t003.tif")
    write(tmp_path / "stills", "cell1.tif", "cell2.tif", "cell3.tif")
    with caplog.at_level("INFO", "decrappify.batch"):
        assert names(find_sources([tmp_path / "movie", tmp_path / "stills"]), tmp_path) == [
            "movie", "stills/cell1.tif", "stills/cell2.tif", "stills/cell3.tif",
        ]  # fmt: skip
    assert "3 files with numbers in their names are restored separately; folder_as='movie' reads them" in caplog.text
    as_movie = find_sources([tmp_path / "stills"], folder_as="movie")
    assert names(as_movie, tmp_path) == ["stills"]
    assert len(find_sources([tmp_path / "movie"], folder_as="images")) == 3


def test_frames_and_movies_of_one_folder_are_all_sources(tmp_path, rng):
    write(tmp_path / "raw", "t001.tif", "t002.tif")
    dc.save_movie(dc.Movie.from_array(frames(rng, 3, 8, 8)), tmp_path / "raw" / "cells.ome.zarr")
    assert names(find_sources([tmp_path / "raw"]), tmp_path) == ["raw", "raw/cells.ome.zarr"]


def test_files_of_one_recording_are_one_source(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        writer.write(np.zeros((3, 8, 9), np.uint8), metadata={"axes": "TYX"})
    xml = tifffile.tiffcomment(tmp_path / "a.ome.tif")
    for name, first in (("b_1.ome.tif", 0), ("b_2.ome.tif", 1)):
        blocks = "".join(
            f'<TiffData IFD="0" FirstT="{t}" PlaneCount="1"><UUID FileName="b_{t + 1}.ome.tif">{t}</UUID></TiffData>'
            for t in range(2)
        )
        start, end = xml.index("<TiffData"), xml.index("</Pixels>")
        text = xml[:start] + blocks + xml[end:]
        text = text.replace('SizeT="3"', 'SizeT="2"')
        tifffile.imwrite(tmp_path / name, np.full((8, 9), first, np.uint8), description=text, metadata=None)
    assert names(find_sources([tmp_path]), tmp_path) == ["a.ome.tif", "b_1.ome.tif"]


def test_recursive_search_keeps_folders_and_skips_outputs(tmp_path):
    write(tmp_path / "raw", "a.tif")
    write(tmp_path / "raw" / "day1" / "dish2", "a.tif", "b.tif")
    write(tmp_path / "raw" / "restored", "a.ome.tif")
    (tmp_path / "raw" / "day1" / "loop").symlink_to(tmp_path / "raw")
    assert names(find_sources([tmp_path / "raw"]), tmp_path) == ["raw/a.tif"]
    found = find_sources([tmp_path / "raw"], recursive=True, excluded=tmp_path / "raw" / "restored")
    assert names(found, tmp_path) == ["raw/a.tif", "raw/day1/dish2/a.tif", "raw/day1/dish2/b.tif"]
    assert [source.folder for source in found] == [Path(), Path("day1/dish2"), Path("day1/dish2")]


def test_patterns_match_files_stores_and_folders(tmp_path, monkeypatch):
    write(tmp_path / "raw", "a.tif", "b.tif", "c.png.txt")
    write(tmp_path / "raw" / "more", "d.tif")
    monkeypatch.chdir(tmp_path)
    assert [str(source.path) for source in find_sources(["raw/[ab].tif", "raw/a.tif"])] == ["raw/a.tif", "raw/b.tif"]
    assert [str(source.path) for source in find_sources(["raw/**/*.tif"])] == [
        "raw/a.tif",
        "raw/b.tif",
        "raw/more/d.tif",
    ]
    write(tmp_path / "raw", "a[1].tif")
    assert [str(source.path) for source in find_sources(["raw/a[1].tif"])] == ["raw/a[1].tif"]


def test_names_without_a_file_are_sources_with_an_error(tmp_path):
    write(tmp_path, "a.tif")
    missing, pattern, good = find_sources([tmp_path / "b.tif", tmp_path / "*.czi", tmp_path / "a.tif"])
    assert isinstance(pattern.error, MissingFileError)
    assert str(pattern.error) == f"no file matches {tmp_path / '*.czi'}; check the pattern"
    assert missing.error is None  # raised when it is opened
    assert good.error is None


def test_pattern_on_a_server_is_a_source_with_an_error():
    (source,) = find_sources(["https://host/*.ome.zarr?signature=abc"])
    assert str(source.error) == "https://host/*.ome.zarr is a pattern on a server; list the addresses of the stores"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_pipe_in_a_folder_is_a_source_with_an_error(tmp_path):
    write(tmp_path, "a.tif", "c.tif")
    os.mkfifo(tmp_path / "b.tif")
    found = {source.path.name: source.error for source in find_sources([tmp_path])}
    assert found.keys() == {"a.tif", "b.tif", "c.tif"}
    assert [name for name, error in found.items() if error is not None] == ["b.tif"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((), "contains no images or movies; check the path"),
        (("inner/a.tif",), r"contains no images or movies, but folders; search them with recursive=True"),
    ],
)
def test_folder_without_images_is_a_source_with_an_error(tmp_path, content, message):
    (tmp_path / "raw").mkdir()
    for name in content:
        write((tmp_path / "raw" / name).parent, Path(name).name)
    (source,) = find_sources([tmp_path / "raw"])
    assert message in str(source.error)


def test_inputs_and_outputs_in_one_folder_are_an_error(tmp_path):
    write(tmp_path, "a.tif")
    with pytest.raises(InputError, match="is the folder of both inputs and outputs; choose another folder"):
        find_sources([tmp_path], excluded=tmp_path)
    assert names(find_sources([tmp_path / "a.tif", tmp_path], excluded=tmp_path), tmp_path) == ["a.tif"]
    with pytest.raises(InputError, match="the list of inputs contains no images or movies"):
        find_sources([])
