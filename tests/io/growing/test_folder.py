from __future__ import annotations

import numpy as np
import pytest
import tifffile

from decrappify.errors import InputError
from decrappify.io.growing.open import open_growing


def write(folder, name, value):
    tifffile.imwrite(folder / name, np.full((6, 7), value, np.uint16))


def test_new_files_are_assigned_to_planes_by_the_numbers_in_their_names(tmp_path):
    for t in range(3):
        for c, channel in enumerate(["GFP", "RFP"]):
            write(tmp_path, f"img_{2 * t:09d}_{channel}_000.tif", 10 * t + c)
    frames = open_growing(tmp_path)
    assert frames.look() == 3
    assert frames.begin(3).channel_names == ("GFP", "RFP")
    write(tmp_path, "img_000000006_RFP_000.tif", 31)
    write(tmp_path, "notes_000000006.tif", 0)
    (tmp_path / "img_000000008_RFP_000.txt").write_text("metadata")
    assert frames.look() == 4
    assert [part is not None for part in frames.parts(3)] == [False, True]
    assert frames.absent(3) == {(3, 0, 0)}
    assert frames.read(3, 1, 0, slice(0, 2), slice(0, 2)).tolist() == [[31, 31], [31, 31]]
    frames.close()


def test_file_with_another_shape_or_fewer_bytes_is_not_readable(tmp_path):
    for t in range(3):
        write(tmp_path, f"t{t}.tif", t)
    frames = open_growing(tmp_path)
    frames.look()
    assert frames.is_readable(2)
    whole = (tmp_path / "t2.tif").read_bytes()
    for content in (whole[:-20], whole[:40], b""):
        (tmp_path / "t2.tif").write_bytes(content)
        assert not frames.is_readable(2)


def test_names_without_an_even_frame_number_are_refused(tmp_path):
    for name in ("a_t1_08h00.tif", "a_t2_08h05.tif", "a_t3_08h17.tif"):
        write(tmp_path, name, 1)
    frames = open_growing(tmp_path)
    frames.look()
    with pytest.raises(InputError, match="do not number the frames by one number that increases evenly"):
        frames.begin(2)
