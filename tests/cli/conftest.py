from __future__ import annotations

import numpy as np
import pytest

from decrappify.io import save_movie
from decrappify.movie import Movie


@pytest.fixture
def cells(tmp_path, rng):
    """A file of 12 frames, 2 channels and 40 x 48 pixels, with its pixel size."""
    frames = rng.integers(100, 900, (12, 2, 1, 40, 48), dtype=np.uint16)
    movie = Movie.from_array(
        frames, pixel_size_um=(None, 0.2, 0.2), frame_interval_s=1.5, channel_names=["GFP", "488"], name="cells"
    )
    return save_movie(movie, tmp_path / "cells.tif")
