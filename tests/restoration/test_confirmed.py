"""Confirmed resolution of restorations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import decrappify as dc
from decrappify.errors import InputError
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel

NOISE = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-200.0), levels=(100, 180))
ON_CPU = dc.InferenceOptions(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def identity(tiny_models):
    """A model of 3 frames that returns the middle one."""
    return load_model(tiny_models["movie"])


def test_confirmed_resolution_of_structure_and_of_noise(identity, rng):
    field = gaussian_filter(rng.standard_normal((64, 64)), 1.5)
    signal = 40 + 8 * field / field.std()
    photons = np.stack([rng.poisson(np.tile(signal, (4, 1, 1))), rng.poisson(40.0, (4, 64, 64))], axis=1)
    movie = Movie.from_array(
        (2 * photons + 100).astype(np.uint16)[:, :, None],
        channel_names=["cells", "empty"],
        pixel_size_um=(None, 0.1, 0.2),
    )
    cells, empty = dc.confirmed_resolution(movie, identity, [NOISE, NOISE], inference=ON_CPU)
    assert (cells.channel, cells.n_planes) == ("cells", 4)
    assert 2 < cells.raw_px < 10
    assert cells.px == pytest.approx(cells.raw_px, rel=0.01), "the model changes nothing"
    assert cells.raw_text().endswith(f"({cells.raw_px * 0.2:.2g} µm)")
    assert empty.raw_text() == "not resolvable"
    assert empty.text() == "not resolvable"


def test_confirmed_resolution_refuses_tiny_frames_and_missing_planes(identity, rng):
    movie = Movie.from_array(rng.poisson(25, (5, 32, 40)).astype(np.uint16) * 2 + 100)
    with pytest.raises(InputError, match="expected at least 16"):
        dc.confirmed_resolution(movie.crop(slice(0, 12)), identity, NOISE)
    with pytest.raises(InputError, match="were not recorded"):
        dc.confirmed_resolution(movie.replace(missing=[(2, 0, 0)]), identity, NOISE)
