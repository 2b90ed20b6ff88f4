from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from tests.io.formats.omezarr.zarr_files import image

from decrappify.io import open_movie, open_pyramid, save_movie
from decrappify.io.formats.omezarr.reading.open import open_omezarr
from decrappify.movie import Movie

UM = {"z": "micrometer", "y": "micrometer", "x": "micrometer", "t": "second"}
UNKNOWN = (None, None, None)


def zyx(path: Path, own: Any, shared: Any = None, units: dict[str, Any] = UM, version: str = "0.4") -> Path:
    """Write a ZYX image with coordinate transformations of its only level (`own`) and of the image (`shared`)."""
    multiscale: dict[str, Any] = {"datasets": [{"path": "full"}]}
    if own is not None:
        multiscale["datasets"][0]["coordinateTransformations"] = own
    if shared is not None:
        multiscale["coordinateTransformations"] = shared
    return image(path / "cells.zarr", np.zeros((2, 8, 9), np.uint8), "zyx", version, units=units, multiscale=multiscale)


def scale(*numbers: Any) -> list[dict[str, Any]]:
    return [{"type": "scale", "scale": list(numbers)}]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("unit", [None, "", "pixel", "furlong", 7])
def test_scale_without_a_length_unit_is_kept_as_unitless_spacing(tmp_path: Path, version: str, unit: Any) -> None:
    units = {} if unit is None else dict.fromkeys("zyx", unit)
    movie = open_omezarr(zyx(tmp_path, scale(2.0, 0.3, 1.0), units=units, version=version))
    assert movie.pixel_size_um == UNKNOWN
    assert movie.unitless_spacing == {"Z": 2.0, "Y": 0.3}  # exactly 1 is the same as unknown


def test_scale_without_units_is_saved_without_units(tmp_path: Path) -> None:
    array = np.zeros((2, 1, 1, 8, 520), np.uint16)
    path = image(tmp_path / "in.zarr", array, "tczyx", "0.4", scale=[5.0, 1.0, 2.0, 0.3, 0.3])
    output = save_movie(path, tmp_path / "out.ome.zarr")
    (multiscale,) = zarr.open_group(output, mode="r").attrs["ome"]["multiscales"]
    assert all("unit" not in axis for axis in multiscale["axes"])
    assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"] == [5.0, 1.0, 2.0, 0.3, 0.3]
    fine, coarse = open_pyramid(output)
    assert fine.unitless_spacing == {"T": 5.0, "Z": 2.0, "Y": 0.3, "X": 0.3}
    assert coarse.unitless_spacing == {"T": 5.0, "Z": 2.0, "Y": 0.6, "X": 0.6}


def test_spacing_is_unitless_on_axes_without_a_unit_only(tmp_path: Path) -> None:
    movie = open_omezarr(zyx(tmp_path, scale(2.0, 0.3, 0.3), units={"y": "nanometer", "x": "micrometer"}))
    assert movie.pixel_size_um == (None, pytest.approx(0.0003), 0.3)
    assert movie.unitless_spacing == {"Z": 2.0}


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        (scale(1.0, 1.0, 1.0), scale(0.1625, 0.1625), UNKNOWN),  # one value too few
        (scale(1, 1, 1), scale(1, 1, 0.1625, 0.1625), UNKNOWN),
        (scale(2.0, 0.2, 0.2), scale(0.1625, 0.1625), (2.0, 0.2, 0.2)),  # the scale of the level
        (scale(1.0, 0.2, 0.2), scale(), (None, 0.2, 0.2)),
        (scale(0.2, 0.2), None, UNKNOWN),
        (scale(0.2, 0.2), scale(1.0, 0.5, 0.5), UNKNOWN),
        (scale(1.0, 1.0, 1.0), [{"type": "scale", "scale": "0.2"}], UNKNOWN),
        (scale(1.0, 1.0, 1.0), [{"type": "scale", "path": "scales"}], UNKNOWN),
        (scale(1.0, 1.0, 1.0), ["scale"], UNKNOWN),
        (scale(1.0, 1.0, 1.0), {"type": "scale"}, UNKNOWN),
        (scale(1.0, 1.0, 1.0), [{"type": "affine", "affine": [[1]]}], UNKNOWN),
        (scale(1.0, 1.0, 1.0), scale(0, 0.2, 0.2), (None, 0.2, 0.2)),
        (scale(-1.0, 0.2, None), None, (None, 0.2, None)),
        (scale(float("nan"), 0.2, True), None, (None, 0.2, None)),
    ],
)
def test_invalid_scale_is_ignored_with_a_warning(tmp_path: Path, own: Any, shared: Any, expected: Any) -> None:
    path = zyx(tmp_path, own, shared)
    with pytest.warns(UserWarning, match=r"cells\.zarr has .*; th(is is|ese are) ignored, known spacing"):
        movie = open_movie(path)
    assert movie.pixel_size_um == expected
    assert movie.unitless_spacing == {}


def test_warning_names_the_invalid_scales_of_all_axes(tmp_path: Path) -> None:
    path = zyx(tmp_path, scale(0, 0.2, -1), None)
    with pytest.warns(UserWarning, match="a scale of 0 along Z, a scale of -1 along X; these are ignored"):
        open_movie(path)


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        (None, None, UNKNOWN),  # no scale, and a unit alone is not a size
        ([{"type": "identity"}], None, UNKNOWN),
        ([{"type": "translation", "translation": [5, 6, 7]}], None, UNKNOWN),
        ([*scale(0.5, 0.1, 0.1), {"type": "translation", "translation": [5, 6, 7]}], None, (0.5, 0.1, 0.1)),
        ([{"type": "identity"}], scale(0.5, 0.1, 0.1), (0.5, 0.1, 0.1)),
        (scale(1, 1, 1), None, (1.0, 1.0, 1.0)),  # 1 um, as stated
        (scale(1, 2, 2), scale(0.5, 0.1, 0.1), (0.5, 0.2, 0.2)),
        (scale(1, 2, 2), [], (1.0, 2.0, 2.0)),
    ],
)
def test_valid_transformations_set_the_pixel_size(tmp_path: Path, own: Any, shared: Any, expected: Any) -> None:
    path = zyx(tmp_path, own, shared)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_movie(path).pixel_size_um == expected


def test_relative_levels_with_an_invalid_global_scale_have_no_pixel_size(tmp_path: Path) -> None:
    path = image(tmp_path / "cells.zarr", np.zeros((8, 8), np.uint8), "yx", "0.4", units=UM)
    store = zarr.open_group(path, mode="r+")
    store.create_array("half", data=np.ones((4, 4), np.uint8))
    levels = [
        {"path": "full", "coordinateTransformations": scale(1, 1)},
        {"path": "half", "coordinateTransformations": scale(2, 2)},
    ]
    (multiscale,) = store.attrs["multiscales"]
    store.attrs["multiscales"] = [multiscale | {"datasets": levels, "coordinateTransformations": scale(0.2)}]
    with pytest.warns(UserWarning, match="a scale of 1 numbers for 2 axes"):
        assert [level.pixel_size_um for level in open_pyramid(path)] == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("axes", [None, ["t", "c", "z", "y", "x"]])
def test_images_of_the_first_versions_have_axes_tczyx(tmp_path: Path, axes: Any) -> None:
    more = {"axes": axes} if axes else {}
    path = image(
        tmp_path / "cells.zarr",
        np.zeros((2, 1, 3, 4, 5), np.uint8),
        "tczyx",
        "0.4",
        multiscale={"version": "0.1", "datasets": [{"path": "full"}], **more},
    )
    if axes is None:
        store = zarr.open_group(path, mode="r+")
        (multiscale,) = store.attrs["multiscales"]
        store.attrs["multiscales"] = [{key: value for key, value in multiscale.items() if key != "axes"}]
    movie = open_omezarr(path)
    assert (movie.shape, movie.pixel_size_um, movie.unitless_spacing) == ((2, 1, 3, 4, 5), UNKNOWN, {})


def test_axes_with_full_names_are_read(tmp_path: Path) -> None:
    axes = [{"name": "time", "type": "time"}, {"name": "Channel"}, {"name": "row"}, {"name": "column"}]
    path = image(tmp_path / "c.zarr", np.zeros((2, 3, 4, 5), np.uint8), "tcyx", "0.4", multiscale={"axes": axes})
    assert open_omezarr(path).shape == (2, 3, 1, 4, 5)


def test_missing_planes_are_saved_and_read(tmp_path: Path) -> None:
    movie = Movie.from_array(np.ones((3, 2, 2, 8, 9), np.uint16), missing={(2, 0, 1), (2, 1, 1)})
    path = save_movie(movie, tmp_path / "cells.ome.zarr")
    assert open_movie(path).missing == {(2, 0, 1), (2, 1, 1)}
    assert open_movie(path, channel=1).missing == {(2, 0, 1)}
    assert open_movie(save_movie(open_movie(path), tmp_path / "again.ome.zarr")).missing == movie.missing


def test_real_files_without_units_and_with_a_short_scale_are_read(real_data: Path) -> None:
    folder = real_data / "awkward" / "ome_zarr"
    if not folder.exists():
        pytest.skip("the files of awkward/ome_zarr are not available")
    assert open_movie(folder / "nounits.zarr").unitless_spacing == {"T": 5.0, "Z": 2.0, "Y": 0.3, "X": 0.3}
    with pytest.warns(UserWarning, match="a scale of 3 numbers for 4 axes"):
        assert open_movie(folder / "shortglobal.zarr").pixel_size_um == UNKNOWN
