from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from bioio import BioImage
from pylibCZIrw import czi
from tests.io.movies import assert_same

from decrappify.errors import Cancelled, DecrappifyError, FormatError, InputError, MissingFileError, OutputExistsError
from decrappify.io import open_movie, save_movie
from decrappify.movie import Movie

DATA = np.random.default_rng(9).integers(0, 4000, (4, 2, 1, 33, 46)).astype(np.uint16)
METADATA: dict[str, Any] = {
    "pixel_size_um": (None, 0.104, 0.105),
    "frame_interval_s": 1.5,
    "channel_names": ["GFP", "mCherry"],
    "channel_colors": ["00FF00", None],
}


@pytest.mark.parametrize("second", [".ome.zarr", ".zarr", ".ome.tif", ".tiff"])
@pytest.mark.parametrize("first", [".ome.zarr", ".ome.tiff", ".tif"])
def test_movie_is_equal_after_saving_in_every_pair_of_formats(tmp_path: Path, first: str, second: str) -> None:
    original = Movie.from_array(DATA, **METADATA, provenance={"model": "m", "steps": [1, 2]})
    once = open_movie(save_movie(original, tmp_path / f"one{first}"))
    twice = open_movie(save_movie(once, tmp_path / f"two{second}"))
    assert_same(original, twice)
    assert twice.name == f"two{second}"


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_czi_is_equal_after_saving(tmp_path: Path, suffix: str) -> None:
    with czi.create_czi(str(tmp_path / "cells.czi"), exist_ok=True) as document:
        for t, c in np.ndindex(4, 2):
            document.write(data=DATA[t, c, 0, :, :, None], plane={"T": t, "C": c, "Z": 0})
        document.write_metadata("cells", scale_x=1e-7, scale_y=2e-7, channel_names={0: "GFP", 1: "mCherry"})
    movie = open_movie(tmp_path / "cells.czi")
    assert movie.pixel_size_um == pytest.approx((None, 0.2, 0.1))
    np.testing.assert_array_equal(np.asarray(movie), DATA)
    assert_same(movie, open_movie(save_movie(movie, tmp_path / f"cells{suffix}")))


def test_arrays_and_movies_are_opened(tmp_path: Path) -> None:
    path = save_movie(Movie.from_array(DATA, **METADATA), tmp_path / "cells.ome.tif")
    movie = open_movie(path)
    assert open_movie(movie) is movie
    stored = zarr.create_array(tmp_path / "plain.zarr", data=DATA)
    for array in (DATA, da.from_array(DATA, chunks=2), stored, tmp_path / "plain.zarr", str(tmp_path / "plain.zarr")):
        np.testing.assert_array_equal(np.asarray(open_movie(array)), DATA)
    assert open_movie(DATA[:, 0, 0], axes="ZYX").shape == (1, 1, 4, 33, 46)
    with pytest.raises(InputError, match="cannot open an object of type dict, expected a path, an array"):
        open_movie({})


@pytest.mark.filterwarnings("ignore:As of version 0.4.0:DeprecationWarning")  # of bioio
def test_bioimage_is_opened_with_its_metadata(tmp_path: Path) -> None:
    path = save_movie(Movie.from_array(DATA, **METADATA), tmp_path / "cells.ome.tif")
    movie = open_movie(BioImage(path), channel="mCherry")
    np.testing.assert_array_equal(movie.frame(3), DATA[3, 1, 0])
    assert movie.pixel_size_um[1:] == (0.104, 0.105)


@pytest.mark.parametrize(
    ("channel", "expected"), [(1, 1), (-1, 1), ("mCherry", 1), ("mcherry", 1), ("1", 1), ("GFP", 0), ("0", 0)]
)
def test_channels_are_chosen_by_number_and_name(channel: int | str, expected: int) -> None:
    movie = open_movie(Movie.from_array(DATA, **METADATA), channel=channel)
    assert movie.channel_names == (METADATA["channel_names"][expected],)
    np.testing.assert_array_equal(movie.frame(2), DATA[2, expected, 0])


def test_channel_by_a_name_of_two_channels_raises() -> None:
    movie = Movie.from_array(DATA, **METADATA | {"channel_names": ["GFP", "GFP"]})
    with pytest.raises(InputError, match="has 2 channels named 'GFP'; pass the number of one: 0, 1"):
        open_movie(movie, channel="GFP")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel": "DAPI"}, "has no channel 'DAPI', expected one of 'GFP', 'mCherry'"),
        ({"channel": 2}, "channel 2 is not in .*, which has channels 0 to 1"),
        ({"channel": "7"}, "channel 7 is not in"),
        ({"scene": 1}, "scene 1 is not in movie, which has only"),
        ({"frame_interval_s": 0}, "frame_interval_s is 0, expected a number of seconds above 0"),
        ({"pixel_size_um": "0.1"}, "pixel_size_um is"),
        ({"pixel_size_um": -1}, "pixel_size_um is -1, expected a number of micrometers above 0"),
        ({"pixel_size_um": "100 nm"}, r"pixel_size_um is '100 nm', expected one number"),
        ({"pixel_size_um": (1, 2, 3, 4)}, r"expected one number, \(y, x\) or \(z, y, x\)"),
    ],
)
def test_unsuitable_arguments_raise(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_movie(Movie.from_array(DATA, **METADATA), **options)


def test_overrides_do_not_change_the_original() -> None:
    original = Movie.from_array(DATA, **METADATA)
    for given, expected in (
        (0.2, (None, 0.2, 0.2)),
        ((0.1, 0.2), (None, 0.1, 0.2)),
        ((0.5, 0.1, None), (0.5, 0.1, None)),
    ):
        assert open_movie(original, pixel_size_um=given).pixel_size_um == expected
    assert open_movie(original, frame_interval_s=9).frame_interval_s == 9.0
    assert original.frame_interval_s == 1.5
    assert original.pixel_size_um == (None, 0.104, 0.105)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cells.czi", b"\n<!DOCTYPE html><html>", "cells.czi is an HTML page, not a CZI file: download it again"),
        ("cells.czi", b"version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer, not a CZI file"),
        ("cells.tif", b"", r"is empty \(0 bytes\), not a TIFF file"),
        ("cells.tif", "frame,µm\n1,2".encode(), "cells.tif is a text file, not a TIFF file"),
        ("cells.tif", b"PK\x03\x04\0\0", "cells.tif is a ZIP archive, not a TIFF file: unpack it first"),
        ("cells.png", b"\x01\x02\xff\xfe", "cells.png is not a still image file .* damaged or misnamed"),
        ("cells.ims", b"\x89HDF\r\n\x1a\n", "cells.ims is an HDF5 file: export it as OME-TIFF first"),
        ("cells.nd2", b"\xda\xce\xbe\x0a", r"cells.nd2 has an unsupported file format; supported: \.czi, \.tif"),
        ("cells.tif", b"II*\0\x08\0\0\0", "cells.tif cannot be read as TIFF|is a TIFF file without images"),
        ("cells.czi", b"ZISRAWFILE" + bytes(90), "cells.czi is damaged or truncated"),
        ("cells.mp4", b"\0\0\0 ftypisom" + bytes(20), "cells.mp4 cannot be read as a video"),
        ("cells.png", b"\x89PNG\r\n\x1a\n" + bytes(20), "cells.png cannot be decoded as PNG, JPEG or BMP"),
    ],
)
def test_files_of_another_format_raise(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        open_movie(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_wrong_suffix_warns_and_the_file_is_opened(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cells.czi", DATA[:, 0, 0], photometric="minisblack")
    with pytest.warns(UserWarning, match=r"cells\.czi is a TIFF file by its content"):
        movie = open_movie(tmp_path / "cells.czi")
    np.testing.assert_array_equal(movie.frame(2), DATA[2, 0, 0])
    tifffile.imwrite(tmp_path / "no suffix", DATA[:, 0, 0], photometric="minisblack")
    assert open_movie(tmp_path / "no suffix").shape == (4, 1, 1, 33, 46)


def test_missing_files_raise_with_a_similar_name(tmp_path: Path) -> None:
    (tmp_path / "cells_day1.tif").touch()
    with pytest.raises(MissingFileError, match=r"did you mean cells_day1\.tif\?"):
        open_movie(tmp_path / "cells_day_1.tif")
    for name in ("x.tif", "wells_b.tif"):  # not similar without the suffix
        with pytest.raises(MissingFileError, match=f"{name} does not exist; check the path"):
            open_movie(tmp_path / name)
    with pytest.raises(MissingFileError, match="nor does its folder"):
        open_movie(tmp_path / "absent" / "cells.tif")
    with pytest.raises(InputError, match="only OME-Zarr is read from servers; download the file"):
        open_movie("https://example.org/cells.czi")


def test_folders_of_images_are_opened(tmp_path: Path) -> None:
    for t, frame in enumerate(DATA[:, 0, 0]):
        tifffile.imwrite(tmp_path / f"t{t}.tif", frame)
    movie = open_movie(tmp_path, frame_interval_s=3)
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], DATA[:, 0, 0])
    assert movie.frame_interval_s == 3.0
    with pytest.raises(InputError, match="axes='ZYX' is for arrays and TIFF"):
        open_movie(tmp_path, axes="ZYX")


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".mp4"])
def test_save_movie_raises_for_an_existing_output_before_it_reads(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cells{suffix}"
    path.touch()
    with pytest.raises(OutputExistsError, match="already exists"):
        save_movie("a movie that does not exist.tif", path)
    save_movie(DATA[:, :1], path, overwrite=True)
    assert open_movie(path).shape[0] == 4
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_save_movie_casts_reports_progress_and_leaves_no_partial_file(tmp_path: Path, bar: Any, suffix: str) -> None:
    with pytest.warns(UserWarning, match="were clipped to the limits of uint8"):
        path = save_movie(DATA.astype(np.float64) - 0.5, tmp_path / f"cells{suffix}", dtype="uint8", progress=bar)
    assert (bar.settings["total"], bar.updates, bar.closed) == (8, [1] * 8, True)
    np.testing.assert_array_equal(np.asarray(open_movie(path)), np.clip(np.rint(DATA - 0.5), 0, 255))
    broken = DATA.astype(np.float32)
    broken[3, 1, 0, 5, 5] = np.nan
    with pytest.raises(InputError, match="frame 3 of movie contains NaN"):
        save_movie(broken, tmp_path / f"broken{suffix}", dtype="uint16")
    with pytest.raises(Cancelled, match="was not written"):
        save_movie(DATA, tmp_path / f"cancelled{suffix}", progress=bar, cancel=bar.cancel_at(2))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_unsupported_outputs_raise_with_the_supported_ones(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match=r"has an unsupported output format; supported: \.ome\.zarr, \.ome\.tif and \.mp4"
    ):
        save_movie(DATA, tmp_path / "cells.czi")


def test_unsuitable_array_raises_a_decrappify_error() -> None:
    with pytest.raises(DecrappifyError):
        open_movie(np.zeros((2, 2, 2, 2)))


def test_io_imports_no_reader() -> None:
    heavy = ("torch", "av", "pylibCZIrw", "zarr", "tifffile")
    code = f"import sys, decrappify.io; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_real_movies_are_equal_after_saving(real_data: Path, tmp_path: Path) -> None:
    movie = open_movie(real_data / "movies" / "microtubule_tirf_2ch_55f.tif", frame_interval_s=5, pixel_size_um=0.16)[
        :5
    ]
    assert_same(movie, open_movie(save_movie(movie, tmp_path / "mt.ome.zarr")))
    assert_same(movie, open_movie(save_movie(movie, tmp_path / "mt.ome.tif")))
    for name in ("czi/test_image.czi", "czi/xyz__multiple_images.czi", "highres/hela_cells_rgb16.tif"):
        movie = open_movie(real_data / name, scene=0)
        assert_same(movie, open_movie(save_movie(movie, tmp_path / f"{Path(name).stem}.ome.zarr")))
