from __future__ import annotations

import numpy as np
import pytest
import torch

from decrappify.crappify import BinDown, Crappifier, Gaussian, Poisson, SampleDown
from decrappify.datasets import TupleDataset
from decrappify.datasets.augment import drifting_window, orient
from decrappify.errors import InputError
from decrappify.movie import Movie

NOISE = Crappifier([Gaussian(0.1)])
CLEAN = Crappifier([Gaussian(0.0)])


def ramp(n_t=8, size=24, axes="TYX", dtype=np.float32):
    """Create frames that differ in brightness, so that a patch identifies its frame."""
    slope = np.add.outer(np.arange(size), 2 * np.arange(size)).astype(np.float32)
    return Movie.from_array(np.stack([100 * t + slope for t in range(n_t)]).astype(dtype), axes)


def dataset(movies, crappifier=NOISE, **settings):
    movies = movies if isinstance(movies, list) else [movies]
    return TupleDataset(movies, crappifier, **({"patch_size": 8, "length": 40} | settings))


def frame_numbers(window, movie, size=24):
    """Return the index in `ramp` of each frame of an unaugmented window of complete frames."""
    gray = movie.normalizations[0].invert(np.asarray(window), np.float32)
    return [round(float(frame.mean() - 1.5 * (size - 1)) / 100) for frame in gray]


def test_sample_depends_on_index_and_seed_only():
    first, again, other = dataset(ramp()), dataset(ramp(), length=1000), dataset(ramp(), seed=1)
    [first[index] for index in (5, 0, 3)]
    for key in ("source", "source_2", "target"):
        assert torch.equal(first[7][key], again[7][key])
        assert not torch.equal(first[7][key], other[7][key])
        assert not torch.equal(first[7][key], first[8][key])


def test_dataset_ends_after_its_length():
    assert len(list(dataset(ramp(), length=3))) == 3


@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_two_sources_of_one_target_differ_in_their_noise_only(n_frames):
    sample = dataset(ramp(), n_frames=n_frames, augment=False)[0]
    assert sample["source"].shape == sample["source_2"].shape == (n_frames, 8, 8)
    assert sample["target"].shape == (1, 8, 8)
    for source in (sample["source"], sample["source_2"]):
        difference = source[n_frames // 2] - sample["target"][0]
        assert difference.std().item() == pytest.approx(0.1, rel=0.5)
    assert not torch.equal(sample["source"], sample["source_2"])


def test_both_sources_share_the_drawn_setting():
    samples = dataset(ramp(), Crappifier([Gaussian((0.001, 1.0))]), n_frames=1, augment=False)
    noise = [[(sample[key] - sample["target"]).std().item() for key in ("source", "source_2")] for sample in samples]
    assert np.corrcoef(np.array(noise).T)[0, 1] > 0.9


def test_first_and_last_frames_are_reflected():
    samples = dataset(ramp(4), CLEAN, patch_size=24, augment=False)
    windows = {tuple(frame_numbers(sample["source"], samples.movies[0])) for sample in samples}
    assert windows <= {(1, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 2)}
    assert len(windows) >= 3


def test_dataset_takes_windows_along_z():
    samples = dataset(ramp(4, axes="ZYX"), CLEAN, patch_size=24, augment=False, time_axis="Z")
    assert (0, 1, 2) in {tuple(frame_numbers(sample["source"], samples.movies[0])) for sample in samples}


def test_source_and_target_have_the_same_orientation():
    samples = dataset(ramp(), CLEAN, n_frames=3)
    for sample in samples:
        torch.testing.assert_close(sample["source"][1:2], sample["target"])
    slopes = {
        tuple(np.sign(np.diff(sample["target"][0, :2, :2].numpy(), axis=axis).sum()) for axis in (0, 1))
        for sample in samples
    }
    assert len(slopes) == 4


@pytest.mark.parametrize("code", range(8))
def test_orient_returns_eight_different_orientations(code):
    image = np.arange(9).reshape(1, 3, 3)
    turned = [orient(image, other) for other in range(8)]
    assert sorted(turned[code].ravel()) == list(range(9))
    assert sum(np.array_equal(turned[code], other) for other in turned) == 1
    assert np.array_equal(turned[0], image)


@pytest.mark.parametrize(("down", "scale"), [(BinDown(2), 2), (SampleDown(4), 4)])
def test_scale_makes_the_target_larger(down, scale):
    sample = dataset(ramp(size=40), Crappifier([down]), n_frames=3, augment=False)[0]
    assert sample["source"].shape == (3, 8, 8)
    assert sample["target"].shape == (1, 8 * scale, 8 * scale)
    binned = sample["target"][0].reshape(8, scale, 8, scale).mean((1, 3))
    torch.testing.assert_close(sample["source"][1, 1:-1, 1:-1], binned[1:-1, 1:-1], atol=1e-4, rtol=0)


def test_movies_of_several_sizes_and_dtypes_are_normalized():
    movies = [ramp(8, 16, dtype=np.uint16), ramp(1, 40), ramp(3, 24, dtype=np.int32), ramp(2, 30, axes="ZYX")]
    samples = list(dataset(movies, NOISE, n_frames=3))
    assert all(sample[key].dtype == torch.float32 for sample in samples for key in sample if key != "movie")
    assert {sample["movie"] for sample in samples} <= set(range(len(movies)))
    assert all(-2 < sample["target"].mean() < 3 for sample in samples)


def test_movie_larger_than_the_cache_yields_the_same_items():
    cached, lazy = dataset([ramp(), ramp(4)]), dataset([ramp(), ramp(4)], cache_bytes=0)
    assert all(torch.equal(cached[index]["source"], lazy[index]["source"]) for index in range(10))


def test_channels_are_used_separately_or_together():
    pixels = np.random.default_rng(0).random((4, 2, 1, 16, 16)).astype(np.float32)
    pixels[:, 1] = 5 - pixels[:, 0]
    movie = Movie.from_array(pixels)
    assert dataset(movie)[0]["source"].shape == (3, 8, 8)
    sample = dataset(movie, CLEAN, in_channels=2, augment=False)[0]
    assert (sample["source"].shape, sample["target"].shape) == ((6, 8, 8), (2, 8, 8))
    torch.testing.assert_close(sample["source"][2:4], sample["target"])
    assert np.corrcoef(sample["source"][4].ravel(), sample["source"][5].ravel())[0, 1] == pytest.approx(-1, abs=1e-3)


def test_still_drifts_around_its_middle_frame():
    still = Movie.from_array(np.random.default_rng(0).random((40, 40)).astype(np.float32))
    samples = dataset(still, CLEAN, augment=False, still_motion_px=(1.0, 1.0))
    for sample in (samples[index] for index in range(5)):
        torch.testing.assert_close(sample["source"][1:2], sample["target"])
        assert not torch.allclose(sample["source"][0], sample["source"][1])
    static = dataset(still, CLEAN, augment=False, still_motion_px=(0.0, 0.0))[0]["source"]
    torch.testing.assert_close(static[0], static[2])


def test_still_as_large_as_the_patch_does_not_drift():
    still = Movie.from_array(np.random.default_rng(0).random((8, 9)).astype(np.float32))
    source = dataset(still, CLEAN, augment=False, still_motion_px=(2.0, 2.0))[0]["source"]
    assert torch.equal(source[0], source[1])


def test_drifting_window_of_integer_shifts_copies_pixels():
    still = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    window = drifting_window(still, (8, 8), np.array([[-2.0, 3.0], [0.0, 0.0], [0.5, 0.0]]))
    np.testing.assert_array_equal(window[0], still[4:12, 9:17])
    np.testing.assert_array_equal(window[1], still[6:14, 6:14])
    np.testing.assert_allclose(window[2], (still[6:14, 6:14] + still[7:15, 6:14]) / 2, rtol=1e-6)


def test_source_and_target_vary_equally_in_brightness():
    samples = list(dataset(ramp(1), Crappifier([Poisson(1e6)]), n_frames=1, patch_size=24))
    means = np.array([[sample["source"].mean(), sample["target"].mean()] for sample in samples])
    assert means.std(0).min() > 0.03
    np.testing.assert_allclose(means[:, 0], means[:, 1], atol=1e-2)


def broken(value, at=(2, 3, 3)):
    pixels = np.random.default_rng(0).random((6, 16, 16)).astype(np.float32)
    pixels[at] = value
    return Movie.from_array(pixels, name="bad.tif")


@pytest.mark.parametrize(
    ("movies", "settings", "message"),
    [
        ([], {}, "no movies to train on; pass at least one high-resolution image or movie"),
        (broken(np.nan), {}, r"frame 2 of bad.tif contains NaN or infinity; crop the movie or omit"),
        (broken(np.inf), {"cache_bytes": 0}, "frame 2 of bad.tif contains NaN or infinity"),
        (broken(0.5, np.s_[:]), {}, "channel 0 of bad.tif is constant"),
        (
            broken(1.0),
            {"patch_size": 32},
            "bad.tif has 16 x 16 pixels, too few for patches of 32 x 32; use larger images, or choose a patch_size of",
        ),
        (broken(1.0), {"in_channels": 3}, "bad.tif has 1 channel, expected 3 like in_channels"),
        (broken(1.0), {"time_axis": "C"}, "time_axis is 'C', expected 'T' or 'Z'"),
        (broken(1.0), {"n_frames": 2}, "n_frames is 2, expected an odd integer"),
        (
            broken(1.0),
            {"still_motion_px": (2.0, 1.0)},
            r"still_motion_px is \(2.0, 1.0\), expected speeds \(low, high\)",
        ),
    ],
)
def test_tuple_dataset_errors_are_one_line(movies, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        dataset(movies, **settings)
    assert "\n" not in str(caught.value)
