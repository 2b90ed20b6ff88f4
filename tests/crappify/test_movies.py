from __future__ import annotations

import json

import numpy as np
import pytest

from decrappify.crappify import Bleaching, Crappifier, Gaussian, crappifier_preset, crappify_movie
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.normalization import Normalization


@pytest.fixture
def movie(rng) -> Movie:
    pixels = rng.integers(100, 1000, (4, 2, 3, 17, 24)).astype(np.uint16)
    pixels[:, 1] *= 5
    return Movie.from_array(pixels, pixel_size_um=(0.5, 0.1, 0.2), frame_interval_s=3.0, provenance={"by": "me"})


def test_pixels_do_not_depend_on_the_order_of_reading(movie):
    crappifier = crappifier_preset("spinning-disk")
    forward = np.asarray(crappify_movie(movie, crappifier, seed=7))
    other = crappify_movie(movie, crappifier, seed=7)
    for t, c, z in reversed(list(other.planes())):
        np.testing.assert_array_equal(other.region(t, c, z, slice(5, 9), slice(2, 20)), forward[t, c, z, 5:9, 2:20])
        np.testing.assert_array_equal(other.frame(t, c, z), forward[t, c, z])


def test_seeds_planes_and_channels_have_independent_noise(movie):
    degrade = Crappifier([Gaussian(0.1)])
    first, second = (np.asarray(crappify_movie(movie, degrade, seed=seed)).astype(float) for seed in (0, 1))
    assert not np.array_equal(first, second)
    noise = (first - np.asarray(movie)).reshape(-1, 17 * 24)
    correlation = np.corrcoef(noise) - np.eye(len(noise))
    assert np.abs(correlation).max() < 0.3
    assert noise.reshape(4, 2, -1)[:, 1].std() == pytest.approx(5 * noise.reshape(4, 2, -1)[:, 0].std(), rel=0.15)


def test_metadata_is_kept_and_scaled(movie):
    small = crappify_movie(movie, crappifier_preset("widefield-x2"), seed=2)
    assert small.shape == (4, 2, 3, 8, 12)
    assert small.dtype == np.uint16
    assert small.pixel_size_um == (0.5, 0.2, 0.4)
    assert small.frame_interval_s == 3.0
    bare = movie.replace(pixel_size_um=(None, None, None), unitless_spacing={"Z": 2.0, "Y": 0.3, "X": 0.3})
    coarse = crappify_movie(bare, crappifier_preset("widefield-x2"), seed=2)
    assert coarse.unitless_spacing == {"Z": 2.0, "Y": 0.6, "X": 0.6}
    done = json.loads(json.dumps(small.provenance))
    assert done["by"] == "me"
    assert done["crappified"]["cropped_to"] == [16, 24]
    whole = crappify_movie(movie.crop(rows=slice(0, 16)), crappifier_preset("widefield-x2"), seed=2)
    assert "cropped_to" not in whole.provenance["crappified"]
    assert Crappifier.from_dict(done["crappified"]["crappifier"]).is_fixed


def test_setting_is_drawn_once_for_all_frames(movie):
    noisy = crappify_movie(movie, Crappifier([Gaussian((0.01, 0.3))]), seed=3)
    spread = [np.std(noisy.frame(t).astype(float) - movie.frame(t)) for t in range(4)]
    assert np.ptp(spread) < 0.15 * np.mean(spread)


def test_frames_bleach_by_their_index():
    movie = Movie.from_array(np.full((5, 8, 8), 100, np.float32))
    faded = crappify_movie(movie, Crappifier([Bleaching(0.5)]), normalization=Normalization(0.0, 100.0))
    np.testing.assert_allclose([faded.frame(t).mean() for t in (4, 0, 2)], [6.25, 100, 25], rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed is -1, expected an integer"),
        ({"normalization": [Normalization(0.0, 1.0)]}, "found 1 normalization, expected 2, one per channel"),
    ],
)
def test_invalid_options_raise(movie, options, message):
    with pytest.raises(InputError, match=message):
        crappify_movie(movie, Crappifier([]), **options)


def test_movie_too_small_to_scale_raises():
    tiny = Movie.from_array(np.arange(6, dtype=np.uint8).reshape(2, 3))
    with pytest.raises(InputError, match="expected at least 4 of each"):
        crappify_movie(tiny, crappifier_preset("em-x4"))


def test_missing_planes_stay_missing(rng):
    pixels = rng.integers(500, 4000, (4, 1, 1, 16, 16), dtype=np.uint16)
    pixels[2] = 0
    movie = Movie.from_array(pixels, missing={(2, 0, 0)}, unitless_spacing={"Y": 0.3, "X": 0.3})
    crappified = crappify_movie(movie, crappifier_preset("confocal-x2"), seed=1)
    assert crappified.missing == {(2, 0, 0)}
    assert not crappified.frame(2).any()
    assert crappified.frame(1).any()
    assert crappified.unitless_spacing == {"Y": 0.6, "X": 0.6}
