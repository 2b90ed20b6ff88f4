from __future__ import annotations

import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibCZIrw import czi

from decrappify.errors import FormatError, InputError, MissingExtraError, MissingFileError
from decrappify.io.formats.czi.czi import open_czi
from decrappify.io.formats.czi.metadata import frame_interval_s, median_step, parse_metadata, pixel_size_um
from decrappify.io.formats.czi.timestamps import read_timestamps
from decrappify.movie import Array


def write_czi(path: Path, array: Array, scenes: dict[int, tuple[int, int]] | None = None, **metadata: Any) -> Path:
    """Write (T, C, Z, Y, X), or for each scene the array plus the scene number, at the (x, y) of the scene."""
    with czi.create_czi(str(path), exist_ok=True) as document:
        for t, c, z in np.ndindex(array.shape[:3]):
            for scene, place in (scenes or {0: (0, 0)}).items():
                document.write(
                    data=array[t, c, z, ..., np.newaxis] + array.dtype.type(scene),
                    plane={"T": t, "C": c, "Z": z},
                    scene=scene,
                    location=place,
                )
        document.write_metadata("cells", **metadata)
    return path


def edit_metadata(path: Path, before: str, inserted: str) -> Path:
    with czi.edit_czi(str(path)) as document:
        xml = document.read_metadata_xml()
        assert before in xml
        with document.edit_session() as session:
            session.set_xml(xml.replace(before, inserted + before, 1))
    return path


def append_timestamps(path: Path, seconds: list[float]) -> Path:
    """Add a TimeStamps attachment in the layout of ZEN; pylibCZIrw cannot write one."""

    def segment(name: bytes, content: bytes) -> bytes:
        return struct.pack("<16sqq", name, len(content), len(content)) + content

    content = bytearray(path.read_bytes())
    stamps = struct.pack(f"<ii{len(seconds)}d", 8 + 8 * len(seconds), len(seconds), *seconds)
    attachment = len(content)
    content += segment(b"ZISRAWATTACH", struct.pack("<i252x", len(stamps)) + stamps)
    entry = struct.pack("<2s10xqi16s8s80s", b"A1", attachment, 0, b"", b"CZTIMS", b"TimeStamps")
    struct.pack_into("<q", content, 80 + 24, len(content))
    content += segment(b"ZISRAWATTDIR", struct.pack("<i252x", 1) + entry)
    path.write_bytes(content)
    return path


@pytest.fixture
def array(rng: np.random.Generator) -> Array:
    return rng.integers(0, 60000, (3, 2, 4, 21, 30), dtype=np.uint16)


def test_all_axes_scale_and_channels_are_read(tmp_path, array):
    path = write_czi(
        tmp_path / "cells.czi",
        array,
        scale_x=0.1e-6,
        scale_y=0.2e-6,
        scale_z=0.5e-6,
        channel_names={0: "GFP", 1: "RFP"},
    )
    with open_czi(path) as movie:
        np.testing.assert_array_equal(np.asarray(movie), array)
        assert movie.dtype == np.uint16
        assert movie.name == "cells.czi"
        assert movie.pixel_size_um == pytest.approx((0.5, 0.2, 0.1))
        assert movie.channel_names == ("GFP", "RFP")
        assert movie.frame_interval_s is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_dtype_is_read_exactly(tmp_path, dtype, rng):
    array = (rng.random((2, 1, 1, 9, 11)) * 200).astype(dtype)
    movie = open_czi(write_czi(tmp_path / "cells.czi", array))
    assert movie.dtype == dtype
    assert movie.pixel_size_um == (None, None, None)
    np.testing.assert_array_equal(np.asarray(movie), array)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_regions_equal_crops_of_their_plane(data, tmp_path_factory):
    array = np.arange(2 * 1 * 2 * 21 * 30, dtype=np.uint16).reshape(2, 1, 2, 21, 30)
    path = tmp_path_factory.getbasetemp() / "regions.czi"
    if not path.exists():
        write_czi(path, array, scenes={0: (-70, 40)})
    top, left = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 29))
    rows, columns = slice(top, data.draw(st.integers(top, 21))), slice(left, data.draw(st.integers(left, 30)))
    with open_czi(path) as movie:
        np.testing.assert_array_equal(movie.region(1, 0, 1, rows, columns), array[1, 0, 1, rows, columns])


def test_scenes_have_separate_pixels(tmp_path, array):
    path = write_czi(tmp_path / "cells.czi", array, scenes={0: (-15, 7), 1: (200, -40), 2: (5, 10)})
    for scene in range(3):
        movie = open_czi(path, scene=scene)
        assert movie.shape == array.shape
        np.testing.assert_array_equal(movie.frame(2, 1, 3), array[2, 1, 3] + np.uint16(scene))
    with pytest.raises(InputError, match=r"scene 3 is not in cells.czi.*0 \(21 × 30\), 1 \(21 × 30\), 2 \(21 × 30\)"):
        open_czi(path, scene=3)


def test_mosaics_are_stitched(tmp_path, rng):
    frame = rng.integers(0, 60000, (60, 90), dtype=np.uint16)
    path = tmp_path / "mosaic.czi"
    with czi.create_czi(str(path)) as document:
        for y, x in ((0, 0), (0, 45), (30, 0), (30, 45)):
            document.write(frame[y : y + 30, x : x + 45, np.newaxis], location=(x - 7, y + 3), plane={"T": 0})
        document.write_metadata("mosaic")
    movie = open_czi(path)
    np.testing.assert_array_equal(movie.frame(0), frame)
    np.testing.assert_array_equal(movie.region(0, 0, 0, slice(25, 35), slice(40, 50)), frame[25:35, 40:50])


def test_color_is_read_as_red_green_and_blue(tmp_path, rng):
    rgb = rng.integers(0, 255, (13, 17, 3), dtype=np.uint8)
    path = tmp_path / "color.czi"
    with czi.create_czi(str(path)) as document:
        document.write(np.ascontiguousarray(rgb[..., ::-1]), plane={"T": 0, "C": 0})  # stored as B, G, R
        document.write_metadata("color")
    movie = open_czi(path)
    assert movie.shape == (1, 3, 1, 13, 17)
    assert movie.channel_names == ("R", "G", "B")
    assert movie.channel_colors == ("FF0000", "00FF00", "0000FF")
    np.testing.assert_array_equal(np.asarray(movie)[0, :, 0], np.moveaxis(rgb, -1, 0))


def test_channels_of_different_dtypes_are_read_in_the_wider_one(tmp_path, rng):
    path = tmp_path / "mixed.czi"
    narrow, wide = rng.integers(0, 255, (9, 9), dtype=np.uint8), rng.integers(0, 60000, (9, 9), dtype=np.uint16)
    with czi.create_czi(str(path)) as document:
        document.write(narrow[..., np.newaxis], plane={"C": 0})
        document.write(wide[..., np.newaxis], plane={"C": 1})
        document.write_metadata("mixed")
    movie = open_czi(path)
    assert movie.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(movie)[0, :, 0], [narrow, wide])


def test_display_colors_are_read(tmp_path, array):
    red = czi.ChannelDisplaySettingsDataClass(True, czi.TintingMode.Color, czi.Rgb8Color(255, 128, 0), 0.0, 0.5)
    path = write_czi(tmp_path / "cells.czi", array, display_settings={0: red}, channel_names={0: "GFP", 1: "RFP"})
    assert open_czi(path).channel_colors == ("FF8000", None)


INTERVAL = "<Interval><Start>0</Start><Increment>1.5</Increment></Interval>"
OFFSETS = "<List><Offsets>0 59.98 119.99</Offsets></List>"
BINARY = "<BinaryList><AttachmentName>TimeStamps</AttachmentName></BinaryList>"


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        (INTERVAL, 1.5),
        (OFFSETS, 59.995),
        (INTERVAL + OFFSETS, 1.5),
        (BINARY, 0.25),
        (OFFSETS + BINARY, 59.995),
        ("", None),
    ],
)
def test_frame_interval_is_taken_in_the_documented_order(tmp_path, array, positions, expected):
    path = write_czi(tmp_path / "cells.czi", array)
    z_stack = "<Z><Positions><Interval><Increment>7</Increment></Interval></Positions></Z>"
    edit_metadata(
        path, "<Channels>", f"{z_stack}<T><StartTime>2024-01-01</StartTime><Positions>{positions}</Positions></T>"
    )
    append_timestamps(path, [10.0, 10.25, 10.6])
    movie = open_czi(path)
    assert movie.frame_interval_s == (None if expected is None else pytest.approx(expected, abs=0.06))
    np.testing.assert_array_equal(movie.frame(2, 1, 3), array[2, 1, 3])


def test_timestamps_are_read_exactly_and_empty_if_damaged(tmp_path, array):
    path = append_timestamps(write_czi(tmp_path / "cells.czi", array), [0.0, 0.523, 1.047])
    assert read_timestamps(path) == (0.0, 0.523, 1.047)
    content = path.read_bytes()
    for size in (len(content) - 60, len(content) - 200, 100, 0):
        path.write_bytes(content[:size])
        assert read_timestamps(path) == ()
    path.write_bytes(b"PK" + content)
    assert read_timestamps(path) == ()


@pytest.mark.parametrize(("times", "expected"), [([], None), ([3.0], None), ([2.0, 2.0], None), ([0, 1, 2, 9], 1)])
def test_median_step_is_none_without_increasing_times(times, expected):
    assert median_step(times) == expected


def test_pixel_size_is_that_of_the_image_only():
    psf = "<PSF><OriginalScaling><Distance Id='X'><Value>9e-6</Value></Distance></OriginalScaling></PSF>"
    items = "<Distance Id='X'><Value>2e-7</Value></Distance><Distance Id='Y'><Value/></Distance>"
    xml = (
        f"<ImageDocument><Metadata><Information>{psf}</Information>"
        f"<Scaling><Items>{items}</Items></Scaling></Metadata></ImageDocument>"
    )
    root = parse_metadata(xml, "cells.czi")
    assert pixel_size_um(root) == (None, None, pytest.approx(0.2))
    assert frame_interval_s(root, Path("none.czi")) is None
    assert pixel_size_um(parse_metadata("", "cells.czi")) == (None, None, None)
    with pytest.raises(FormatError, match=r"metadata of cells\.czi are damaged"):
        parse_metadata(xml[:-20], "cells.czi")


def test_movie_is_readable_in_threads_and_after_pickling(tmp_path, array):
    movie = open_czi(write_czi(tmp_path / "cells.czi", array))
    planes = list(movie.planes()) * 3
    with ThreadPoolExecutor(4) as threads:
        for plane, frame in zip(planes, threads.map(lambda plane: movie.frame(*plane), planes), strict=True):
            np.testing.assert_array_equal(frame, array[plane])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(movie)).frame(1), array[1, 0, 0])


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html></html>", b"", b"PK\x03\x04" + b"\0" * 200])
def test_other_files_than_czi_raise(tmp_path, content):
    path = tmp_path / "cells.czi"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is not a CZI file: it begins with") as caught:
        open_czi(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9])
def test_truncated_files_raise(tmp_path, array, part):
    path = write_czi(tmp_path / "cells.czi", array)
    content = path.read_bytes()
    path.write_bytes(content[: max(40, int(len(content) * part))])
    with pytest.raises(FormatError, match="damaged or truncated") as caught:
        open_czi(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_raise(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        open_czi(tmp_path / "none.czi")
    with pytest.raises(FormatError, match="is a folder"):
        open_czi(tmp_path)


def test_missing_library_raises_with_the_install_command(tmp_path, array, monkeypatch):
    path = write_czi(tmp_path / "cells.czi", array)
    monkeypatch.setitem(sys.modules, "pylibCZIrw", None)
    with pytest.raises(MissingExtraError, match="pip install pylibCZIrw"):
        open_czi(path)


def test_real_movie_with_two_scenes(real_data):
    path = real_data / "czi" / "xyz__multiple_images.czi"
    movie = open_czi(path)
    assert movie.shape == (1, 1, 2, 251, 251)
    assert movie.dtype == np.uint16
    assert movie.pixel_size_um == pytest.approx((0.3, 0.1956, 0.1956), abs=1e-4)
    assert movie.channel_names == ("ChA",)
    assert movie.channel_colors == ("FFFFFF",)
    assert read_timestamps(path) == pytest.approx((7202.7475,), abs=1e-4)
    second = open_czi(path, scene=1)
    assert not np.array_equal(movie.frame(0, 0, 1), second.frame(0, 0, 1))
    with czi.open_czi(str(path)) as document:
        np.testing.assert_array_equal(second.frame(0, 0, 1), document.read(plane={"Z": 1}, scene=1)[..., 0])
    with pytest.raises(InputError, match=r"has scenes.*0 \(251.*1 \(251"):
        open_czi(path, scene=2)


def test_real_color_file_is_read_as_red_green_and_blue(real_data):
    movie = open_czi(real_data / "czi" / "test_image.czi")
    assert movie.shape == (1, 3, 1, 513, 639)
    assert movie.dtype == np.uint8
    assert movie.pixel_size_um == (None, None, None)
    assert movie.channel_names == ("R", "G", "B")
    with czi.open_czi(str(real_data / "czi" / "test_image.czi")) as document:
        stored = document.read()
    np.testing.assert_array_equal(np.asarray(movie)[0, ::-1, 0], np.moveaxis(stored, -1, 0))


def test_closed_movie_raises(tmp_path):
    movie = open_czi(write_czi(tmp_path / "cells.czi", np.ones((1, 1, 1, 8, 9), np.uint16)))
    movie.close()
    movie.close()
    with pytest.raises(InputError, match=r"^cells\.czi is closed; open it again with open_movie$"):
        movie.frame(0)
