from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve

from decrappify.benchmarking.camera import Camera
from decrappify.benchmarking.inputs.pairs import checked_pairs
from decrappify.benchmarking.methods import methods
from decrappify.benchmarking.methods.methods import baseline_methods, checked_psf, user_methods
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.block_matching import is_bm3d_installed
from decrappify.metrics.fidelity import psnr
from decrappify.movie import Movie


def restored(method, pair):
    movie, notes = method.run(pair)
    return np.asarray(movie)[:, 0, 0], notes


@pytest.fixture
def pair(noisy, reference):
    return checked_pairs([(noisy, reference)])[0]


@pytest.mark.parametrize("name", ["gaussian", "nlm", "tv"])
def test_baseline_improves_on_the_input(noisy, reference, rng, name):
    noisier = noisy + rng.normal(0, 60, noisy.shape)
    (method,) = baseline_methods([name])
    result, notes = restored(method, checked_pairs([(noisier, reference)])[0])
    assert psnr(result, reference) > psnr(noisier, reference) + 3
    assert notes[0].startswith(("sigma", "noise sigma"))


@pytest.mark.parametrize("name", ["nlm", "tv"])
def test_baseline_with_a_camera_improves_on_one_noise_sigma(rng, name):
    y, x = np.mgrid[:64, :64]
    photons = 2 + 300 * np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 200) * (1 + 0.3 * np.sin(x / 2))
    camera = Camera(gain=2.0, offset=100.0, read_noise=1.0)
    reference = 100 + 2 * photons
    noisy = 100 + 2 * (rng.poisson(photons) + rng.normal(0, 1, photons.shape))
    (pair,) = checked_pairs([(noisy, reference)])
    plain, stabilized = (restored(baseline_methods([name], camera=each)[0], pair)[0][0] for each in (None, camera))
    dim = photons < 4
    assert psnr(stabilized, reference) > psnr(noisy, reference) + 2
    assert np.std((stabilized - reference)[dim]) < 0.85 * np.std((plain - reference)[dim])


def test_best_gaussian_equals_that_of_the_metrics(pair, noisy, reference):
    (method,) = baseline_methods(["gaussian"])
    assert restored(method, pair)[0] == pytest.approx(best_gaussian(noisy, reference).restored)


def test_best_gaussian_of_a_large_movie_is_chosen_on_a_part(pair, monkeypatch):
    monkeypatch.setattr(methods, "memory_budget", lambda: 2 * 8 * 6 * 48 * 64)
    (method,) = baseline_methods(["gaussian"])
    assert restored(method, pair)[1][0].endswith("chosen on frames 2:4 of 6")


def test_richardson_lucy_sharpens_a_blurred_image(reference):
    psf = checked_psf(1.5)
    blurred = fftconvolve(np.pad(reference[0] - 100, 20, mode="symmetric"), psf, mode="same")[20:-20, 20:-20] + 100
    (method,) = baseline_methods([], psf=psf, camera=Camera(offset=100))
    result, notes = restored(method, checked_pairs([(blurred, reference[0])])[0])
    assert psnr(result[0], reference[0]) > psnr(blurred, reference[0]) + 3
    assert result.mean() == pytest.approx(blurred.mean(), rel=0.01)
    assert notes == ["20 iterations"]


@pytest.mark.parametrize("name", ["nlm", "tv"])
def test_baseline_keeps_an_image_without_noise(name):
    flat = np.tile(np.arange(40.0), (40, 1))
    (method,) = baseline_methods([name])
    assert restored(method, checked_pairs([(flat, None)])[0])[0][0] == pytest.approx(flat)


@pytest.mark.parametrize("scale", [1, 2])
def test_model_result_has_the_grid_of_the_reference(tiny_models, tmp_path, rng, scale):
    source = rng.random((3, 20, 24)) * 100
    (pair,) = checked_pairs([(source, np.kron(source, np.ones((1, scale, scale))))])
    for name in ("movie", "movie-x2")[:scale]:
        (method,) = user_methods({"mine": tiny_models[name]}, tmp_path, InferenceOptions(device="cpu"))
        movie, notes = method.run(pair)
        assert movie.shape == (3, 1, 1, 20 * scale, 24 * scale)
        assert notes == (["enlarged by bicubic interpolation"] if scale == 2 and name == "movie" else [])
        assert movie.dtype == np.float32 or notes


def test_finer_result_without_reference_is_averaged(tiny_models, tmp_path, rng):
    (method,) = user_methods({"mine": tiny_models["movie-x2"]}, tmp_path, InferenceOptions(device="cpu"))
    movie, notes = method.run(checked_pairs([(rng.random((3, 20, 24)), None)])[0])
    assert movie.shape == (3, 1, 1, 20, 24)
    assert notes == ["averaged in 2 x 2 blocks, to compare with the input"]


def test_model_of_another_scale_raises(tiny_models, tmp_path, rng):
    (method,) = user_methods({"mine": tiny_models["movie-x2"]}, tmp_path, InferenceOptions())
    source = rng.random((3, 20, 24))
    with pytest.raises(InputError, match=r"model 'tiny-movie-x2' has scale 2, but .* has scale 1"):
        method.run(checked_pairs([(source, source)])[0])


def test_warning_on_seams_is_logged_once_per_model(tiny_models, tmp_path, rng, caplog):
    inference = InferenceOptions(device="cpu", precision="float32", tile_size=16, tile_overlap=0)
    pairs = checked_pairs([(rng.random((20, 24)), None)] * 2)
    for _ in range(2):
        (method,) = user_methods(tiny_models["still"], tmp_path, inference)
        for pair in pairs:
            method.run(pair)
    assert sum("seams of up to" in message for message in caplog.messages) == 2


@pytest.mark.parametrize("wrap", [np.asarray, Movie.from_array, lambda a: np.asarray(a)[:, 0, 0]])
def test_callable_may_return_a_movie_or_an_array(pair, noisy, tmp_path, wrap):
    def function(movie):
        return wrap(np.asarray(movie) + 1)

    (method,) = user_methods({"mine": function}, tmp_path, InferenceOptions())
    assert restored(method, pair)[0] == pytest.approx(noisy + 1)


def test_callable_may_return_a_stack(tmp_path, rng):
    stack = Movie.from_array(rng.random((3, 20, 24)), axes="ZYX")
    (method,) = user_methods({"mine": lambda movie: np.asarray(movie)[0, 0]}, tmp_path, InferenceOptions())
    assert method.run(checked_pairs([(stack, None)])[0])[0].shape == (1, 1, 3, 20, 24)


def test_methods_raise_for_invalid_input(pair, tmp_path):
    with pytest.raises(InputError, match="baseline 'dct' is not known; choose from input, gaussian, nlm, tv, bm3d"):
        baseline_methods(["dct"])
    with pytest.raises(InputError, match="method 'x' has type int, expected a model, or a callable"):
        user_methods({"x": 3}, tmp_path, InferenceOptions())
    (method,) = user_methods({"half": lambda movie: np.asarray(movie)[..., ::2]}, tmp_path, InferenceOptions())
    with pytest.raises(
        InputError, match=r"method 'half' returned \(6, 1, 1, 48, 32\) for .*, expected \(T, C, Z, Y, X\)"
    ):
        method.run(pair)
    (gaussian,) = baseline_methods(["gaussian"])
    with pytest.raises(InputError, match="has no reference, which the best Gaussian filter needs"):
        gaussian.run(checked_pairs([(np.zeros((20, 20)), None)])[0])


@pytest.mark.parametrize("psf", [0.0, -1.0, [1.0, 2.0], [[-1.0, 2.0]], [[0.0]], [[np.nan]]])
def test_checked_psf_raises_for_invalid_values(psf):
    with pytest.raises(InputError, match="psf"):
        checked_psf(psf)


def test_bm3d_is_requested_and_needs_its_package(monkeypatch):
    monkeypatch.setattr("decrappify.metrics.block_matching.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package bm3d, which is not installed; run python -m pip install"):
        baseline_methods(["bm3d"])
    assert "best BM3D" not in [method.name for method in baseline_methods(["input", "gaussian", "nlm", "tv"])]


@pytest.mark.parametrize("camera", [Camera(2.0, 100.0), None])
def test_bm3d_exceeds_the_best_gaussian(noisy, reference, camera):
    if not is_bm3d_installed():
        pytest.skip("bm3d is not installed (its license allows non-commercial use only): the baseline is not tested")
    (pair,) = checked_pairs([(noisy[:2], reference[:2])])
    bm3d, gaussian = baseline_methods(["bm3d", "gaussian"], camera=camera)
    (movie, notes), (soft, _) = bm3d.run(pair), gaussian.run(pair)
    assert (bm3d.name, bm3d.needs_reference, movie.shape) == ("best BM3D", True, pair.source.shape)
    assert notes[0].startswith("strength ")
    assert psnr(np.asarray(movie)[:, 0, 0], reference[:2]) > psnr(np.asarray(soft)[:, 0, 0], reference[:2]) - 1
