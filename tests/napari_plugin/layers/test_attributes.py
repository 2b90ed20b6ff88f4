from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_decrappify.layers.attributes import restored_attributes
from napari_decrappify.layers.image import LayerImage


def test_restored_attributes_cover_the_area_of_the_input(rng):
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


@pytest.mark.parametrize("turned", [{"rotate": 30}, {"shear": [0.5]}, {"affine": [[0, -1, 5], [1, 0, 2], [0, 0, 1]]}])
@pytest.mark.parametrize("scale", [1, 2])
def test_restored_attributes_are_those_of_the_part_of_a_turned_layer(turned, scale):
    layer = Image(np.zeros((40, 50)), scale=(0.4, 0.2), translate=(1, 2), **turned)
    start = {"Y": 10, "X": 20}
    new = restored_attributes(LayerImage.of(layer), axes="YX", scale=scale, start=start)
    part = Image(np.zeros((8 * scale, 9 * scale)), **new)
    for corner in ((0, 0), (8, 9)):  # the edges of the part, not the centers of its pixels
        of_part = np.array(corner) * scale - 0.5
        of_layer = np.array(corner) + np.array((10, 20)) - 0.5
        np.testing.assert_allclose(part.data_to_world(of_part), layer.data_to_world(of_layer))
