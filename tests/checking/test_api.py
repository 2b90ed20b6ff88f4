"""Checks of models on movies: verdicts, reasons, words and reports."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import decrappify as dc
from decrappify.errors import Cancelled, InputError
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel

CAMERA = NoiseModel(gain=Estimate(2.0, 0.02), intercept=Estimate(-200.0, 1.0), levels=(100, 180))


@pytest.fixture(scope="module")
def movie():
    """Smooth moving structure with about 20 photons, gain 2 and offset 100."""
    rng = np.random.default_rng(0)
    photons = gaussian_filter(rng.random((12, 72, 80)), (1, 4, 4))
    photons = 5 + 30 * (photons - photons.min()) / np.ptp(photons)
    return Movie.from_array((100 + 2 * rng.poisson(photons)).astype(np.uint16), name="cells")


@pytest.fixture
def still(tiny_models):
    return dc.load_model(tiny_models["still"])


def test_check_finds_a_model_that_returns_its_input_worse(movie, still):
    result = dc.check(movie, still, CAMERA)
    assert result.verdict == "worse"
    assert result.summary.startswith("tiny-still is worse than a Gaussian filter on cells: its error on held-out")
    assert result.held_out.change == pytest.approx(-1.2, abs=0.15)  # noise of 80 % of the light, which is kept
    assert result.held_out.model == pytest.approx(result.held_out.gaussian - result.held_out.change)
    assert 0 < result.held_out.model_error < 0.3
    assert [label for label, _ in result.lines()] == ["noise", "domain", "held-out photons", "verdict"]
    assert "gain 2 ± 0.02 gray levels per photoelectron" in result.text()


def test_check_finds_a_model_better_that_removes_more_noise_than_a_gaussian_filter(movie, still, monkeypatch):
    from decrappify.restoration.tiling.restorer import Restorer

    truth = gaussian_filter(np.asarray(movie)[:, 0, 0].astype(float), (1, 4, 4))
    low = Movie.from_array(np.random.default_rng(1).poisson(np.repeat(truth[:1], 12, 0)).astype(np.uint16), name="low")
    scale = dc.check(low, still, NoiseModel(gain=Estimate(1.0), intercept=Estimate(0.0))).held_out

    def expected(self, window):
        from decrappify.normalization import measure

        return measure(low, 0, still.normalization).apply(truth[:1])

    monkeypatch.setattr(Restorer, "restore_window", expected)
    result = dc.check(low, still, NoiseModel(gain=Estimate(1.0, 0.01), intercept=Estimate(0.0)))
    assert scale.change < 0 < result.held_out.change
    assert result.verdict == "better"
    assert result.summary.startswith("tiny-still suits low: on held-out photons its error is ")


def test_check_of_a_movie_model_equals_for_equal_seeds_and_uses_one_split_of_repeated_frames(movie, tiny_models):
    two_frames = movie[:2]  # both windows repeat the neighbor
    first, second = (dc.check(two_frames, tiny_models["movie"], CAMERA, seed=3) for _ in range(2))
    assert first.held_out == second.held_out
    assert first.held_out.change == pytest.approx(-1.2, abs=0.2)
    assert dc.check(two_frames, tiny_models["movie"], CAMERA, seed=4).held_out != first.held_out


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (NoiseModel(), "the gain is not determined (not measured)"),
        (
            NoiseModel(
                gain=Estimate(2.0),
                intercept=Estimate(-200.0),
                correlation_x=tuple(Estimate(value) for value in (1.0, 0.6, 0.5, 0.4, 0.3)),
            ),
            "the noise is correlated over more than two pixels along X",
        ),
    ],
)
def test_check_states_why_photons_cannot_be_split(movie, still, noise, reason):
    result = dc.check(movie, still, noise)
    assert result.verdict == "untested"
    assert result.held_out is None
    assert result.reason == reason
    assert result.summary == f"tiny-still cannot be tested on cells: {reason}"
    assert result.text().count(noise.gain.note or reason) == 1
    assert "not tested; the verdict states the reason" in result.text()


def test_check_ignores_constant_frames(movie, still):
    pixels = np.asarray(movie).copy()
    pixels[[0, 5, 11]] = 0
    result = dc.check(Movie.from_array(pixels), still, CAMERA)
    assert result.held_out.n_regions == 9
    assert result.held_out.change == pytest.approx(dc.check(movie, still, CAMERA).held_out.change, abs=0.1)


def test_check_detects_a_wrong_gain(movie, still):
    result = dc.check(movie, still, NoiseModel(gain=Estimate(0.6), intercept=Estimate(-60.0)))
    assert result.verdict == "untested"
    assert "as if the gain were wrong" in result.summary


def test_check_refuses_single_images_with_correlated_noise(still):
    rng = np.random.default_rng(0)
    image = 300 + 40 * gaussian_filter(rng.standard_normal((256, 256)), 0.8)
    found = dc.check(image, still, CAMERA)
    assert found.verdict == "untested"
    assert found.reason.startswith("the noise of neighboring pixels correlates by about 0.")


def test_check_of_an_upscaling_model_with_unknown_sampling_tests_noise_and_range_only(movie, tiny_models):
    result = dc.check(movie, tiny_models["movie-x2"], CAMERA)
    assert result.verdict == "untested"
    assert "whose sampling is not known" in result.reason


def test_check_compares_an_upscaling_model_on_the_grid_of_the_movie(movie, tiny_models):
    loaded = dc.load_model(tiny_models["movie-x2"])
    steps = {"name": "bin", "steps": [{"part": "bin_down", "factor": 2}, {"part": "poisson", "photons": 20.0}]}
    result = dc.check(movie, Model(loaded.network, loaded.normalization, steps, loaded.card), CAMERA)
    assert result.verdict == "worse"


def test_check_names_features_outside_of_the_learned_range(still):
    bright = Movie.from_array(np.random.default_rng(0).poisson(20, (2, 128, 128)).astype(np.uint16))
    card = {"name": "dark", "learned_range": {"brightness": [0.0, 0.01, 0.02, 0.03, 0.04]}}
    result = dc.check(bright, Model(still.network, card=card), NoiseModel())
    assert [one.feature for one in result.deviations] == ["brightness"]
    assert "the median is bright within the range of gray levels" in result.text()


def test_check_states_what_to_do_about_nan_which_it_cannot_fill(movie, still):
    pixels = np.asarray(movie).astype(np.float32)
    pixels[..., 0] = np.nan
    with pytest.raises(InputError, match=r"contains NaN or infinity; crop the movie or omit these frames"):
        dc.check(pixels, still, CAMERA)


def test_check_refuses_several_channels_and_stops_when_cancelled(movie, still):
    with pytest.raises(InputError, match=r"has 2 channels .*open it with channel=0"):
        dc.check(np.repeat(np.asarray(movie), 2, axis=1), still)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled, match="check was cancelled"):
        dc.check(movie, still, CAMERA, cancel=cancel)


def test_report_contains_the_verdict_and_one_region(movie, still, tmp_path):
    result = dc.check(movie, still, CAMERA.save(tmp_path / "camera.toml"), seed=7)
    page = result.report(tmp_path / "check.html").read_text(encoding="utf-8")
    for origin in (
        still.sha256,
        str(tmp_path / "camera.toml"),
        '<tr><th>seed of the split</th><td class="text">7</td>',
    ):
        assert origin in page
    assert result.summary in page
    assert page.count("<img ") == 3
    assert 'class="verdict worse"' in page
