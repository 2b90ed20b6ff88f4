from __future__ import annotations

import numpy as np
import pytest
import torch
import zarr

from decrappify.errors import InputError
from decrappify.io import open_movie
from decrappify.movie import Movie, axis_letter, parse_axes


@pytest.mark.parametrize(
    "shape",
    [
        (512, 512, 3),
        (512, 512, 4),
        (16, 12, 3),
        (1, 64, 3),
        (480, 640, 1),
        (512, 512, 2),
        (512, 512, 50),
        (512, 512, 150),
        (256, 256, 20),
        (1080, 1920, 100),
        (2048, 512, 5),
        (4, 1, 1, 512, 3),
        (10, 5, 64, 64, 4),
    ],
)
def test_parse_axes_rejects_shapes_of_unlikely_frames(shape):
    unlikely = rf"^array of shape .*: frames of {shape[-2]} x {shape[-1]} pixels are unlikely; "
    with pytest.raises(InputError, match=unlikely) as caught:
        parse_axes(shape)
    assert "\n" not in str(caught.value)
    other = "TZYXC" if len(shape) == 5 else "YXC" if shape[-1] in (3, 4) else "YXT"
    assert f"pass axes={other!r} for " in str(caught.value)
    assert f"or axes={'TCZYX' if len(shape) == 5 else 'TYX'!r} for such frames" in str(caught.value)
    assert parse_axes(shape, other) == other


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((4, 8, 9), "TYX"),
        ((2, 3, 3), "TYX"),
        ((8, 2, 2), "TYX"),
        ((10, 5, 3), "TYX"),
        ((100, 64, 64), "TYX"),
        ((3, 512, 512), "TYX"),
        ((50, 512, 32), "TYX"),  # short movies of narrow frames
        ((2000, 256, 32), "TYX"),  # strips of a fast camera
        ((5000, 1, 512), "TYX"),  # line scans
        ((5000, 8, 16), "TYX"),
        ((512, 3), "YX"),
        ((512, 512), "YX"),
        ((6, 2, 3, 4, 4), "TCZYX"),
        ((2, 1, 3, 512, 64), "TCZYX"),
    ],
)
def test_parse_axes_follows_the_number_of_dimensions_otherwise(shape, axes):
    assert parse_axes(shape) == axes


def test_parse_axes_requires_axes_for_other_numbers_of_dimensions():
    for shape in ((5,), (2, 3, 8, 9), (1, 2, 3, 4, 8, 9)):
        with pytest.raises(InputError, match=r"has \d ax[ie]s; expected .* or pass the axes, such as axes='TCYX'"):
            parse_axes(shape)


def test_parse_axes_converts_samples_to_channels():
    assert parse_axes((8, 9, 3), "yxs") == "YXC"
    for axes in ("CYXS", "YXSS", "YXQ", "TYX", 5):
        with pytest.raises(InputError, match=f"axes={axes!r} does not fit array"):
            parse_axes((8, 9), axes)


def test_parse_axes_uses_known_unique_names_with_y_and_x():
    assert parse_axes((2, 3, 4, 5), names=["Time", "channels", "row", "column"]) == "TCYX"
    assert parse_axes((8, 9, 3), "yxc", names=["t", "y", "x"]) == "YXC"
    for names in (["a", "y", "x"], ["t", "time", "y", "x"], ["t", "c"], ["y", "x"], ["tc", "y", "x"], None, []):
        assert parse_axes((9, 8, 7), names=names) == "TYX"
        with pytest.raises(
            InputError, match=r"^f.tif of shape \(9, 8, 7\) has dimensions .*, expected names .* axes='TCYX'"
        ):
            parse_axes((9, 8, 7), names=names, what="f.tif", is_named=True)
    assert axis_letter(None) == ""


def test_parse_axes_of_a_file_keeps_samples_and_channels():
    assert parse_axes((2, 3, 8, 9, 3), names="TCYXS", is_named=True, with_samples=True) == "TCYXS"


def test_open_movie_requires_axes_for_arrays_of_every_kind(tmp_path, rng):
    pixels = rng.integers(0, 9, (32, 40, 3), dtype=np.uint8)
    stored = zarr.create_array(tmp_path / "plain.zarr", data=pixels)
    for source in (pixels, stored, tmp_path / "plain.zarr"):
        with pytest.raises(InputError, match=r"frames of 40 x 3 pixels are unlikely; pass axes='YXC'"):
            open_movie(source)
        movie = open_movie(source, axes="yxs")
        assert movie.shape == (1, 3, 1, 32, 40)
        np.testing.assert_array_equal(movie.frame(0, 2), pixels[..., 2])


def test_open_movie_uses_dimension_names_of_stored_arrays(tmp_path):
    stored = zarr.create_array(tmp_path / "n.zarr", data=np.ones((32, 40, 3)), dimension_names=["y", "x", "channel"])
    for source in (stored, tmp_path / "n.zarr"):
        assert open_movie(source).shape == (1, 3, 1, 32, 40)
    xarrays = zarr.create_array(
        tmp_path / "x.zarr",
        data=np.ones((32, 40, 3)),
        zarr_format=2,
        attributes={"_ARRAY_DIMENSIONS": ["y", "x", "time"]},
    )
    for source in (xarrays, tmp_path / "x.zarr"):
        assert open_movie(source).shape == (3, 1, 1, 32, 40)
    assert Movie.from_array(stored, "TYX").shape == (32, 1, 1, 40, 3)


def test_open_movie_rejects_tensors_and_masked_pixels():
    with pytest.raises(
        InputError, match=r"^a Tensor of dtype torch.float32 is not an array that NumPy can read; convert"
    ):
        open_movie(torch.zeros(3, 8, 9))
    masked = np.ma.masked_array(np.ones((3, 8, 9)), mask=False)
    assert open_movie(masked).frame(1).sum() == 72
    masked[1, 2, 3] = np.ma.masked
    with pytest.raises(InputError, match=r"^array has masked pixels; fill them"):
        open_movie(masked)
