from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.plot import kymograph


@pytest.fixture
def movie(rng):
    array = rng.integers(0, 1000, (5, 1, 1, 20, 30)).astype(np.uint16)
    return Movie.from_array(array, pixel_size_um=(None, 0.2, 0.2), frame_interval_s=3.0, name="cells")


def drawn(figure, panel=0):
    return figure.axes[panel].images[0].get_array()


@pytest.mark.parametrize(
    ("options", "index"),
    [
        ({}, np.s_[:, 0, 0, 10]),
        ({"y": 4}, np.s_[:, 0, 0, 4]),
        ({"x": 7}, np.s_[:, 0, 0, :, 7]),
        ({"line": ((2, 3), (2, 9))}, np.s_[:, 0, 0, 2, 3:10]),
        ({"line": ((0, 0), (0, 29))}, np.s_[:, 0, 0, 0]),
    ],
)
def test_kymograph_draws_the_pixels_of_a_row_or_column(movie, options, index):
    assert np.allclose(drawn(kymograph(movie, **options)), np.asarray(movie)[index])


def test_kymograph_averages_across_the_line(movie):
    assert np.allclose(drawn(kymograph(movie, y=4, width=3)), np.asarray(movie)[:, 0, 0, 3:6].mean(1))
    assert np.allclose(drawn(kymograph(movie, x=4, width=2, y=None)), movie_columns(movie), atol=1e-3)


def movie_columns(movie):
    """Means of two columns around x = 4: half of columns 3 and 5, and all of column 4."""
    columns = np.asarray(movie)[:, 0, 0].astype(float)
    return (columns[..., 3] + 2 * columns[..., 4] + columns[..., 5]) / 4


def test_kymograph_interpolates_on_an_oblique_line():
    y, x = np.mgrid[:20, :30].astype(float)
    image = drawn(kymograph(np.stack([y + 100 * x] * 2), line=((1, 1), (4, 5))))
    assert np.allclose(image[1], 101 + np.arange(6) * (0.6 + 80))


def test_kymograph_axes_are_in_micrometers_and_seconds_if_known(movie):
    axes = kymograph(movie, line=((1, 1), (4, 5))).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("distance (µm)", "time (s)")
    assert axes.images[0].get_extent() == pytest.approx([-0.1, 1.1, 13.5, -1.5])  # pixel centers at their coordinates
    axes = kymograph(np.asarray(movie), y=3).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (px)", "frame")
    assert axes.images[0].get_extent() == pytest.approx([-0.5, 29.5, 4.5, -0.5])


def test_kymograph_of_several_movies_shares_the_contrast(movie):
    figure = kymograph(movie, np.asarray(movie) * 2, labels=["raw", "twice"], contrast=1)
    assert [axes.get_title() for axes in figure.axes] == ["raw", "twice"]
    assert figure.axes[0].images[0].get_clim() == figure.axes[1].images[0].get_clim()


def test_kymograph_reads_only_the_region_of_the_line(movie):
    read = []

    def region(t, c, z, rows, columns):
        read.append((rows, columns))
        return movie.region(t, c, z, rows, columns)

    kymograph(movie.map_regions(region), y=4, width=3)
    assert set(map(str, read)) == {str((slice(3, 6), slice(0, 30)))}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": 20}, r"the line from \(20.0, 0.0\) to \(20.0, 29.0\) with width 1 is not within cells"),
        ({"y": 0, "width": 3}, "with width 3 is not within cells"),
        ({"y": 1, "x": 1}, "expected only one of y, x and line"),
        ({"line": (1, 2)}, r"line is \(1, 2\), expected its two ends"),
        ({"line": ((1, 1), (1, 1))}, "is shorter than 1 pixel"),
        ({"width": 0}, "width is 0, expected an integer of at least 1"),
    ],
)
def test_kymograph_states_what_does_not_fit(movie, options, message):
    with pytest.raises(InputError, match=message):
        kymograph(movie, **options)
