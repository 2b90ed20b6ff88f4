from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from decrappify.errors import FormatError, InputError
from decrappify.io.formats.tiff.open import open_tiff
from decrappify.io.formats.tiff.writing.writer import write_ome_tiff
from decrappify.movie import Movie

STACK = np.random.default_rng(1).integers(0, 4000, (6, 40, 50)).astype(np.uint16)
PAGES: dict[str, dict[str, Any]] = {
    "imagej": {"imagej": True, "metadata": {"axes": "TYX", "finterval": 2.0}},
    "imagej-zlib": {"imagej": True, "compression": "zlib", "metadata": {"axes": "TYX"}},
    "imagej-one-page": {"imagej": True, "truncate": True, "metadata": {"axes": "TYX"}},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "ome-zlib": {"ome": True, "compression": "zlib", "metadata": {"axes": "TYX"}},
    "shaped": {"metadata": {"axes": "TYX"}},
    "shaped-zlib": {"metadata": {"axes": "TYX"}, "compression": "zlib", "tile": (16, 16)},
    "no-metadata": {"metadata": None, "compression": "zlib"},
    "big-endian": {"metadata": None, "byteorder": ">"},
}


def written(folder: Path, array: np.ndarray = STACK, name: str = "cells.tif", **options: Any) -> Path:
    tifffile.imwrite(folder / name, array, **options)
    return folder / name


@pytest.mark.parametrize("kind", PAGES)
def test_stack_of_every_layout_is_read_as_a_movie(tmp_path: Path, kind: str) -> None:
    movie = open_tiff(written(tmp_path, **PAGES[kind]))
    assert movie.shape == (6, 1, 1, 40, 50)
    assert movie.dtype == np.uint16
    assert movie.dtype.isnative
    np.testing.assert_array_equal(movie.frame(-1), STACK[-1])
    np.testing.assert_array_equal(movie.region(2, 0, 0, slice(3, 20), slice(30, 49)), STACK[2, 3:20, 30:49])
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], STACK)


@pytest.mark.parametrize("part", [0.002, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", PAGES)
def test_truncated_file_raises_one_line(
    tmp_path: Path, kind: str, part: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, **PAGES[kind])
    content = path.read_bytes()
    path.write_bytes(content[: max(8, int(part * len(content)))])
    with pytest.raises(FormatError, match=r"cells\.tif (is|cannot be read as TIFF) .*(truncated|damaged)") as caught:
        open_tiff(path)
    assert "\n" not in str(caught.value)
    assert not caplog.records


def test_damaged_frame_raises_when_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, metadata=None, compression="zlib")
    with tifffile.TiffFile(path) as file:
        start = file.pages[3].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\0" * 200)
    movie = open_tiff(path)
    movie.frame(2)
    with pytest.raises(FormatError, match=r"frame 3 \(channel 0, slice 0\) of .* cannot be decoded"):
        movie.frame(3)


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("TZCYX", (2, 3, 4), {"imagej": True}),
        ("TCZYX", (2, 4, 3), {"ome": True}),
        ("ZCYX", (1, 3, 4), {"ome": True}),
        ("CTYX", (2, 1, 4), {"ome": True, "compression": "zlib"}),
    ],
)
def test_hyperstacks_are_read_as_tczyx(
    tmp_path: Path, axes: str, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    sizes = dict(zip("TZC", (shape if axes != "TCZYX" else (2, 3, 4)), strict=True)) | {"Y": 20, "X": 30}
    array = np.arange(np.prod([sizes[a] for a in axes]), dtype=np.uint16).reshape([sizes[a] for a in axes])
    movie = open_tiff(written(tmp_path, array, metadata={"axes": axes}, **options))
    assert movie.shape == tuple(sizes[axis] if axis in axes else 1 for axis in "TCZYX")
    index = {"T": sizes["T"] - 1, "Z": sizes["Z"] - 1, "C": 1, "Y": slice(None), "X": slice(None)}
    expected = array[tuple(index[axis] for axis in axes)]
    z = index["Z"] if "Z" in axes else 0
    np.testing.assert_array_equal(movie.frame(index["T"] if "T" in axes else 0, 1, z), expected)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_rgb_is_three_channels(tmp_path: Path, planar: str, compression: str | None) -> None:
    array = np.random.default_rng(2).integers(0, 255, (5, 20, 30, 3)).astype(np.uint8)
    stored = array if planar == "contig" else np.moveaxis(array, -1, 1)
    path = written(tmp_path, stored, photometric="rgb", planarconfig=planar, metadata=None, compression=compression)
    movie = open_tiff(path)
    assert movie.shape == (5, 3, 1, 20, 30)
    assert movie.channel_names == ("R", "G", "B")
    assert movie.channel_colors == ("FF0000", "00FF00", "0000FF")
    np.testing.assert_array_equal(movie.frame(3, 2), array[3, :, :, 2])
    np.testing.assert_array_equal(movie.region(4, 1, 0, slice(2, 9), slice(1, 5)), array[4, 2:9, 1:5, 1])


def test_transparency_is_dropped_but_samples_are_kept(tmp_path: Path) -> None:
    array = np.random.default_rng(2).integers(0, 255, (20, 30, 4)).astype(np.uint8)
    movie = open_tiff(written(tmp_path, array, photometric="rgb", extrasamples=["unassalpha"], metadata=None))
    assert movie.channel_names == ("R", "G", "B")
    np.testing.assert_array_equal(movie.frame(0, 2), array[:, :, 2])
    options = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
    movie = open_tiff(written(tmp_path, array, **options))
    assert movie.channel_names == ("C0", "C1", "C2", "C3")
    np.testing.assert_array_equal(movie.frame(0, 3), array[:, :, 3])


def test_four_frames_are_not_read_as_transparency(tmp_path: Path) -> None:
    options = {"photometric": "rgb", "planarconfig": "separate", "metadata": None}  # as tifffile writes four frames
    path = written(tmp_path, STACK[:4], **options)
    assert open_tiff(path).shape == (1, 4, 1, 40, 50)
    assert open_tiff(path, axes="TYX").shape == (4, 1, 1, 40, 50)
    np.testing.assert_array_equal(open_tiff(path, axes="TYX").frame(3), STACK[3])


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing", "expected"),
    [
        (10.0, "micron", 0.5, (0.5, 0.1, 0.1)),
        (10.0, "\\u00B5m", 0.5, (0.5, 0.1, 0.1)),
        (10.0, "um", 0.5, (0.5, 0.1, 0.1)),
        (0.02, "nm", 250.0, (0.25, 0.05, 0.05)),
        (10.0, "pixel", 0.5, (None, None, None)),
        (1.0, "inch", 1.0, (25400.0, None, None)),
    ],
)
def test_imagej_calibration_is_read(
    tmp_path: Path, resolution: float, unit: str, spacing: float, expected: tuple[float | None, ...]
) -> None:
    metadata = {"axes": "TZYX", "unit": unit, "spacing": spacing, "finterval": 59.86}
    path = written(
        tmp_path, STACK.reshape(2, 3, 40, 50), imagej=True, resolution=(resolution, resolution), metadata=metadata
    )
    movie = open_tiff(path)
    assert movie.pixel_size_um == pytest.approx(expected)
    assert movie.frame_interval_s == pytest.approx(59.86)


@pytest.mark.parametrize(
    ("dots", "unit", "size"),
    [(1e5, 3, 0.1), (254000, 2, 0.1), (72, 2, None), (300, 2, None), (600, 2, None), (1, 1, None), (15.4, 1, None)],
)
def test_resolution_tags_except_print_settings(tmp_path: Path, dots: float, unit: int, size: float | None) -> None:
    path = written(tmp_path, metadata=None, resolution=(dots, dots), resolutionunit=unit)
    assert open_tiff(path).pixel_size_um == pytest.approx((None, size, size))


def test_ome_units_and_plane_times_are_read(tmp_path: Path) -> None:
    metadata = {
        "axes": "TCYX",
        "PhysicalSizeX": 65.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.000065,
        "PhysicalSizeYUnit": "mm",
        "Plane": {"DeltaT": [0, 1, 500, 501, 1000, 1001], "DeltaTUnit": ["ms"] * 6},
    }
    movie = open_tiff(written(tmp_path, STACK.reshape(3, 2, 40, 50), ome=True, metadata=metadata))
    assert movie.pixel_size_um == pytest.approx((None, 0.065, 0.065))
    assert movie.frame_interval_s == 0.5
    movie = open_tiff(
        written(tmp_path, ome=True, metadata={"axes": "TYX", "TimeIncrement": 2, "TimeIncrementUnit": "min"})
    )
    assert movie.frame_interval_s == 120.0


def test_axes_override_those_of_the_file_and_ambiguous_ones_raise(tmp_path: Path) -> None:
    path = written(tmp_path, metadata=None)
    assert open_tiff(path, axes="ZYX").shape == (1, 1, 6, 40, 50)
    with pytest.raises(InputError, match=r"axes='TCYX' does not fit cells.tif of shape \(6, 40, 50\)"):
        open_tiff(path, axes="TCYX")
    path = written(tmp_path, STACK.reshape(2, 3, 40, 50), photometric="minisblack")
    with pytest.raises(InputError, match="has dimensions Q, Q, Y, X, expected names"):
        open_tiff(path)
    movie = open_tiff(path, axes="tcyx")
    np.testing.assert_array_equal(movie.frame(1, 2), STACK[5])


def test_spacing_of_an_axis_that_is_read_as_another_is_unknown(tmp_path: Path) -> None:
    stack = Movie.from_array(STACK, "ZYX", pixel_size_um=(0.3, 0.1, 0.1))
    path = write_ome_tiff(stack, tmp_path / "stack.ome.tif")
    assert open_tiff(path).pixel_size_um == pytest.approx((0.3, 0.1, 0.1))
    assert open_tiff(path, axes="TYX").pixel_size_um == (None, *open_tiff(path).pixel_size_um[1:])
    bare = Movie.from_array(STACK, "ZYX", unitless_spacing={"Z": 3.0, "Y": 0.5, "X": 0.5})
    path = write_ome_tiff(bare, tmp_path / "bare.ome.tif")
    assert dict(open_tiff(path, axes="TYX").unitless_spacing) == {"Y": 0.5, "X": 0.5}
    frames = write_ome_tiff(Movie.from_array(STACK, "TYX", frame_interval_s=2.0), tmp_path / "frames.ome.tif")
    assert (open_tiff(frames).frame_interval_s, open_tiff(frames, axes="ZYX").frame_interval_s) == (2.0, None)


def test_scenes_are_read_at_full_resolution(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(STACK, subifds=1, metadata={"axes": "TYX", "Channel": {"Name": ["first"]}})
        writer.write(STACK[:, ::2, ::2], subfiletype=1)
        writer.write(STACK[0, :9, :8], metadata={"axes": "YX", "Channel": {"Name": ["second"]}})
    assert open_tiff(path).shape == (6, 1, 1, 40, 50)
    np.testing.assert_array_equal(open_tiff(path).region(5, 0, 0, slice(1, 7), slice(0, 9)), STACK[5, 1:7, :9])
    second = open_tiff(path, scene=1)
    assert (second.shape, second.channel_names) == ((1, 1, 1, 9, 8), ("second",))
    with pytest.raises(InputError, match=r"scene 2 is not in two.ome.tif, which has 2 scene"):
        open_tiff(path, scene=2)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "int32", "float16", "float32", "float64"])
def test_unusual_dtypes_are_read(tmp_path: Path, dtype: str) -> None:
    array = (STACK % 2 if dtype == "bool" else STACK % 100).astype(dtype)
    movie = open_tiff(written(tmp_path, array, metadata={"axes": "TYX"}))
    assert movie.dtype == ("uint8" if dtype == "bool" else dtype)
    np.testing.assert_array_equal(movie.frame(4), array[4])
    np.testing.assert_array_equal(movie.region(4, 0, 0, slice(5, 9), slice(7, 30)), array[4, 5:9, 7:30])


def test_complex_pixels_and_files_without_images_raise(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="contains complex64, which is not an image"):
        open_tiff(written(tmp_path, STACK.astype(np.complex64)))
    path = tmp_path / "notes.tif"
    path.write_bytes(b"II*\0 these are no pixels")
    with pytest.raises(FormatError, match="is a TIFF file without images"):
        open_tiff(path)


def test_region_of_a_large_compressed_frame_decodes_only_its_tiles(tmp_path: Path) -> None:
    large = np.random.default_rng(3).integers(0, 200, (2, 1200, 1100)).astype(np.uint8)
    path = written(tmp_path, large, tile=(256, 256), compression="zlib", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as file:
        start = file.pages[1].dataoffsets[0]
    with path.open("r+b") as file:  # damages the first tile of frame 1 only
        file.seek(start)
        file.write(b"\0" * 500)
    movie = open_tiff(path)
    np.testing.assert_array_equal(movie.region(1, 0, 0, slice(300, 600), slice(256, 900)), large[1, 300:600, 256:900])
    with pytest.raises(FormatError, match="frame 1"):
        movie.region(1, 0, 0, slice(0, 10), slice(0, 10))


def test_movie_is_readable_after_pickling(tmp_path: Path) -> None:
    movie = open_tiff(written(tmp_path, metadata=None), axes="ZYX")
    copy = pickle.loads(pickle.dumps(movie))
    np.testing.assert_array_equal(copy.frame(0, 0, 5), STACK[5])
    assert copy.shape == movie.shape


def test_real_files_are_read(real_data: Path) -> None:
    files = sorted([*real_data.glob("movies/*.tif"), *real_data.glob("highres/*.tif")])
    assert files
    for path in files:
        movie = open_tiff(path)
        pixels = tifffile.imread(path)
        n_t, n_c, n_z, n_y, n_x = movie.shape
        assert pixels.size == np.prod(movie.shape)
        assert pixels.dtype == movie.dtype
        expected = pixels[..., n_c - 1] if movie.channel_names[0] == "R" else pixels.reshape(-1, n_y, n_x)[-1]
        np.testing.assert_array_equal(movie.frame(n_t - 1, n_c - 1, n_z - 1), expected)
    assert open_tiff(real_data / "highres/aics_dna.tif").pixel_size_um == pytest.approx((None, 0.065, 0.065))
    assert open_tiff(real_data / "movies/microtubule_tirf_2ch_55f.tif").shape == (55, 2, 1, 166, 117)
