from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from decrappify import save_movie
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.plot import compare
from decrappify.plot.panels import levels


@pytest.fixture
def movie(rng):
    return Movie.from_array(
        rng.integers(0, 1000, (3, 2, 1, 40, 60)).astype(np.uint16),
        pixel_size_um=(None, 0.1, 0.1),
        channel_names=["DAPI", "GFP"],
        name="cells",
    )


def gray(axes):
    return axes.images[0].get_array()


def test_compare_draws_a_row_per_frame_with_the_contrast_of_the_chosen_movie(movie):
    brighter = movie.map_planes(lambda *plane: movie.frame(*plane) * 2.0, dtype=np.float32)
    figure = compare(movie, brighter, t=(0, 2), c="GFP", contrast=1, labels=("raw", "twice"))
    assert [axes.get_title() for axes in figure.axes] == ["raw", "twice", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["frame 0", "", "frame 2", ""]
    assert np.array_equal(gray(figure.axes[2]), movie.frame(2, 1))
    expected = np.percentile(brighter.frame(2, 1), (0.5, 99.8))
    for axes in figure.axes[2:]:
        assert axes.images[0].get_clim() == pytest.approx(expected)
    assert figure.axes[0].images[0].get_clim() != figure.axes[2].images[0].get_clim()


def test_compare_draws_a_row_per_channel(movie):
    figure = compare(movie, c=["DAPI", 1])
    assert [axes.get_ylabel() for axes in figure.axes] == ["DAPI", "channel 1"]
    assert np.array_equal(gray(figure.axes[1]), movie.frame(0, 1))


def test_compare_draws_a_scale_bar_only_with_a_pixel_size(movie):
    with_bar, without = compare(movie).axes[0], compare(np.asarray(movie)).axes[0]
    assert [text.get_text() for text in with_bar.texts] == ["1 µm"]
    assert with_bar.patches[0].get_width() == pytest.approx(10)  # of 60 px, 0.1 µm each
    assert not without.patches


def test_compare_scales_a_crop_to_movies_with_more_pixels(movie):
    finer = np.kron(np.asarray(movie)[:, :1], np.ones((2, 2)))
    figure = compare(movie, finer, crop=(10, 20, 8, 12))
    assert np.array_equal(gray(figure.axes[0]), movie.frame(0)[10:18, 20:32])
    assert np.array_equal(gray(figure.axes[1]), finer[0, 0, 0, 20:36, 40:64])
    assert np.array_equal(gray(compare(movie, crop=np.s_[:8, -4:]).axes[0]), movie.frame(0)[:8, -4:])


def test_compare_reads_only_the_displayed_planes(movie):
    read = []

    def plane(t, c, z):
        read.append((t, c, z))
        return movie.frame(t, c, z)

    compare(movie.map_planes(plane), t=1, c=1)
    assert set(read) == {(1, 1, 0)}


def test_compare_draws_color_movies_in_color(rng):
    photograph = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    movie = Movie.from_array(photograph, "YXC", channel_names=("R", "G", "B"))
    assert np.array_equal(gray(compare(movie).axes[0]), photograph)
    assert np.array_equal(gray(compare(movie, c="G").axes[0]), photograph[..., 1])


def test_compare_accepts_paths_and_draws_nan(movie, tmp_path):
    save_movie(movie, tmp_path / "cells.ome.tif")
    with_nan = np.asarray(movie).astype(np.float32)
    with_nan[0, 0, 0, :2] = np.nan
    figure = compare(tmp_path / "cells.ome.tif", with_nan, contrast=1)
    assert np.isfinite(figure.axes[1].images[0].get_clim()).all()


def test_compare_draws_in_the_axes_or_figure_of_the_user(movie):
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert compare(movie, movie, axes=axes) is figure
    assert axes[1].images
    other = Figure()
    parts = other.subfigures(1, 2)
    assert compare(movie, figure=parts[1]) is other
    assert [each.images != [] for each in parts[1].axes] == [True]


def test_compare_returns_a_figure_that_notebooks_display_without_pyplot(movie):
    before = "matplotlib.pyplot" in sys.modules
    assert compare(movie)._repr_png_().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["one", "two"]}, "labels has 2 entries, expected a list of 1, one per movie"),
        ({"labels": "raw"}, "labels has one string, expected a list of 1, one per movie"),
        ({"t": 3}, r"frame 3 is not in cells, which has frames 0 to 2"),
        ({"t": []}, "expected at least one frame"),
        ({"c": "RFP"}, "cells has no channel 'RFP', expected one of 'DAPI', 'GFP'"),
        ({"crop": (0, 0, 0, 5)}, r"crop \(0, 0, 0, 5\) selects no pixels of cells, whose frames have \(40, 60\)"),
        ({"crop": 5}, r"crop is 5, expected \(y, x, height, width\) or two slices"),
        ({"contrast": 1}, "contrast is 1, expected the number of one of 1 movie"),
        ({"contrast": (5, 5)}, r"contrast is \(5, 5\), expected the number of a movie, or two gray levels"),
        ({"axes": []}, "axes has 0 entries, expected matplotlib axes for 1 panel, 1 per row"),
        ({"figure": 3}, "figure is 3, expected a matplotlib Figure or SubFigure"),
    ],
)
def test_compare_states_what_does_not_fit(movie, options, message):
    with pytest.raises(InputError, match=message):
        compare(movie, **options)


def test_compare_states_missing_and_differing_movies(movie):
    with pytest.raises(InputError, match=r"compare\(\) received no movie"):
        compare()
    with pytest.raises(InputError, match="expected the proportions of the"):
        compare(movie, np.zeros((40, 40)), crop=(0, 0, 4, 4))


def test_levels_of_constant_and_empty_images_differ():
    assert levels([np.full((4, 4), 7.0)], 0) == (7.0, 8.0)
    assert levels([np.full((4, 4), np.nan)], 0) == (0.0, 1.0)
