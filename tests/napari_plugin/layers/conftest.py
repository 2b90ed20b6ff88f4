"""A movie of several axes and its napari layers."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from decrappify import Movie
from napari_decrappify.layers.movies import layers_of


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
