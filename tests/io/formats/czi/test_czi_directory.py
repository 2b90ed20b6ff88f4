from __future__ import annotations

import struct

import numpy as np
import pytest
from pylibCZIrw import czi
from tests.io.formats.czi.czi_files import edit_directory, write_planes

from decrappify.errors import FormatError
from decrappify.io.formats.czi.czi import open_czi
from decrappify.io.formats.czi.directory import read_blocks


def planes(n_frames=3, n_channels=2):
    return {
        (0, t, c, 0): np.full((6, 8), 1 + 10 * t + c, np.uint16) for t in range(n_frames) for c in range(n_channels)
    }


@pytest.mark.skipif(not hasattr(czi.CziReader, "enumerate_subblocks"), reason="pylibCZIrw before 6.1")
def test_read_blocks_agrees_with_the_library(tmp_path):
    places = [(0, 0, 0), (3, 4, 1), (3, 2, 5)]
    path = write_planes(
        tmp_path / "cells.czi", {(s, t, 1, z): np.ones((6, 8 + s), np.uint8) for s, t, z in places}, {3: -20}
    )
    blocks, expected = read_blocks(path), []

    def collect(_, info):
        box, at = info.logicalRect, info.coordinate.to_dict()
        expected.append(((at["S"], at["T"], at["C"], at["Z"]), (box.x, box.y, box.w, box.h)))
        return True

    with czi.open_czi(str(path)) as document:
        document.enumerate_subblocks(collect)
    numbers = zip(*(blocks.numbers(letter).tolist() for letter in "STCZ"), strict=True)
    boxes = zip(*(side.tolist() for side in (blocks.x, blocks.y, blocks.width, blocks.height)), strict=True)
    assert sorted(zip(numbers, boxes, strict=True)) == sorted(expected)


def test_read_blocks_returns_numbers_positions_and_types(tmp_path):
    path = write_planes(tmp_path / "cells.czi", {(2, 4, 1, 7): np.ones((6, 8), np.uint8)})
    blocks = read_blocks(path)
    assert {letter: int(values[0]) for letter, values in blocks.index.items()} == {
        "S": 2, "T": 4, "C": 1, "Z": 7, "M": 0,
    }  # fmt: skip
    assert [int(v[0]) for v in (blocks.x, blocks.y, blocks.width, blocks.height)] == [200, 0, 8, 6]
    assert blocks.pixel_type.tolist() == [0]
    assert blocks.numbers("V").tolist() == [0]


def test_entries_of_different_length_are_read(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes())

    def drop_tile_numbers(entries):
        for entry in entries[::2]:
            del entry.dimensions["M"]

    before = read_blocks(path)
    after = read_blocks(edit_directory(path, drop_tile_numbers))
    assert len(after) == len(before) == 6
    pairs = [sorted(zip(b.numbers("T").tolist(), b.numbers("C").tolist(), strict=True)) for b in (before, after)]
    assert pairs[0] == pairs[1]
    np.testing.assert_array_equal(np.asarray(open_czi(path))[:, :, 0, 0, 0], [[1, 2], [11, 12], [21, 22]])


@pytest.mark.parametrize("pyramid", ["stored smaller", "flag"])
def test_pyramid_layers_are_excluded(tmp_path, pyramid):
    path = write_planes(tmp_path / "cells.czi", planes())

    def change(entries):
        if pyramid == "flag":
            entries[-1].pyramid = 2
        else:
            for letter in "XY":
                entries[-1].dimensions[letter][1] *= 2

    assert len(read_blocks(edit_directory(path, change))) == 5


def test_blocks_of_other_files_are_marked(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes())
    edit_directory(path, lambda entries: setattr(entries[1], "part", 2))
    assert read_blocks(path).here.sum() == 5


@pytest.mark.parametrize(
    "damage", ["no file", "position", "far position", "name", "count", "negative count", "schema", "dimensions", "cut"]
)
def test_damaged_directories_raise(tmp_path, damage):
    path = write_planes(tmp_path / "cells.czi", planes())
    content = bytearray(path.read_bytes())
    (position,) = struct.unpack_from("<q", content, 84)
    if damage == "no file":
        content = content[:60]
    elif damage == "position":
        struct.pack_into("<q", content, 84, 10**12)
    elif damage == "far position":
        struct.pack_into("<q", content, 84, 2**63 - 1)
    elif damage == "negative count":
        struct.pack_into("<i", content, position + 32, -1)
    elif damage == "name":
        content[position] = 0
    elif damage == "count":
        struct.pack_into("<i", content, position + 32, 10**6)
    elif damage == "schema":
        content[position + 160 : position + 162] = b"XX"
    elif damage == "dimensions":
        struct.pack_into("<i", content, position + 160 + 28, 1000)
    else:
        content = content[: position + 200]
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"cells\.czi is damaged or truncated .*copy it again"):
        read_blocks(path)


def test_directory_with_a_wrong_size_is_read_to_the_end_of_the_file(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes())
    content = bytearray(path.read_bytes())
    (position,) = struct.unpack_from("<q", content, 84)
    struct.pack_into("<qq", content, position + 16, 10**15, 10**15)
    path.write_bytes(content)
    assert len(read_blocks(path)) == len(planes())


def test_read_blocks_returns_none_for_entries_of_an_early_version(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes())
    content = bytearray(path.read_bytes())
    (position,) = struct.unpack_from("<q", content, 84)
    content[position + 160 : position + 162] = b"DE"
    path.write_bytes(content)
    assert read_blocks(path) is None


def test_open_czi_without_a_directory_uses_the_summary_of_the_library(tmp_path, monkeypatch):
    path = write_planes(tmp_path / "cells.czi", planes() | {(1, 2, 1, 0): np.full((5, 4), 77, np.uint16)})
    expected = np.asarray(open_czi(path))
    monkeypatch.setattr("decrappify.io.formats.czi.czi.read_blocks", lambda path: None)
    np.testing.assert_array_equal(np.asarray(open_czi(path)), expected)
    second = open_czi(path, scene=1)
    assert second.shape == (3, 2, 1, 5, 4)
    assert second.frame(2, 1).max() == 77
