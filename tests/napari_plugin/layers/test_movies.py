from __future__ import annotations

import numpy as np
import pytest
from tests.napari_plugin.layers.conftest import as_layers

from decrappify import Movie
from napari_decrappify.layers.image import METADATA, LayerImage


def test_layers_of_returns_a_calibrated_layer_per_channel(movie):
    actin, nuclei = as_layers(movie)
    assert (actin.name, nuclei.name) == ("cells · actin", "cells · nuclei")
    assert actin.axis_labels == ("t", "z", "y", "x")
    np.testing.assert_allclose(actin.scale, (2.5, 0.5, 0.2, 0.1))
    assert [str(unit) for unit in actin.units] == ["second", *["micrometer"] * 3]
    np.testing.assert_allclose(actin.colormap.colors[-1], (0, 1, 0, 1))
    assert nuclei.colormap.name == "gray"
    assert actin.blending == "additive"
    np.testing.assert_array_equal(nuclei.data[4, 2].compute(), movie.frame(4, 1, 2))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_layers_of_channels_without_colors_are_distinguishable(count):
    layers = as_layers(Movie.from_array(np.zeros((count, 8, 9), np.uint16), "CYX"))
    colors = {tuple(layer.colormap.colors[-1]) for layer in layers}
    assert len(colors) == count
    assert {layer.blending for layer in layers} == {"additive"}
    assert as_layers(Movie.from_array(np.zeros((8, 9), np.uint16)))[0].colormap.name == "gray"


def test_layers_of_omits_axes_of_length_one_and_unknown_sizes():
    (layer,) = as_layers(Movie.from_array(np.zeros((8, 9), np.uint8)))
    assert (layer.axis_labels, layer.ndim) == (("y", "x"), 2)
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
    assert LayerImage.of(layer).movie().pixel_size_um == (None, None, None)


def test_layers_of_converts_a_color_image_to_an_rgb_layer(rng):
    pixels = rng.integers(0, 255, (2, 3, 1, 8, 9), dtype=np.uint8)
    (layer,) = as_layers(Movie.from_array(pixels, channel_names=("R", "G", "B")))
    assert layer.rgb
    image = LayerImage.of(layer)
    assert (image.axes, image.is_rgb) == ("TYXC", True)
    np.testing.assert_array_equal(np.asarray(image.movie()), pixels)


def test_unitless_scale_is_kept_in_both_directions():
    spacing = {"T": 5.0, "Z": 2.0, "Y": 0.3, "X": 0.4}
    (layer,) = as_layers(Movie.from_array(np.zeros((2, 1, 3, 8, 9), np.uint8), unitless_spacing=spacing))
    np.testing.assert_allclose(layer.scale, (5, 2, 0.3, 0.4))
    assert {str(unit) for unit in layer.units} == {"pixel"}
    assert LayerImage.of(layer).movie().unitless_spacing == spacing
    layer.units = ("s", "pixel", "um", "pixel")
    movie = LayerImage.of(layer).movie()
    assert (movie.frame_interval_s, movie.pixel_size_um) == (5.0, (None, 0.3, None))
    assert movie.unitless_spacing == {"Z": 2.0, "X": 0.4}


def test_layers_of_records_the_source(movie):
    layer = as_layers(movie, path="cells.czi", scene=1)[1]
    recorded = layer.metadata[METADATA]
    assert (recorded["path"], recorded["scene"], recorded["channel"]) == ("cells.czi", 1, 1)
    assert recorded["channel_name"] == "nuclei"
