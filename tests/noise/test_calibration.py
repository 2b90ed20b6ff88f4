from __future__ import annotations

import re
import threading
from dataclasses import replace

import numpy as np
import pytest

from decrappify.crappify import CorrelatedNoise, PoissonGaussian, crappify_movie
from decrappify.errors import Cancelled, FormatError, InputError, OutputExistsError
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel, calibrate
from decrappify.noise.measurement.correlation import Correlation
from decrappify.noise.measurement.dark import Dark, hot_estimates
from decrappify.noise.measurement.gain import fit_gain
from decrappify.noise.measurement.kernels import LAPLACIAN
from decrappify.noise.measurement.sample import sample_regions
from decrappify.normalization import Normalization
from decrappify.samples import simulate

GAIN = 1.7


def light(n_frames: int = 12, side: int = 160, speed: float = 1.0, photons: float = 30.0) -> np.ndarray:
    """Return the expected electrons of a moving blurred texture."""
    from scipy.ndimage import gaussian_filter, shift

    rng = np.random.default_rng(7)
    texture = np.maximum(gaussian_filter(rng.standard_normal((side, side)), 5, mode="wrap"), 0)
    texture *= photons / texture.max()
    frames = [shift(texture, (0, speed * t), order=1, mode="grid-wrap") for t in range(n_frames)]
    return np.stack(frames).astype(np.float32) + 2


def camera(expected: np.ndarray, sigma: float = 0.0, seed: int = 0) -> np.ndarray:
    noise = CorrelatedNoise(photons=1.0, read_noise=1.5, sigma=sigma)
    electrons = noise.apply(expected, np.random.default_rng(seed), np.arange(len(expected)))
    return np.clip(np.rint(electrons * GAIN + 100), 0, 65535).astype(np.uint16)


@pytest.fixture(scope="module")
def moving() -> np.ndarray:
    return camera(light())


@pytest.mark.parametrize(("speed", "photons"), [(1.0, 30.0), (0.0, 300.0)])
def test_calibrate_measures_the_gain_within_5_percent(speed, photons):
    noise = calibrate(camera(light(speed=speed, photons=photons))).noise
    assert noise.gain.value == pytest.approx(GAIN, rel=0.05)
    assert noise.gain.valid
    assert 0 < noise.gain.error < 0.1 * GAIN
    assert noise.variance(100 + GAIN * 20) == pytest.approx(GAIN**2 * (20 + 1.5**2), rel=0.05)


def test_calibration_is_cancelled_after_its_present_part(moving):
    movie, cancel, reads = Movie.from_array(moving), threading.Event(), []

    def region(t, c, z, rows, columns):
        reads.append(t)
        cancel.set()
        return movie.region(t, c, z, rows, columns)

    with pytest.raises(Cancelled, match=r"^the calibration was cancelled$"):
        calibrate(movie.map_regions(region), movie, cancel=cancel)
    assert len(reads) == movie.shape[0]


@pytest.mark.parametrize(("sigma", "lag1"), [(0.52, 0.3), (0.714, 0.6)])
def test_calibrate_corrects_correlated_noise(sigma, lag1):
    noise = calibrate(camera(light(), sigma)).noise
    assert noise.correlation_x[1].value == pytest.approx(lag1, abs=0.03)
    assert noise.correlation_y[1].value == pytest.approx(lag1, abs=0.03)
    assert noise.gain.value == pytest.approx(GAIN, rel=0.08)
    assert "correlated" in noise.gain.note
    part = noise.crappifier().steps[0]
    assert isinstance(part, CorrelatedNoise)
    assert part.sigma == pytest.approx(sigma, abs=0.05)


def test_calibrate_measures_white_noise_as_white(moving):
    noise = calibrate(moving).noise
    assert abs(noise.correlation_x[1].value) < 0.02
    assert isinstance(noise.crappifier().steps[0], PoissonGaussian)
    assert noise.row_noise.value == 0
    assert noise.column_noise.value == 0
    assert noise.hot_pixels.value == 0
    assert noise.hot_level.value is None


def test_calibrate_measures_a_single_image_within_15_percent():
    noise = calibrate(camera(light(1, 512))[0]).noise
    assert noise.gain.value == pytest.approx(GAIN, rel=0.15)
    assert "single images" in noise.gain.note
    assert noise.correlation_x[1].value is None
    assert noise.row_noise.value is None


def test_calibrate_takes_offset_and_read_noise_from_dark_frames_only(moving):
    pattern = np.random.default_rng(1).normal(0, 3, (160, 160))
    pattern[5, 5] = 500
    dark = np.rint(np.random.default_rng(2).normal(100 + pattern, 1.5 * GAIN, (16, 160, 160))).astype(np.uint16)
    noise = calibrate(moving, dark=dark).noise
    assert noise.offset.value == pytest.approx(100, abs=0.2)
    assert noise.read_noise.value == pytest.approx(np.hypot(1.5 * GAIN, 12**-0.5), rel=0.02)
    assert noise.fixed_pattern.value == pytest.approx(3, rel=0.05)
    assert noise.hot_pixels.value == 1 / 160**2
    assert noise.hot_level.value == pytest.approx(500, abs=10)
    assert noise.hot_level.note == "of the dark frames"
    assert [step.name for step in noise.crappifier().steps][-1] == "bad_pixels"
    without = calibrate(moving).noise
    assert without.offset.value is None
    assert "cannot be separated" in without.offset.note
    assert without.read_noise.value is None
    assert without.fixed_pattern.value is None


def test_calibrate_measures_row_noise_and_hot_pixels(moving):
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 4, (len(moving), moving.shape[1], 1))
    degraded = np.clip(moving + rows, 0, 65535)
    degraded[:, 20:150:30, 40] += 400
    noise = calibrate(np.rint(degraded).astype(np.uint16)).noise
    assert noise.row_noise.value == pytest.approx(4, rel=0.1)
    assert noise.column_noise.value == 0
    assert noise.hot_pixels.value == pytest.approx(5 / 158**2)
    assert noise.hot_level.value == pytest.approx(400, rel=0.05)
    assert [step.name for step in noise.crappifier().steps] == ["poisson_gaussian", "row_noise", "bad_pixels"]


def test_hot_estimates_are_both_of_the_dark_frames_or_both_of_the_movie():
    found, none = (Estimate(0.01, note="1 of 100 sampled pixels"), Estimate(90.0)), (Estimate(0.0), Estimate(None))
    assert [one.value for one in hot_estimates(Dark(), *found).values()] == [0.01, 90.0]
    kept = hot_estimates(Dark(hot_pixels=none[0], hot_level=none[1]), *found)
    assert [one.value for one in kept.values()] == [0.01, 90.0]
    assert kept["hot_pixels"].note == "1 of 100 sampled pixels of the movie; the dark frames have no hot pixels"
    both = hot_estimates(Dark(hot_pixels=Estimate(0.02), hot_level=Estimate(70.0)), *found)
    assert [one.value for one in both.values()] == [0.02, 70.0]


def test_calibrate_excludes_saturated_pixels_and_reports_the_bit_depth():
    noise = calibrate(np.minimum(camera(light(photons=100)), 255).astype(np.uint8)).noise
    assert noise.gain.value == pytest.approx(GAIN, rel=0.05)
    assert (noise.saturation.value, noise.bit_depth.value) == (255, 8)
    assert "at least" in calibrate(camera(light(4))).noise.bit_depth.note


@pytest.mark.parametrize(("share", "ends"), [(0.1, (0.1, 99.9)), (3.0, (0, 97))])
def test_calibrate_states_the_share_of_clipped_pixels(share, ends):
    raw = camera(light(photons=8))
    low, high = np.percentile(raw, ends)
    clipped = np.rint(255 * np.clip((raw - low) / (high - low), 0, 1)) if share < 1 else np.minimum(raw, high)
    gain = calibrate(clipped.astype(np.uint8 if share < 1 else np.uint16)).noise.gain
    assert gain.value is None
    found = float(re.search(r"([\d.]+) % of the pixels are clipped at the highest gray level", gain.note)[1])
    assert share <= found < 1.5 * share
    assert "lower the exposure or the gain, or export without stretching or clipping the gray levels" in gain.note
    assert "record" not in gain.note


def test_calibrate_does_not_mistake_motion_for_correlated_noise():
    noise = calibrate(camera(light(photons=150))).noise  # flat places exist
    assert noise.correlation_x[1].value == pytest.approx(0, abs=0.05)
    assert noise.gain.value == pytest.approx(GAIN, rel=0.05)
    assert noise.gain.error < 0.1 * GAIN


def test_calibrate_assumes_white_noise_with_a_larger_error_if_everything_moves():
    noise = calibrate(camera(light(3, 96, speed=3, photons=300))).noise
    assert noise.correlation_x[1].value is None
    assert "moving structure" in noise.correlation_x[1].note
    assert "assumed to be white" in noise.gain.note
    assert noise.gain.value == pytest.approx(GAIN, abs=2 * noise.gain.error)
    assert noise.gain.error > 0.1 * GAIN


@pytest.mark.parametrize("sigma", [0.4, 0.52, 0.714])
def test_gain_is_within_two_standard_errors_among_dense_moving_structure(sigma):
    """Few places are flat, and dark ones have the noise of the digitizer: correlated noise was taken for motion."""
    from scipy.ndimage import gaussian_filter, shift

    texture = np.square(
        np.maximum(gaussian_filter(np.random.default_rng(3).standard_normal((96, 96)), 3, mode="wrap"), 0)
    )
    frames = [shift(30 * texture / texture.max(), (0, t / 2), order=1, mode="grid-wrap") for t in range(20)]
    gain = calibrate(camera(np.stack(frames).astype(np.float32), sigma)).noise.gain
    assert gain.value == pytest.approx(GAIN, abs=2 * gain.error)
    assert gain.error < 0.2 * GAIN
    assert "correlated" in gain.note


@pytest.mark.parametrize("neighbors", [0.33, 0.45])  # of the second, the Laplacian would pass a negative variance
def test_gain_has_no_value_if_the_correction_for_correlation_is_not_exact(neighbors):
    values = np.zeros((9, 9))
    values[4, 4] = 1
    values[4, 3] = values[4, 5] = values[3, 4] = values[5, 4] = neighbors
    found = Correlation(values, np.full((9, 9), 0.05), 40)
    assert found.response_error(LAPLACIAN) == pytest.approx(0.118, rel=0.01)
    fit = fit_gain([camera(light(4)).astype(np.float64)], found)
    assert fit.gain.value is None
    assert "correlation of the noise is not exact enough" in fit.gain.note


@pytest.mark.parametrize(
    ("sigma", "dtype", "reason"),
    [
        ((0, 1, 1), np.float32, "the noise of neighboring pixels correlates by 0.7"),
        ((1, 0, 0), np.uint16, "the noise of successive frames correlates by 0."),  # the gain would be that of a mean
        ((0, 1, 1), np.uint16, "the only white noise is that of rounding to gray levels"),
    ],
)
def test_calibrate_states_that_a_smoothed_movie_is_not_raw(sigma, dtype, reason):
    from scipy.ndimage import gaussian_filter

    raw = camera(light(photons=100))
    measured = calibrate(raw).noise
    assert measured.is_raw
    assert measured.gain.value == pytest.approx(GAIN, rel=0.1)
    noise = calibrate(gaussian_filter(raw.astype(dtype), sigma)).noise
    gain = noise.gain
    assert not noise.is_raw
    assert gain.value is None
    assert gain.note.startswith(f"the data are not raw: {reason}")
    assert gain.note.endswith(", as in filtered, denoised, resampled or compressed data; pass the raw movie")


def test_calibrate_returns_no_gain_if_read_noise_dominates():
    flat = np.random.default_rng(0).normal(100, 3, (8, 128, 128))
    noise = calibrate(np.rint(flat).astype(np.uint16)).noise
    assert noise.gain.value is None
    assert not noise.gain.valid
    assert noise.gain.note
    assert noise.noise_sd.value == pytest.approx(3, rel=0.03)
    assert noise.parts()[0].name == "gaussian"
    with pytest.raises(InputError, match="gain of this noise model is not determined"):
        noise.variance(100)


def test_crappified_movie_has_the_calibrated_noise(moving):
    noise = calibrate(moving).noise
    low, high = noise.levels
    clean = Movie.from_array(light(8) * GAIN + 100, axes="TYX")
    crappified = crappify_movie(clean, noise.crappifier(), normalization=Normalization(low, high - low))
    again = calibrate(crappified).noise
    assert again.gain.value == pytest.approx(noise.gain.value, rel=0.06)
    assert again.noise_sd.value == pytest.approx(noise.noise_sd.value, rel=0.03)


def test_noise_model_is_written_and_read_without_loss(moving, tmp_path):
    noise = calibrate(moving).noise
    path = noise.save(tmp_path / "scope.toml")
    assert NoiseModel.load(path) == noise
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        noise.save(path)
    assert noise.save(path, overwrite=True) == path
    with pytest.raises(FormatError, match=r"a noise model file ends in \.toml"):
        noise.save(tmp_path / "scope.json")


def test_variance_is_at_least_that_of_the_background(moving, tmp_path):
    noise = calibrate(moving).noise
    assert noise.background_sd.value == pytest.approx(noise.variance(noise.levels[0]) ** 0.5, rel=0.2)
    assert noise.variance(-1e6) == noise.background_sd.value**2
    path = noise.save(tmp_path / "scope.toml")
    before = path.read_text()
    section = before[before.index("[background_sd]") :].split("\n[", 1)[0]
    path.write_text(before.replace(section, ""))  # a file of an earlier version
    assert NoiseModel.load(path) == replace(noise, background_sd=NoiseModel().background_sd)
    assert NoiseModel.load(path).variance(-1e6) == 0


@pytest.mark.parametrize("is_raw", [True, False])
def test_whether_the_data_are_raw_is_read_from_files_with_and_without_it(tmp_path, is_raw):
    reason = "read noise dominates" if is_raw else "the data are not raw: they were denoised"
    noise = NoiseModel(gain=Estimate(None, note=reason), is_raw=is_raw)
    path = noise.save(tmp_path / "scope.toml")
    assert NoiseModel.load(path) == noise
    before = path.read_text()
    path.write_text(before.replace(f"is_raw = {str(is_raw).lower()}\n", ""))  # a file of an earlier version
    assert path.read_text() != before
    assert NoiseModel.load(path) == noise


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("is_raw = true", "is_raw = 1", "is_raw is 1, which is not a value of a noise model"),
        ("decrappify noise model 1", "a camera", "expected 'decrappify noise model 1'"),
        ("[gain]", "[gian]", "no key 'gian'"),
        ("valid = true", "valid = 3", "an estimate has valid 3"),
        ("levels = [", "levels = [7.0, ", "levels is"),
    ],
)
def test_damaged_noise_model_raises(moving, tmp_path, old, new, message):
    path = calibrate(moving[:4]).save(tmp_path / "scope.toml")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        NoiseModel.load(path)


@pytest.mark.parametrize(
    ("movie", "message"),
    [
        (np.full((3, 64, 64), 7, np.uint16), "every sampled pixel"),
        (np.full((3, 64, 64), np.nan), "NaN or infinity in the sampled frames; crop the movie or omit"),
        (np.repeat(np.random.default_rng(0).integers(0, 99, (1, 64, 64)), 3, 0), "frames are identical"),
        (np.ones((3, 16, 64), np.uint16), "at least 32"),
        (np.ones((3, 2, 1, 64, 64), np.uint16), "2 channels"),
    ],
)
def test_calibrate_raises_for_unsuitable_movies(movie, message):
    with pytest.raises(InputError, match=message):
        calibrate(movie)


def test_sample_regions_is_bounded_for_large_movies():
    movie = Movie.from_array(np.broadcast_to(np.arange(1024, dtype=np.uint16), (100, 1, 1, 1024, 1024)), axes="TCZYX")
    regions = sample_regions(movie, at_most=500_000)
    read = sum(region.size for region in regions)
    assert 200_000 < read <= 500_000
    assert {len(region) for region in regions} == {8}


def test_estimate_without_a_value_is_not_valid_and_nan_raises():
    assert not Estimate(None).valid
    with pytest.raises(InputError, match="finite"):
        Estimate(float("nan"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cell", "filaments"])
def test_calibrate_measures_simulated_movies(kind):
    noise = calibrate(simulate(kind, n_frames=20, seed=4).noisy).noise
    assert noise.gain.value == pytest.approx(2.2, rel=0.05)


def test_noise_of_a_computed_image_is_not_determined():
    ramp = 1000 + np.add.outer(3 * np.arange(64), 16 * np.arange(80)).astype(np.uint16)
    assert calibrate(ramp).noise.noise_sd.value is None


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_noise_below_the_step_between_gray_levels_is_not_determined(sigma):
    frames = np.rint(camera(light(), sigma) / 60.0).astype(np.uint8)  # noise of about 0.1 gray levels
    found = calibrate(Movie.from_array(frames)).noise.noise_sd
    assert (found.value, found.valid) == (None, False)
    assert "below the step between gray levels" in found.note


def test_calibration_html_lists_the_determined_quantities(moving):
    result = calibrate(moving)
    html = result._repr_html_()
    assert f"{result.noise.gain.text()} gray levels per photoelectron" in html
    assert "bidirectional offset" not in html
    assert result.noise.source in html
