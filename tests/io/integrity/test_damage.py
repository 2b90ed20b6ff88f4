"""Damaged files that the fuzzer found."""

from __future__ import annotations

import json
import struct
from contextlib import closing, suppress

import numpy as np
import pytest
import tifffile
from tests.io.formats.omezarr.zarr_files import image
from tests.io.formats.tiff.tiff_files import ome_xml, pages_with, ramp, write_mmstack

import decrappify as dc
from decrappify.errors import FormatError
from decrappify.io.formats.tiff.files.announced import check_scenes
from decrappify.io.formats.tiff.metadata.ome import parse_ome, read_ome
from decrappify.io.store.planes.journal import Journal
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.movie import Movie


def set_tag(path, code, value, *, count=None):
    """Overwrite the value of a tag of the first page in place."""
    with tifffile.TiffFile(path) as file:
        offset = file.pages.first.tags[code].offset
    with path.open("r+b") as file:
        if count is not None:
            file.seek(offset + 4)
            file.write(struct.pack("<I", count))
        file.seek(offset + 8)
        file.write(struct.pack("<I", value))


@pytest.mark.parametrize("code", [256, 257, 258, 259, 273, 277, 278, 279])
@pytest.mark.parametrize("value", [0, 0xFFFFFFFF])
def test_tiff_tags_of_impossible_values_raise_or_are_read(tmp_path, code, value):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(9, 8), byteorder="<", metadata=None)
    set_tag(path, code, value)
    with suppress(FormatError, MemoryError), dc.open_movie(path) as movie:
        assert movie.frame(0).shape == movie.shape[3:]


@pytest.mark.parametrize(
    "attributes",
    [
        {"PhysicalSizeX": "inf"}, {"PhysicalSizeX": "0,1"}, {"PhysicalSizeX": "-1"}, {"PhysicalSizeX": "1e400"},
        {"PhysicalSizeX": ""}, {"TimeIncrement": "nan"}, {"TimeIncrement": "9" * 400}, {"SizeT": "0"},
        {"SizeT": "many"}, {"DimensionOrder": "XY"},
    ],
)  # fmt: skip
def test_impossible_ome_values_are_unknown(attributes):
    images = [{"name": "x", "sizes": {"Y": 9, "X": 8}, "pixels": {}, "planes": []}]
    root = parse_ome(ome_xml(images, {}))
    pixels = root.find("{*}Image/{*}Pixels")
    for name, value in attributes.items():
        pixels.set(name, value)
    metadata = read_ome(root, root.find("{*}Image"))
    assert metadata.pixel_size_um == (None, None, None)
    assert metadata.frame_interval_s is None


def test_ome_xml_of_an_unknown_encoding_is_ignored(tmp_path):
    xml = ome_xml([{"name": "x", "sizes": {"Y": 9, "X": 8}, "planes": []}], {})
    path = pages_with(tmp_path / "a.ome.tif", ramp(1, 9, 8), xml.replace("UTF-8", "UTF-99"))
    assert dc.open_movie(path).shape == (1, 1, 1, 9, 8)


def test_recording_of_a_billion_planes_raises(tmp_path):
    planes = {(0, 0, t, 0): ramp(5, 6) for t in range(2)}
    summary = {"Prefix": "rec", "Frames": 10**9, "Channels": 1, "Slices": 1, "Positions": 1}
    path = write_mmstack(tmp_path / "rec_MMStack_Pos0.tif", planes, summary)
    with pytest.raises(FormatError, match="states 1000000000 planes; its metadata are damaged"):
        dc.open_movie(path)


def test_image_of_a_billion_columns_raises(tmp_path):
    xml = ome_xml([{"name": "x", "sizes": {"Y": 9, "X": 2**33}, "planes": []}], {})
    path = pages_with(tmp_path / "a.ome.tif", ramp(1, 9, 8), xml)
    with pytest.raises(FormatError, match=r"a\.ome\.tif states 1073741824 planes; its metadata are damaged"):
        dc.open_movie(path)


def test_file_with_more_than_50000_errors_raises(tmp_path):
    # Every SubIFD points to pixels, which are parsed as thousands of invalid tags.
    path = tmp_path / "a.tif"
    places = (65000, "I", 100, tuple(range(1000, 101_000, 1000)))
    tifffile.imwrite(path, np.full((400, 400), 4000, np.uint16), extratags=[places])
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<HHI", 65000, 4, 100), struct.pack("<HHI", 330, 4, 100)))
    with pytest.raises(FormatError, match=r"a\.tif is damaged: tifffile found more than 50000 errors in it"):
        dc.open_movie(path)
    with pytest.raises(FormatError, match=r"more than 50000 errors"):
        dc.scenes(path)


def test_series_of_a_million_positions_raises(tmp_path):
    with pytest.raises(FormatError, match=r"a\.tif states 1000000 scenes; its metadata are damaged"):
        check_scenes(tmp_path / "a.tif", "RTYX", (1_000_000, 2, 8, 8), "mmstack")
    check_scenes(tmp_path / "a.tif", "RTYX", (100, 1_000_000, 8, 8), "mmstack")


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deeply_nested_json_raises(tmp_path, depth):
    path = image(tmp_path / "a.zarr", np.ones((8, 9), np.uint8), "yx", "0.4")
    (path / ".zattrs").write_text("[" * depth + "]" * depth)
    with pytest.raises(FormatError, match="not a readable Zarr store"):
        dc.open_movie(path)


@pytest.mark.parametrize(
    "own",
    [{"channel_colors": 3}, {"channel_colors": ["\x1b[31m"]}, {"provenance": ["a"]}, {"provenance": "text"}, [], None],
)
def test_decrappify_metadata_of_wrong_types_are_ignored(tmp_path, own):
    path = dc.save_movie(Movie.from_array(np.ones((8, 9), np.uint8)), tmp_path / "a.ome.zarr")
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["decrappify"] = own
    (path / "zarr.json").write_text(json.dumps(document))
    movie = dc.open_movie(path)
    assert movie.channel_colors in ((None,), ("FFFFFF",))
    assert movie.provenance == {}


def test_journal_is_read_up_to_the_first_changed_line(tmp_path):
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.start()
        for t in range(4):
            journal.record_plane(t, 0, 0)
    content = (tmp_path / "journal").read_bytes()
    assert b"[2, 0, 0]" in content
    (tmp_path / "journal").write_bytes(content.replace(b"[2, 0, 0]", b"[7, 0, 0]"))
    assert Journal(tmp_path / "journal").done == {(0, 0, 0), (1, 0, 0)}


def test_journal_lists_finished_rectangles_until_their_plane_is_finished(tmp_path):
    one, other = Rectangle(0, 512, 0, 90), Rectangle(512, 700, 0, 90)
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.start()
        for z in (0, 1):
            journal.record_rectangle(0, 0, z, one, {"nan": 3})
            journal.record_rectangle(0, 0, z, other, {})
        journal.record_plane(0, 0, 1)
    found = Journal(tmp_path / "journal")
    assert found.rectangles == journal.rectangles == {(0, 0, 0): {one: {"nan": 3}, other: {}}}
    with closing(found):
        found.append_from_here()
        found.forget_rectangles()
    assert Journal(tmp_path / "journal").rectangles == {}
    assert Journal(tmp_path / "journal").done == {(0, 0, 1)}


def test_missing_planes_beyond_the_array_raise(tmp_path):
    path = dc.save_movie(Movie.from_array(np.ones((8, 9), np.uint8)), tmp_path / "a.ome.zarr")
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["decrappify"]["missing_planes"] = [[9, 0, 0]]
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=r"OME-Zarr metadata of .*a\.ome\.zarr cannot be read .* damaged"):
        dc.open_movie(path)
