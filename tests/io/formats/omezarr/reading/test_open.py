from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr_models import v04, v05
from tests.io.formats.omezarr.zarr_files import image
from tests.io.movies import assert_same, movies

from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io import open_pyramid, save_movie
from decrappify.io.formats.omezarr.reading.open import level_count, open_omezarr
from decrappify.movie import Movie

TYPES_KEPT = [np.uint8, np.int16, np.uint16, np.uint32, np.int64, np.float16, np.float32, np.float64]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["yx", "tyx", "zyx", "cyx", "tcyx", "czyx", "tczyx"])
def test_any_subset_of_the_axes_is_read(tmp_path: Path, axes: str, version: str) -> None:
    sizes = {"t": 3, "c": 2, "z": 4, "y": 11, "x": 13}
    shape = [sizes[axis] for axis in axes]
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    path = image(tmp_path / "cells.zarr", array, axes, version)
    (v04 if version == "0.4" else v05).Image.from_zarr(
        zarr.open_group(path, mode="r")
    )  # the files of this test are valid
    movie = open_omezarr(path)
    assert movie.shape == tuple(sizes[axis] if axis in axes else 1 for axis in "tczyx")
    np.testing.assert_array_equal(np.asarray(movie).reshape(shape), array)
    index = tuple({"t": 2, "c": 1, "z": 3, "y": slice(2, 9), "x": slice(5, 13)}[axis] for axis in axes)
    last = [sizes[axis] - 1 if axis in axes else 0 for axis in "tcz"]
    np.testing.assert_array_equal(movie.region(*last, slice(2, 9), slice(5, 13)), array[index])
    assert movie.pixel_size_um == (None, None, None)
    assert movie.channel_names == ("C0", "C1")[: movie.shape[1]]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_scale_units_names_and_colors_are_read(tmp_path: Path, version: str) -> None:
    path = image(
        tmp_path / "cells.zarr",
        np.zeros((2, 2, 3, 4, 4), np.uint8),
        "tczyx",
        version,
        units={"t": "millisecond", "z": "nanometer", "y": "micrometer", "x": "millimeter"},
        scale=[500.0, 1.0, 300.0, 0.1, 0.0002],
        multiscale={"coordinateTransformations": [{"type": "scale", "scale": [2.0, 1.0, 1.0, 2.0, 1.0]}]},
        omero={"channels": [{"label": "GFP", "color": "00ff00"}, {"color": "no color"}]},
    )
    movie = open_omezarr(path)
    assert movie.pixel_size_um == pytest.approx((0.3, 0.2, 0.2))
    assert movie.frame_interval_s == 1.0
    assert movie.channel_names == ("GFP", "C1")
    assert movie.channel_colors == ("00FF00", None)


def test_scenes_are_numbered_groups_in_natural_order(tmp_path: Path) -> None:
    store = tmp_path / "many.zarr"
    zarr.create_group(store).attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for number in (0, 1, 10):
        image(store / str(number), np.full((3, 4), number, np.uint8), "yx", "0.5")
    assert [open_omezarr(store, scene=i).frame(0)[0, 0] for i in range(3)] == [0, 1, 10]
    assert open_omezarr(store, scene=2).name == "many.zarr"
    with pytest.raises(InputError, match=r"scene 3 is not in many.zarr, which has 3 scene"):
        open_omezarr(store, scene=3)


def test_plain_arrays_need_dimension_names_or_axes(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    zarr.create_array(tmp_path / "plain.zarr", data=array)
    zarr.create_array(tmp_path / "named.zarr", data=array, dimension_names=["z", "channel", "y", "x"])
    assert open_omezarr(tmp_path / "named.zarr").shape == (1, 3, 2, 4, 5)
    assert open_omezarr(tmp_path / "plain.zarr", axes="TCYX").shape == (2, 3, 1, 4, 5)
    with pytest.raises(InputError, match="or pass the axes, such as axes='TCYX'"):
        open_omezarr(tmp_path / "plain.zarr")
    with pytest.raises(InputError, match="states its own axes"):
        open_omezarr(image(tmp_path / "own.zarr", array, "tzyx", "0.5"), axes="TCYX")


def test_other_files_than_images_raise(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        open_omezarr(tmp_path / "absent.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(FormatError, match="is not a readable Zarr store"):
        open_omezarr(tmp_path / "empty.zarr")
    zarr.create_group(tmp_path / "group.zarr")
    with pytest.raises(FormatError, match="without OME-Zarr image metadata"):
        open_omezarr(tmp_path / "group.zarr")
    zarr.create_group(tmp_path / "plate.zarr").attrs["ome"] = {"version": "0.5", "plate": {}}
    with pytest.raises(FormatError, match="is a multi-well plate without images"):
        open_omezarr(tmp_path / "plate.zarr")
    path = image(tmp_path / "damaged.zarr", np.zeros((3, 4)), "yx", "0.5", multiscale={"datasets": [{"path": "gone"}]})
    with pytest.raises(FormatError, match=r"OME-Zarr metadata of .* cannot be read .*; they are damaged"):
        open_omezarr(path)
    path = image(tmp_path / "angles.zarr", np.zeros((3, 4, 5)), "tyx", "0.4", multiscale={"axes": ["angle", "y", "x"]})
    with pytest.raises(FormatError, match="has an unsupported axis 'angle'"):
        open_omezarr(path)


def test_reading_a_frame_reads_only_its_chunks(tmp_path: Path) -> None:
    array = np.random.default_rng(5).integers(1, 99, (4, 1, 1, 700, 600)).astype(np.uint16)
    path = save_movie(array, tmp_path / "cells.ome.zarr")
    for chunk in (path / "0" / "c").rglob("*"):
        if chunk.is_file() and chunk.relative_to(path / "0" / "c").parts[0] != "2":
            chunk.write_bytes(b"damaged")
    (path / "0" / "c" / "2" / "0" / "0" / "1" / "1").write_bytes(b"damaged")
    movie = open_omezarr(path)
    np.testing.assert_array_equal(movie.region(2, 0, 0, slice(0, 700), slice(10, 512)), array[2, 0, 0, :, 10:512])
    np.testing.assert_array_equal(movie.region(2, 0, 0, slice(0, 512), slice(0, 600)), array[2, 0, 0, :512])
    message = r"frame 2 \(channel 0, slice 0\) of .* cannot be decoded \(the data of chunk c/2/0/0/1/1 are damaged: "
    with pytest.raises(FormatError, match=message):
        movie.frame(2)


@settings(max_examples=10, deadline=None)
@given(movies(TYPES_KEPT, NAMES, max_side=3))
def test_ome_zarr_is_lossless(tmp_path_factory: pytest.TempPathFactory, movie: Movie) -> None:
    path = save_movie(movie, tmp_path_factory.mktemp("zarr") / "cells.ome.zarr")
    assert_same(open_omezarr(path), movie)


def test_saved_files_are_valid_ngff(tmp_path: Path) -> None:
    array = np.random.default_rng(6).integers(0, 4000, (2, 2, 1, 600, 1100)).astype(np.uint16)
    movie = Movie.from_array(
        array, pixel_size_um=(None, 0.1, 0.2), frame_interval_s=1.5, channel_colors=["FF0000", None]
    )
    path = save_movie(movie, tmp_path / "cells.ome.zarr")
    model = v05.Image.from_zarr(zarr.open_group(path, mode="r"))
    (multiscale,) = model.ome_attributes.multiscales
    assert [dataset.path for dataset in multiscale.datasets] == ["0", "1", "2"]
    assert multiscale.datasets[2].coordinateTransformations[0].scale == [1.5, 1.0, 1.0, 0.4, 0.8]
    assert [axis.unit for axis in multiscale.axes] == ["second", None, None, "micrometer", "micrometer"]
    channels = zarr.open_group(path, mode="r").attrs["ome"]["omero"]["channels"]
    assert [channel["color"] for channel in channels] == ["FF0000", "FF00FF"]
    for window in (channel["window"] for channel in channels):
        assert (window["min"], window["max"]) == (0, 65535)
        assert 500 < window["start"] < window["end"] < 3500  # means of 16 pixels of uniform noise


def test_every_level_of_a_pyramid_opens_with_its_pixel_size(tmp_path, rng):
    pixels = rng.integers(0, 4000, (2, 1, 1, 1100, 600), dtype=np.uint16)
    movie = Movie.from_array(pixels, pixel_size_um=(None, 0.2, 0.2), frame_interval_s=2.0)
    path = save_movie(movie, tmp_path / "cells.ome.zarr")
    levels = open_pyramid(path)
    assert len(levels) == level_count(path) > 1
    for number, level in enumerate(levels):
        assert level.shape[3:] == tuple(-(-size // 2**number) for size in (1100, 600))
        assert level.pixel_size_um == pytest.approx((None, 0.2 * 2**number, 0.2 * 2**number))
        assert level.frame_interval_s == 2.0
    np.testing.assert_array_equal(levels[0].frame(1), pixels[1, 0, 0])


def test_open_pyramid_without_a_pyramid_returns_one_level(tmp_path):
    movie = Movie.from_array(np.zeros((2, 8, 9), np.uint16))
    assert len(open_pyramid(save_movie(movie, tmp_path / "cells.ome.tif"))) == 1
    zarr.create_array(tmp_path / "plain.zarr", data=np.ones((8, 9), np.uint8))
    assert len(open_pyramid(tmp_path / "plain.zarr")) == 1


@pytest.mark.parametrize("level", [-1, 9])
def test_level_that_does_not_exist_raises(tmp_path, level):
    path = save_movie(np.zeros((2, 8, 9), np.uint16), tmp_path / "cells.ome.zarr")
    with pytest.raises(InputError, match=rf"level {level} is not in cells\.ome\.zarr, which has \d"):
        open_omezarr(path, level=level)
