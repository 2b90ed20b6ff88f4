from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from tests.napari_plugin.layers.conftest import as_layers

from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerImage


def test_layer_image_movie_returns_the_movie_of_the_layer(movie):
    for channel, layer in enumerate(as_layers(movie)):
        with LayerImage.of(layer).movie() as found:
            assert found.shape == (5, 1, 3, 16, 20)
            assert found.pixel_size_um == pytest.approx((0.5, 0.2, 0.1))
            assert (found.frame_interval_s, found.dtype) == (2.5, np.uint16)
            assert found.channel_names == (movie.channel_names[channel],)
            np.testing.assert_array_equal(found.frame(3, 0, 1), movie.frame(3, channel, 1))


def test_layer_image_uses_current_scale_and_units(movie):
    layer = as_layers(movie)[0]
    layer.units = ("minute", "nanometer", "nanometer", "nanometer")
    layer.scale = (2, 300, 100, 100)
    found = LayerImage.of(layer).movie()
    assert found.frame_interval_s == pytest.approx(120)
    assert found.pixel_size_um == pytest.approx((0.3, 0.1, 0.1))


def test_layer_image_uses_changed_data_instead_of_the_file(movie, tmp_path):
    layer = as_layers(movie, path=str(tmp_path))[0]
    layer.data = layer.data + 1
    np.testing.assert_array_equal(LayerImage.of(layer).movie().frame(2, 0, 1), movie.frame(2, 0, 1) + 1)


def test_layer_image_raises_for_other_layers():
    with pytest.raises(InputError, match="layer 'cells' is of kind 'labels', expected an image layer"):
        LayerImage.of(Labels(np.zeros((4, 4), int), name="cells"))


def test_layer_image_of_a_mirrored_layer_has_positive_pixel_sizes():
    layer = Image(np.zeros((3, 8, 9)), scale=(2, -0.5, 0.25), units=("s", "um", "pixel"))
    with LayerImage.of(layer).movie() as movie:
        assert movie.pixel_size_um == (None, 0.5, None)
        assert movie.unitless_spacing == {"X": 0.25}
