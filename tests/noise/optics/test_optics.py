from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.noise.specimens import record, spots

from decrappify.crappify import BinDown, Blur, LineJitter, SampleDown
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel, Optics, calibrate
from decrappify.noise.calibration import Calibration
from decrappify.noise.optics.measure import measure_optics

WHITE = NoiseModel()
SMOOTH = (None, 0.2, 0.2)


@pytest.fixture(scope="module")
def good() -> list[np.ndarray]:
    return [record(spots(seed), 2000.0, seed).astype(np.float32) for seed in range(10, 15)]


def low_images(sigma: float, photons: float = 200.0) -> list[np.ndarray]:
    return [record(gaussian_filter(spots(seed), (0, sigma, sigma)), photons, seed) for seed in range(5)]


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_blur_is_recovered_from_unpaired_images_within_10_percent(good, sigma):
    optics = measure_optics(low_images(sigma), WHITE, good, (SMOOTH, SMOOTH))
    assert optics.blur.value == pytest.approx(sigma, rel=0.1)
    assert optics.blur.valid
    assert 0 < optics.blur.error < 0.15 * sigma
    assert optics.scale_factor.value == pytest.approx(1)
    assert optics.parts() == [Blur(sigma=optics.blur.value)]


def test_blur_has_no_value_for_equally_sharp_images(good):
    optics = measure_optics(low_images(0.0), WHITE, good, (SMOOTH, SMOOTH))
    assert optics.blur.value is None
    assert "not detected" in optics.blur.note
    assert optics.parts() == []


def test_blur_has_no_value_for_images_sharper_than_the_good_ones(good):
    blurred = [gaussian_filter(one, (0, 2, 2)) for one in good]
    blur = measure_optics(low_images(0.0), WHITE, blurred, (SMOOTH, SMOOTH)).blur
    assert blur.value is None
    assert "more fine detail" in blur.note


def test_blur_assumes_equal_pixel_sizes_if_they_are_not_known(good):
    optics = measure_optics(low_images(2.0), WHITE, good)
    assert optics.blur.value == pytest.approx(2, rel=0.1)
    assert "equal ones are assumed" in optics.blur.note
    assert optics.scale_factor.value is None
    assert "upsampling adds no detail" in optics.scale_factor.note


def test_scale_factor_of_binned_images_is_found_with_and_without_pixel_sizes():
    rng = np.random.default_rng(0)
    good = [record(spots(seed, 320, 2.0), 2000.0).astype(np.float32) for seed in (10, 11, 12, 13)]
    low = [record(BinDown(2).apply(spots(seed, 320, 2.0), rng, np.arange(1)), 500.0) for seed in range(4)]
    blind = measure_optics(low, WHITE, good)
    assert blind.scale_factor.value == 2
    assert "equal optical resolution" in blind.scale_factor.note
    assert blind.blur.value is None
    assert blind.parts() == [BinDown(2)]
    known = measure_optics(low, WHITE, good, ((None, 0.2, 0.2), (None, 0.1, 0.1)))
    assert known.scale_factor.value == pytest.approx(2)
    assert known.blur.value is None, "binning is not blur"


@pytest.mark.parametrize(
    ("low", "high", "note"),
    [
        (np.full((1, 160, 160), 0.1, np.float32), spots(1, 160), "too little structure"),
        (spots(0, 160), np.full((1, 160, 160), 0.1, np.float32), "too little structure"),
        (spots(0, 48), spots(1, 48), "at least 64 pixels"),
    ],
    ids=["noise only", "good images are noise", "small"],
)
def test_optics_have_no_values_for_noise_and_small_images(low, high, note):
    optics = measure_optics([record(low)], WHITE, [record(high, 2000.0).astype(np.float32)], (SMOOTH, SMOOTH))
    assert optics.blur.value is None
    assert note in optics.blur.note
    assert optics.line_jitter.value is None
    assert optics.bidirectional_offset.value is None


def test_optics_without_good_images_have_no_blur():
    optics = measure_optics(low_images(1.0)[:1], WHITE, None)
    assert (optics.blur.note, optics.scale_factor.note) == ("no good images", "no good images")


def test_optics_parts_sample_points_if_rows_are_shifted():
    camera = Optics(blur=Estimate(0.5), scale_factor=Estimate(2.0))
    scanner = Optics(blur=Estimate(0.5), scale_factor=Estimate(2.04), line_jitter=Estimate(0.3))
    assert camera.parts() == [Blur(sigma=1.0), BinDown(2)]
    assert scanner.parts() == [Blur(sigma=1.0), SampleDown(2), LineJitter(sigma=0.3)]
    assert Optics(scale_factor=Estimate(1.5)).parts() == []


def test_calibration_is_written_and_read_with_its_optics(tmp_path, good):
    low = Movie.from_array(low_images(2.0)[0], axes="TYX", pixel_size_um=SMOOTH)
    high = [Movie.from_array(one, axes="TYX", pixel_size_um=SMOOTH) for one in good]
    found = calibrate(low, high)
    assert found.optics.blur.value == pytest.approx(2, rel=0.15)
    assert [step.name for step in found.crappifier().steps] == ["blur", "poisson_gaussian"]
    path = found.save(tmp_path / "scope.toml")
    assert Calibration.load(path) == found
    assert NoiseModel.load(path) == found.noise
    old = found.noise.save(tmp_path / "old.toml")
    assert Calibration.load(old) == Calibration(found.noise)
    path.write_text(path.read_text().replace("line_jitter", "jitter"))
    with pytest.raises(InputError, match=r"scope.toml: optics has no key 'jitter', expected bid"):
        Calibration.load(path)


def test_calibrate_raises_for_an_empty_list_of_good_images():
    with pytest.raises(InputError, match="high is an empty list"):
        calibrate(low_images(1.0)[0], [])
