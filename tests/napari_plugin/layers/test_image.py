from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels

from decrappify import Movie
from decrappify.errors import InputError
from napari_decrappify.layers.image import METADATA, LayerImage, axes_of, layers_of, restored_attributes
from napari_decrappify.layers.units import factor_to


@pytest.fixture
def movie(rng):
    return Movie.from_array(
        rng.integers(0, 4000, (5, 2, 3, 16, 20), dtype=np.uint16),
        name="cells",
        pixel_size_um=(0.5, 0.2, 0.1),
        frame_interval_s=2.5,
        channel_names=("actin", "nuclei"),
        channel_colors=("00FF00", None),
    )


def as_layers(movie, **recorded):
    return [Image(data, **attributes) for data, attributes, _ in layers_of([movie], **recorded)]


def test_a_movie_becomes_a_layer_per_channel_with_its_calibration(movie):
    actin, nuclei = as_layers(movie)
    assert (actin.name, nuclei.name) == ("cells · actin", "cells · nuclei")
    assert actin.axis_labels == ("t", "z", "y", "x")
    np.testing.assert_allclose(actin.scale, (2.5, 0.5, 0.2, 0.1))
    assert [str(unit) for unit in actin.units] == ["second", *["micrometer"] * 3]
    np.testing.assert_allclose(actin.colormap.colors[-1], (0, 1, 0, 1))
    assert nuclei.colormap.name == "gray"
    assert actin.blending == "additive"
    np.testing.assert_array_equal(nuclei.data[4, 2].compute(), movie.frame(4, 1, 2))


def test_a_layer_becomes_the_movie_it_came_from(movie):
    for channel, layer in enumerate(as_layers(movie)):
        with LayerImage.of(layer).movie() as back:
            assert back.shape == (5, 1, 3, 16, 20)
            assert back.pixel_size_um == pytest.approx((0.5, 0.2, 0.1))
            assert (back.frame_interval_s, back.dtype) == (2.5, np.uint16)
            assert back.channel_names == (movie.channel_names[channel],)
            np.testing.assert_array_equal(back.frame(3, 0, 1), movie.frame(3, channel, 1))


def test_axes_of_length_one_and_unknown_sizes_are_left_out():
    (layer,) = as_layers(Movie.from_array(np.zeros((8, 9), np.uint8)))
    assert (layer.axis_labels, layer.ndim) == (("y", "x"), 2)
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
    assert LayerImage.of(layer).movie().pixel_size_um == (None, None, None)


def test_a_colour_picture_is_one_rgb_layer_and_comes_back(rng):
    pixels = rng.integers(0, 255, (2, 3, 1, 8, 9), dtype=np.uint8)
    (layer,) = as_layers(Movie.from_array(pixels, channel_names=("R", "G", "B")))
    assert layer.rgb
    image = LayerImage.of(layer)
    assert (image.axes, image.is_rgb) == ("TYXC", True)
    np.testing.assert_array_equal(np.asarray(image.movie()), pixels)


def test_scale_and_units_are_those_that_the_layer_has_now(movie):
    layer = as_layers(movie)[0]
    layer.units = ("minute", "nanometer", "nanometer", "nanometer")
    layer.scale = (2, 300, 100, 100)
    back = LayerImage.of(layer).movie()
    assert back.frame_interval_s == pytest.approx(120)
    assert back.pixel_size_um == pytest.approx((0.3, 0.1, 0.1))


def test_changed_data_is_not_read_from_the_file_again(movie, tmp_path):
    layer = as_layers(movie, path=str(tmp_path))[0]
    layer.data = layer.data + 1
    np.testing.assert_array_equal(LayerImage.of(layer).movie().frame(2, 0, 1), movie.frame(2, 0, 1) + 1)


@pytest.mark.parametrize(
    ("shape", "labels", "given", "expected"),
    [
        ((5, 8, 9), None, None, "TYX"),
        ((5, 8, 9), ("z", "y", "x"), None, "ZYX"),
        ((5, 8, 9), ("z", "y", "x"), "TYX", "TYX"),
        ((5, 3, 8, 9), ("axis -4", "axis -3", "y", "x"), None, "TZYX"),
        ((2, 5, 3, 8, 9), None, None, "TCZYX"),
    ],
)
def test_axes_come_from_the_choice_the_labels_or_the_count(shape, labels, given, expected):
    assert axes_of(np.zeros(shape), {"axis_labels": labels}, given) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"scale": (2, 0.3, 0.3)}, "ZYX"),
        ({"scale": (2, 0.3, 0.3), "units": ("pixel",) * 3}, "ZYX"),
        ({"scale": (1, 0.3, 0.3), "units": ("um",) * 3}, "ZYX"),
        ({"scale": (2, 0.3, 0.3), "units": ("s", "um", "um")}, "TYX"),
        ({"scale": (1, 0.3, 0.3)}, "TYX"),
        ({"scale": (2, 0.3, 0.3), "axis_labels": ("time", "y", "x")}, "TYX"),
        ({"scale": (2, 0.3, 0.3), "axis_labels": ("axis -3", "axis -2", "axis -1")}, "ZYX"),
        ({"axis_labels": ("channel", "y", "x")}, "CYX"),
    ],
)
def test_axes_without_labels_follow_scale_and_units(attributes, expected):
    assert axes_of(np.zeros((5, 8, 9)), attributes) == expected


def test_a_scale_without_units_survives_from_movie_to_layer_and_back():
    spacing = {"T": 5.0, "Z": 2.0, "Y": 0.3, "X": 0.4}
    (layer,) = as_layers(Movie.from_array(np.zeros((2, 1, 3, 8, 9), np.uint8), unitless_spacing=spacing))
    np.testing.assert_allclose(layer.scale, (5, 2, 0.3, 0.4))
    assert {str(unit) for unit in layer.units} == {"pixel"}
    assert LayerImage.of(layer).movie().unitless_spacing == spacing
    layer.units = ("s", "pixel", "um", "pixel")
    movie = LayerImage.of(layer).movie()
    assert (movie.frame_interval_s, movie.pixel_size_um) == (5.0, (None, 0.3, None))
    assert movie.unitless_spacing == {"Z": 2.0, "X": 0.4}


@pytest.mark.parametrize(
    ("attributes", "axes"), [({}, "XY"), ({"axis_labels": ("y", "x", "t")}, None), ({"rgb": True}, "CYX"), ({}, "YX")]
)
def test_axes_that_do_not_fit_are_refused(attributes, axes):
    with pytest.raises(InputError, match=r"layer 'image' of shape \(4, 5, 3\) does not fit the axes"):
        axes_of(np.zeros((4, 5, 3)), attributes, axes)


def test_other_kinds_of_layers_are_refused():
    with pytest.raises(InputError, match="layer 'cells' is of kind 'labels', needs an image layer"):
        LayerImage.of(Labels(np.zeros((4, 4), int), name="cells"))


def test_a_restored_layer_covers_the_same_place(rng):
    layer = Image(
        rng.random((5, 16, 20)), scale=(2, 0.4, 0.2), translate=(10, 1, 2), units=("s", "um", "um"), colormap="magma"
    )
    new = restored_attributes(LayerImage.of(layer), axes="TYX", scale=2, start={"T": 3})
    restored = Image(np.zeros((2, 32, 40)), **new)
    np.testing.assert_allclose(restored.scale, (2, 0.2, 0.1))
    np.testing.assert_allclose(restored.translate, (16, 0.9, 1.95))
    half_old, half_new = layer.scale[1:] / 2, restored.scale[1:] / 2
    np.testing.assert_allclose(restored.translate[1:] - half_new, layer.translate[1:] - half_old)
    assert restored.colormap.name == "magma"
    assert restored.units == layer.units
    np.testing.assert_allclose(restored.contrast_limits, layer.contrast_limits)


def test_metadata_says_where_the_layer_came_from(movie):
    layer = as_layers(movie, path="cells.czi", scene=1)[1]
    recorded = layer.metadata[METADATA]
    assert (recorded["path"], recorded["scene"], recorded["channel"]) == ("cells.czi", 1, 1)
    assert recorded["channel_name"] == "nuclei"


@pytest.mark.parametrize(
    ("unit", "target", "factor"),
    [("um", "micrometer", 1), ("hour", "second", 3600), ("second", "micrometer", None), ("nonsense", "second", None)],
)
def test_factors_between_units(unit, target, factor):
    assert factor_to(unit, target) == (None if factor is None else pytest.approx(factor))
