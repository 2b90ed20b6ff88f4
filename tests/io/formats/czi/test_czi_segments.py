from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.io.formats.czi.czi_files import write_planes

from decrappify.errors import FormatError
from decrappify.io.formats.czi.czi import open_czi
from decrappify.io.formats.czi.directory import read_blocks
from decrappify.io.formats.czi.segments import SegmentCheck


@pytest.fixture
def two_frames(tmp_path):
    planes = {(0, t, 0, 0): [np.full((6, 8), 1 + t + 10 * tile, np.uint16) for tile in range(2)] for t in range(2)}
    return write_planes(tmp_path / "cells.czi", planes)


def damage(path, position, layout, value):
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, position, value)
    path.write_bytes(content)


@pytest.mark.parametrize("tile", [0, 1])
@pytest.mark.parametrize(
    ("offset", "layout", "value"),
    [
        (40, "<q", 2**63 - 1), (40, "<q", -1), (40, "<q", 2**40), (32, "<i", -1), (36, "<i", 2**31 - 1), (0, "<q", 0),
        (76, "<i", -65529), (76, "<i", 41),
    ],
    ids=[
        "pixels", "negative pixels", "pixels beyond the file", "negative metadata", "attachment", "name",
        "negative dimensions", "dimensions",
    ],
)  # fmt: skip
def test_frame_with_a_damaged_segment_raises(two_frames, tile, offset, layout, value):
    position = int(read_blocks(two_frames).position[2 + tile])
    damage(two_frames, position + offset, layout, value)
    movie = open_czi(two_frames)
    assert movie.frame(0).shape == (6, 8)
    with pytest.raises(FormatError, match=r"frame 1 .* of cells\.czi cannot be read .*copy it again"):
        movie.frame(1)


def test_segments_of_a_plane_are_read_once(two_frames):
    check = SegmentCheck(two_frames, read_blocks(two_frames))
    check({"T": 1, "C": 0, "Z": 0})
    position = int(read_blocks(two_frames).position[2])
    damage(two_frames, position + 40, "<q", -1)
    check({"T": 1, "C": 0, "Z": 0})
    with pytest.raises(ValueError, match="states -1 bytes of pixels"):
        SegmentCheck(two_frames, read_blocks(two_frames))({"T": 1, "C": 0, "Z": 0})


def test_segment_check_accepts_a_plane_without_sub_blocks(two_frames):
    SegmentCheck(two_frames, read_blocks(two_frames))({"T": 7, "C": 0, "Z": 0})
