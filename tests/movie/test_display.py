from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from decrappify.errors import FormatError
from decrappify.movie import Movie


def thumbnail(html):
    data = base64.b64decode(re.search(r"data:image/png;base64,([\w+/=]+)", html)[1])
    return Image.open(io.BytesIO(data))


def test_html_states_the_metadata_with_escaped_names():
    movie = Movie.from_array(
        np.zeros((4, 2, 1, 20, 30), np.uint16),
        name="<cells>\x1b",
        pixel_size_um=(None, 0.2, 0.1),
        frame_interval_s=2.5,
        channel_names=["a&b", "GFP"],
        missing={(1, 0, 0)},
    )
    html = movie._repr_html_()
    for text in (
        "&lt;cells&gt;\\x1b",
        "T 4, C 2, Z 1, Y 20, X 30",
        "uint16, 9.6 kB",
        "y 0.2, x 0.1 µm",
        "2.5 s",
        "a&amp;b, GFP",
        "1 plane",
    ):
        assert text in html
    assert "<cells" not in html
    assert "unknown" in Movie.from_array(np.zeros((8, 8)), unitless_spacing={"Y": 0.3})._repr_html_()


def test_html_reads_only_one_frame_that_was_recorded():
    movie = Movie.from_array(np.zeros((4, 2, 1, 20, 30)), missing={(0, 0, 0)})
    read = []

    def plane(t, c, z):
        read.append((t, c, z))
        return np.zeros((20, 30))

    movie.map_planes(plane)._repr_html_()
    assert read == [(0, 1, 0)]


@pytest.mark.parametrize("shape", [(700, 900), (5000, 40), (64, 64), (2, 3)])
def test_html_of_noise_is_small(rng, shape):
    html = Movie.from_array(rng.integers(0, 65536, shape).astype(np.uint16))._repr_html_()
    assert len(html) < 40_000
    assert max(thumbnail(html).size) <= 160


def test_html_reads_the_middle_of_large_frames():
    parts = []

    def region(t, c, z, rows, columns):
        parts.append((rows, columns))
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)

    movie = Movie.from_array(np.zeros((1, 1), np.uint8))
    movie.map_regions(region, shape=(1, 1, 1, 10_000, 20))._repr_html_()
    assert parts == [(slice(2952, 7048), slice(0, 20))]


def test_html_shows_color_movies_in_color_and_small(rng):
    photograph = rng.integers(0, 256, (300, 400, 3)).astype(np.uint8)
    photograph[:, :200] = (200, 0, 0)
    html = Movie.from_array(photograph, "YXC", channel_names=("R", "G", "B"))._repr_html_()
    red, green, _ = thumbnail(html).convert("RGB").getpixel((20, 60))
    assert red > 180
    assert green < 20
    assert len(html) < 40_000


def test_html_states_why_there_is_no_thumbnail():
    def plane(t, c, z):
        raise FormatError("cells.tif is <damaged>")

    movie = Movie.from_array(np.zeros((4, 8, 8)))
    html = movie.map_planes(plane)._repr_html_()
    assert "the first frame cannot be read: cells.tif is &lt;damaged&gt;" in html
    assert "<img" not in html
    assert "no frame was recorded" in movie.replace(missing=set(movie.planes()))._repr_html_()


def test_html_of_nan_and_constant_frames_has_a_thumbnail():
    for value in (np.nan, np.inf, 3.0):
        assert thumbnail(Movie.from_array(np.full((8, 8), value))._repr_html_()).size == (160, 160)
