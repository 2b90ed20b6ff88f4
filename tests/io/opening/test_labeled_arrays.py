from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.io import open_movie, save_movie, scenes
from decrappify.io.opening.labeled_arrays import is_labeled_array
from decrappify.movie import Movie

xr = pytest.importorskip("xarray")

UM = {"units": "um"}


def labeled(dims: Any, shape: tuple[int, ...], coords: dict[str, Any] | None = None, **attrs: Any) -> Any:
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return xr.DataArray(pixels, dims=dims, coords=coords, attrs=attrs)


@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        (("time", "channel", "z", "y", "x"), "TCZYX"),
        (("T", "C", "Z", "Y", "X"), "TCZYX"),
        (("x", "y", "Time"), "XYT"),
        (("frames", "rows", "columns"), "TYX"),
        (("z", "y", "x"), "ZYX"),
        (("y", "x"), "YX"),
        (("plane", "height", "width", "band"), "ZYXC"),
    ],
)
def test_dimensions_are_read_by_their_names(dims: tuple[str, ...], axes: str) -> None:
    array = labeled(dims, (4, 5, 6, 7, 8)[: len(dims)])
    movie, expected = open_movie(array), Movie.from_array(array.values, axes)
    assert movie.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(movie), np.asarray(expected))
    np.testing.assert_array_equal(np.asarray(Movie.from_array(array)), np.asarray(expected))


def test_unnamed_dimensions_are_read_by_their_number_and_unknown_ones_raise() -> None:
    assert open_movie(xr.DataArray(np.zeros((5, 8, 9)))).shape == (5, 1, 1, 8, 9)
    with pytest.raises(InputError, match=r"frames of 64 x 3 pixels are unlikely; pass axes='YXC'"):
        open_movie(xr.DataArray(np.zeros((64, 64, 3))))
    with pytest.raises(InputError, match=r"has dimensions angle, y, x, expected names such as time"):
        open_movie(labeled(("angle", "y", "x"), (5, 8, 9)))
    with pytest.raises(InputError, match=r"has dimensions T, time, y, x"):
        open_movie(labeled(("T", "time", "y", "x"), (2, 5, 8, 9)))
    assert open_movie(labeled(("angle", "y", "x"), (5, 8, 9)), axes="ZYX").shape == (1, 1, 5, 8, 9)
    assert open_movie(labeled(("scene", "t", "y", "x"), (1, 5, 8, 9))).shape == (5, 1, 1, 8, 9)
    with pytest.raises(InputError, match="axes='TYX' does not fit array"):
        open_movie(labeled(("y", "x"), (8, 9)), axes="TYX")


def test_color_samples_become_channels() -> None:
    array = labeled(("t", "c", "y", "x", "S"), (2, 1, 5, 6, 4))
    movie = open_movie(array)
    assert (movie.shape, movie.channel_names) == ((2, 3, 1, 5, 6), ("R", "G", "B"))
    np.testing.assert_array_equal(movie.frame(1, 2), array.values[1, 0, :, :, 2])


def test_coordinates_with_units_are_read() -> None:
    coords = {
        "t": ("t", np.arange(4) * 500.0 + 9, {"units": "ms"}),
        "z": ("z", [10.0, 9.5, 9.0], {"units": "micrometers"}),
        "y": ("y", np.arange(8) * 65, {"unit": "nm"}),
        "x": ("x", np.linspace(0, 0.8, 9), UM),
        "c": ["DAPI", "GFP"],
    }
    movie = open_movie(labeled(("t", "c", "z", "y", "x"), (4, 2, 3, 8, 9), coords))
    assert movie.frame_interval_s == 0.5
    assert movie.pixel_size_um == pytest.approx((0.5, 0.065, 0.1), rel=1e-12)
    assert movie.channel_names == ("DAPI", "GFP")
    assert movie.unitless_spacing == {}


@pytest.mark.parametrize("dtype", ["datetime64[ms]", "timedelta64[ms]"])
def test_datetime_coordinates_are_read(dtype: str) -> None:
    times = (np.array([0, 2010, 3990, 6000]) + 5).astype(dtype)
    movie = open_movie(labeled(("time", "y", "x"), (4, 8, 9), {"time": times}))
    assert movie.frame_interval_s == 2.0
    assert movie.unitless_spacing == {}


def test_coordinates_without_units_are_unitless_spacing() -> None:
    coords = {"t": np.arange(4) * 5, "z": np.arange(3) * 2.0, "y": np.arange(8), "x": np.linspace(0, 2.4, 9)}
    movie = open_movie(labeled(("t", "z", "y", "x"), (4, 3, 8, 9), coords))
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, None, None), None)
    assert movie.unitless_spacing == pytest.approx({"T": 5.0, "Z": 2.0, "X": 0.3})


def test_uneven_coordinates_have_no_spacing() -> None:
    coords = {"t": ("t", [0.0, 1.0, 5.0, 6.0], {"units": "s"}), "x": ("x", np.arange(9) ** 2, UM)}
    movie = open_movie(labeled(("t", "y", "x"), (4, 8, 9), coords))
    assert (movie.pixel_size_um, movie.frame_interval_s, movie.unitless_spacing) == ((None, None, None), None, {})


@pytest.mark.parametrize(
    ("attrs", "size", "interval", "unitless"),
    [
        ({"pixel_size_um": 0.1, "frame_interval_s": 2}, (None, 0.1, 0.1), 2.0, {}),
        ({"pixel_size": (0.5, 0.1, 0.2), "units": "um"}, (0.5, 0.1, 0.2), None, {}),
        ({"pixel_size": {"y": 100, "x": 200, "z": 500}, "pixel_size_unit": "nm"}, (0.5, 0.1, 0.2), None, {}),
        ({"spacing": [0.1, 0.2], "unit": "micron"}, (None, 0.1, 0.2), None, {}),
        ({"scale": [3, 0.5, 0.1, 0.2], "units": {"t": "s", "z": "um", "y": "um", "x": "um"}}, (0.5, 0.1, 0.2), 3.0, {}),
        ({"scale": [3, 0.5, 0.1, 0.2]}, (None, None, None), None, {"T": 3.0, "Z": 0.5, "Y": 0.1, "X": 0.2}),
        ({"PhysicalSizeX": 0.2, "PhysicalSizeY": 100, "PhysicalSizeYUnit": "nm"}, (None, 0.1, 0.2), None, {}),
        ({"time_interval_ms": 250, "units": "counts"}, (None, None, None), 0.25, {}),
        ({"finterval": 2.5, "units": "counts"}, (None, None, None), None, {"T": 2.5}),
        ({"pixel_size_um": "unknown", "spacing": [1, 2, 3, 4, 5, 6], "scale": -1}, (None, None, None), None, {}),
    ],
)
def test_attributes_in_common_use_are_read(attrs: Any, size: Any, interval: Any, unitless: Any) -> None:
    movie = open_movie(labeled(("t", "z", "y", "x"), (4, 3, 8, 9), **attrs))
    assert (movie.pixel_size_um, movie.frame_interval_s, movie.unitless_spacing) == (size, interval, unitless)


@pytest.mark.parametrize(
    "attrs", [{"channel_names": ["DAPI", "GFP"]}, {"channels": [{"label": "DAPI"}, {"name": "GFP"}]}]
)
def test_channel_names_of_the_attributes_are_read(attrs: Any) -> None:
    assert open_movie(labeled(("c", "y", "x"), (2, 8, 9), **attrs)).channel_names == ("DAPI", "GFP")
    assert open_movie(labeled(("c", "y", "x"), (2, 8, 9), channels=["one"])).channel_names == ("C0", "C1")


def test_lazy_array_stays_lazy() -> None:
    loaded: list[Any] = []

    def block(block_info: Any = None) -> np.ndarray:
        loaded.append(block_info[None]["chunk-location"])
        return np.full((1, 8, 9), 7, np.uint16)

    lazy = da.map_blocks(block, chunks=((1,) * 4, (8,), (9,)), dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16))
    movie = open_movie(xr.DataArray(lazy, dims=("time", "y", "x"), attrs={"pixel_size_um": 0.1}))
    assert loaded == []
    assert movie.frame(2)[0, 0] == 7
    assert loaded == [(2, 0, 0)]


def test_scale_of_an_array_is_saved(tmp_path: Any) -> None:
    array = labeled(("t", "z", "y", "x"), (4, 3, 8, 9), scale=[3, 0.5, 0.1, 0.2], units={"y": "um", "x": "um"})
    movie = open_movie(save_movie(array, tmp_path / "cells.ome.zarr"))
    assert movie.pixel_size_um == (None, 0.1, 0.2)
    assert movie.unitless_spacing == {"T": 3.0, "Z": 0.5}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_array_of_bioio_is_read(tmp_path: Any) -> None:
    bioio = pytest.importorskip("bioio")
    pixels = np.zeros((3, 2, 4, 8, 9), np.uint16)
    movie = Movie.from_array(pixels, pixel_size_um=(0.5, 0.1, 0.2), frame_interval_s=2, channel_names=["a", "b"])
    image = bioio.BioImage(save_movie(movie, tmp_path / "cells.ome.tif"))
    found = open_movie(image.xarray_dask_data)
    assert found.shape == movie.shape
    assert found.pixel_size_um == pytest.approx((0.5, 0.1, 0.2))
    assert (found.frame_interval_s, found.channel_names) == (2.0, ("a", "b"))
    strided = open_movie(image.xarray_dask_data[::2, :, :, ::2])
    assert strided.pixel_size_um == pytest.approx((0.5, 0.2, 0.2))
    assert strided.frame_interval_s == 4.0


def test_other_arrays_are_not_labeled_arrays() -> None:
    assert scenes(labeled(("y", "x"), (8, 9))) == ["scene 0"]
    assert not is_labeled_array(np.zeros((3, 4)))
    assert not is_labeled_array(da.zeros((3, 4)))
    assert not is_labeled_array(Movie.from_array(np.zeros((3, 4))))
