from __future__ import annotations

import numpy as np
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
