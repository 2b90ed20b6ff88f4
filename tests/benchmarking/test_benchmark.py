from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.benchmarking import BenchmarkOptions, Camera, benchmark
from decrappify.benchmarking.inputs import movies
from decrappify.benchmarking.methods import methods
from decrappify.benchmarking.scoring import halves, scores
from decrappify.errors import Cancelled, InputError
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.fidelity import affine_fit, nrmse_affine, psnr, si_psnr, ssim
from decrappify.metrics.multiscale import foreground_ssim, micro_ssim, ms_ssim
from decrappify.metrics.no_reference.blind import residual_autocorrelation
from decrappify.metrics.resolution import AGAINST_REFERENCE, BETWEEN_HALVES, frc
from decrappify.metrics.sums.spectrum import spectrum_ratio
from decrappify.metrics.temporal.stability import flicker_floor, gain_jitter, tde, tdr
from decrappify.movie import Movie


def soft(movie):
    return gaussian_filter(np.asarray(movie), (0, 0, 0, 1, 1))


def test_benchmark_computes_the_metrics_of_the_pure_functions(report, noisy, reference):
    restored = gaussian_filter(noisy, (0, 1, 1)).astype(np.float32)
    bands = spectrum_ratio(restored, reference)
    expected = {
        "psnr": psnr(restored, reference),
        "si_psnr": si_psnr(restored, reference),
        "nrmse": nrmse_affine(restored, reference),
        "slope": affine_fit(restored, reference).slope,
        "ssim": ssim(restored, reference),
        "ms_ssim": ms_ssim(restored, reference).value,
        "foreground_ssim": foreground_ssim(restored, reference).value,
        "frc_px": frc(restored, reference).resolution_px(AGAINST_REFERENCE),
        "band_coarse_db": bands[0],
        "band_fine_db": bands[2],
        "tde": tde(restored, reference),
        "tdr": tdr(restored, reference),
        "flicker_floor": flicker_floor(restored, reference),
        "gain_jitter": gain_jitter(restored, reference),
        "residual_autocorrelation": residual_autocorrelation(noisy, restored),
    }
    found = {key: report.value("soft <b>", "moving", key) for key in expected}
    assert found == pytest.approx(expected, rel=1e-6)


def test_benchmark_uses_one_micro_ssim_gain_for_the_dataset(report, noisy, reference):
    restored = [(noisy * 0.5 + 50).astype(np.float32), (noisy[0] * 0.5 + 50).astype(np.float32)]
    expected = micro_ssim(restored, [reference, reference[0]])
    assert report.micro_ssim_gains["shrunk"] == pytest.approx(expected.gain, rel=1e-3)
    found = [report.value("shrunk", view, "micro_ssim") for view in ("moving", "still")]
    assert found == pytest.approx(expected.values, abs=1e-3)


def test_benchmark_leaves_out_metrics_that_need_motion_or_a_reference(report):
    for key in ("tde", "tdr", "flicker_floor", "flicker_ratio", "gain_jitter"):
        assert math.isnan(report.value("shrunk", "still", key))
    for key in ("psnr", "ssim", "micro_ssim", "frc_px", "tde", "gain_jitter"):
        assert math.isnan(report.value("shrunk", "unknown", key))
    for key in ("flicker_floor", "noise_sigma", "residual_autocorrelation", "confirmed_px"):
        assert math.isfinite(report.value("soft <b>", "unknown", key))
    assert "unknown" not in report.scores["best Gaussian"], "it is chosen with the reference"


def test_confirmed_resolution_counts_only_detail_in_independent_photons(report, noisy, reference):
    rng = np.random.default_rng(0)
    texture = rng.normal(0, 50, reference.shape)[:, None, None]
    candidates = {"texture": lambda movie: np.asarray(movie) + texture, "oracle": lambda movie: reference}
    found = benchmark(candidates, [(noisy, reference)], baselines=("input",), camera=Camera(2.0, 100.0))
    resolution = {name: found.mean(name, "confirmed_px") for name in found.names}
    assert resolution["texture"] > 1.05 * resolution["input"]
    assert resolution["oracle"] <= resolution["input"]
    shrunk, source = (report.value(name, "moving", "confirmed_px") for name in ("shrunk", "input"))
    assert shrunk == pytest.approx(source, rel=1e-9)


def test_halves_with_a_wrong_gain_are_reported_as_dependent(noisy, reference):
    given = {"soft": soft}, [(noisy, reference)]
    wrong, right = (benchmark(*given, baselines=("input",), camera=Camera(gain, 100.0)) for gain in (0.5, 2.0))
    assert "noise is shared, check gain and offset" in wrong.views[0].halves
    assert right.views[0].halves == "photons split in two"
    assert wrong.mean("input", "confirmed_px") < right.mean("input", "confirmed_px")


def test_held_out_gain_has_the_order_of_the_error_against_the_reference(reference, rng):
    noisy = 100 + 150.0 * rng.poisson((reference - 100) / 150)

    def blurred(sigma):
        return lambda movie: gaussian_filter(np.asarray(movie), (0, 0, 0, sigma, sigma))

    spots = np.zeros(reference.shape)
    spots[:, 5::12, 5::12] = 3000
    spots = gaussian_filter(spots, (0, 1, 1))[:, None, None]
    candidates = {
        "weak": blurred(0.5),
        "good": blurred(1.5),
        "strong": blurred(6),
        "invented": lambda movie: blurred(1.5)(movie) + spots,
        "constant": lambda movie: np.full(movie.shape, np.asarray(movie).mean()),
    }
    found = benchmark(candidates, [(noisy, reference)], baselines=("input",), camera=Camera(150.0, 100.0))
    gains = {name: found.mean(name, "held_out_gain_db") for name in found.names}
    errors = {name: found.mean(name, "psnr") for name in found.names}
    assert max(gains, key=gains.get) == max(errors, key=errors.get) == "good"
    assert gains["good"] <= 0.1, "the best Gaussian has at least this gain"
    assert gains["invented"] < gains["good"] - 1
    assert gains["constant"] < gains["good"] - 1
    confirmed = {name: found.mean(name, "confirmed_px") for name in ("input", "weak", "good")}
    assert len(set(np.round(list(confirmed.values()), 1))) == 1, "filters do not change it, as documented"


def test_halves_of_correlated_noise_need_its_correlation():
    rng = np.random.default_rng(2)
    clean = 100 + 400 * gaussian_filter(rng.random((192, 192)) > 0.995, 3.0, output=np.float64)
    noise = gaussian_filter(rng.normal(size=clean.shape), 0.7)
    source = clean + noise / noise.std() * np.sqrt(2.0 * clean)
    candidates = {"narrow": lambda movie: gaussian_filter(np.asarray(movie), (0, 0, 0, 0.7, 0.7)),
                  "wide": lambda movie: gaussian_filter(np.asarray(movie), (0, 0, 0, 3, 3))}  # fmt: skip
    photons, known = (
        benchmark(
            candidates, [(source, clean)], baselines=("input",), camera=Camera(2.0, noise_correlation=correlation)
        )
        for correlation in (0.0, 0.54)
    )
    assert known.mean("wide", "psnr") > known.mean("narrow", "psnr") + 3
    assert known.mean("wide", "held_out_gain_db") > known.mean("narrow", "held_out_gain_db") + 1
    assert math.isnan(photons.mean("wide", "held_out_gain_db")), "shared noise hides the error of the best Gaussian"
    assert "noise is shared by the halves unless noise_correlation is set to it" in photons.views[0].halves
    assert known.views[0].halves == "split in two by correlated noise"


def test_halves_of_a_static_specimen_are_even_and_odd_frames(reference, rng):
    burst = np.repeat(reference[:1], 6, axis=0) + rng.normal(0, 20, reference.shape)
    found = benchmark(
        {"soft": soft}, [(burst, reference[0])], baselines=("input",), options=BenchmarkOptions(static=True)
    )
    expected = frc(burst[::2], burst[1::2]).resolution_px(BETWEEN_HALVES)
    assert found.mean("input", "confirmed_px") == pytest.approx(expected, rel=1e-3)
    assert found.views[0].halves == "even against odd frames"
    assert math.isnan(found.mean("soft", "tde")), "TDE is not defined for a static reference"


@pytest.mark.parametrize("levels", ["auto", "fit"])
def test_benchmark_fits_different_gray_levels(noisy, reference, levels):
    pair = [((noisy - 100) / 20 + 7, reference)]
    given = {"soft": soft}
    with pytest.warns(UserWarning, match="reference are 20.* times those of the source, .*, and nothing was fitted"):
        plain = benchmark(given, pair, baselines=("input", "gaussian"), options=BenchmarkOptions(levels="same"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = benchmark(given, pair, baselines=("input", "gaussian"), options=BenchmarkOptions(levels=levels))
        same = benchmark(given, [(noisy, reference)], baselines=("input", "gaussian"))
    assert [str(each.message) for each in caught] == list(fitted.warnings)
    assert len(caught) == (levels == "auto"), "equal levels and a requested fit need no warning"
    assert (fitted.settings["levels"], same.settings["levels"]) == ("fit", "same")
    assert plain.mean("soft", "psnr") < 15
    for name in fitted.names:
        assert fitted.mean(name, "psnr") == pytest.approx(fitted.mean(name, "si_psnr"))
        assert fitted.mean(name, "psnr") == pytest.approx(same.mean(name, "si_psnr"), abs=0.3)
        assert fitted.mean(name, "slope") == pytest.approx(20 * same.mean(name, "slope"), rel=0.05)
    assert fitted.mean("soft", "residual_autocorrelation") == pytest.approx(
        same.mean("soft", "residual_autocorrelation"), abs=1e-3
    )


def exposures(rng):
    """Six fields in three channels, whose references are exposed 1.55 times as long as the sources."""
    pairs = []
    for place in range(6):
        points = np.zeros((3, 96, 96))
        points[rng.integers(0, 3, 90), rng.integers(0, 96, 90), rng.integers(0, 96, 90)] = 1500
        scene = gaussian_filter(points, (0, 2, 2)) + gaussian_filter(points, (0, 6, 6)) + 20
        for channel, image in enumerate(scene):
            low, high = 100 + rng.poisson(image) * 1.0, 100 + 1.55 * image
            pairs.append((Movie.from_array(low, name=f"f{place}_c{channel}.tif"), Movie.from_array(high)))
    return pairs


@pytest.mark.slow
def test_gain_over_the_best_gaussian_is_not_inflated_by_different_levels(rng):
    pairs = exposures(rng)
    high = {low.name: np.asarray(reference) for low, reference in pairs}

    def trained(movie):  # 80 % of the error of a Gaussian filter, in the levels of the reference: a gain of 1.9 dB
        soft = 1.55 * (gaussian_filter(np.asarray(movie), (0, 0, 0, 0.9, 0.9)) - 100) + 100
        return 0.8 * soft + 0.2 * high[movie.name]

    found = {}
    for levels in ("same", "auto"):
        with pytest.warns(UserWarning, match=r"f0_c0: the gray levels .* are 1.5\d? times .* \(18 of 18 images\)"):
            found[levels] = benchmark(
                {"trained": trained}, pairs, baselines=("input", "gaussian"), options=BenchmarkOptions(levels=levels)
            )
    before, after = (found[levels].difference("trained", "best Gaussian", "psnr").mean for levels in ("same", "auto"))
    assert 1 < after < 2.1, "80 % of the error are 1.9 dB"
    assert before > 5 * after, "the baselines were compared in other gray levels"
    slopes = [view.level_slope for view in found["auto"].views]
    assert slopes == pytest.approx([1.55] * 18, rel=0.05)


def test_benchmark_refuses_unrelated_pairs_and_warns_of_a_shift(rng):
    pairs = exposures(rng)[:2]
    levels = {"levels": "fit"}
    swapped = [(pairs[0][0], pairs[1][1]), pairs[1]]
    with pytest.raises(InputError, match=r"f0_c0: source and reference do not show .* \(1 of 2 images\); pass unrel"):
        benchmark({"soft": soft}, swapped, baselines=("input",), options=BenchmarkOptions(**levels))
    with pytest.warns(UserWarning, match="do not show the same field .*; metrics against the reference have no"):
        found = benchmark(
            {"soft": soft}, swapped, baselines=("input",), options=BenchmarkOptions(unrelated="warn", **levels)
        )
    assert [view.is_same_field for view in found.views] == [False, True]
    moved = Movie.from_array(np.roll(np.asarray(pairs[0][1]), 2, axis=4))
    with pytest.warns(UserWarning, match=r"shifted by 2.0 pixels \(move the source by [+-]0.0 rows and \+2.0 columns"):
        found = benchmark(
            {"soft": soft}, [(pairs[0][0], moved)], baselines=("input",), options=BenchmarkOptions(**levels)
        )
    assert found.views[0].shift_px == pytest.approx((0, 2), abs=0.1)


@pytest.mark.slow
def test_benchmark_scores_are_equal_for_results_on_disk(monkeypatch, tiny_models, noisy, reference):
    given = {"soft": soft, "model": tiny_models["movie"]}
    pairs = [(noisy[:, :, half], reference[:, :, half]) for half in (slice(32), slice(32, 64))]
    in_memory = benchmark(
        given, pairs, baselines=("input",), camera=Camera(2.0), inference=InferenceOptions(device="cpu")
    )
    for module in (movies, methods, halves):
        monkeypatch.setattr(module, "memory_budget", lambda: 2 * 10**4)
    on_disk = benchmark(given, pairs, baselines=("input",), inference=InferenceOptions(device="cpu"))
    for name in on_disk.names:
        for key in ("psnr", "ssim", "micro_ssim", "frc_px", "tde"):
            assert on_disk.mean(name, key) == pytest.approx(in_memory.mean(name, key), rel=1e-9)


def test_benchmark_samples_frames_of_long_movies(rng):
    still = gaussian_filter(rng.normal(100, 60, (32, 40)), 1)
    reference = np.stack([np.roll(still, t, axis=1) for t in range(40)])
    found = benchmark(
        {"soft": soft}, [(reference + rng.normal(0, 2, reference.shape), reference)], baselines=("input",)
    )
    assert (found.views[0].n_frames, found.views[0].sampled_frames) == (40, 16)


def test_benchmark_samples_the_middle_of_large_frames(monkeypatch, noisy, reference, tmp_path):
    monkeypatch.setattr(scores, "_SAMPLED_SIDE", 32)
    monkeypatch.setattr(scores, "SAMPLED_PIXELS", 2 * 32**2)
    found = benchmark({"same": np.asarray}, [(noisy, reference)], baselines=())
    assert (found.views[0].sampled_frames, found.views[0].sampled_size) == (2, (32, 32))
    part = [movie[[0, 5], 8:40, 16:48] for movie in (noisy, reference)]
    assert found.mean("same", "ms_ssim") == pytest.approx(ms_ssim(*part, data_range=np.ptp(reference)).value)
    assert found.mean("same", "psnr") == pytest.approx(psnr(noisy, reference)), "PSNR uses every pixel"
    page = found.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "of large frames are computed from the central 2048 pixels" in page


def test_benchmark_accepts_an_upsampling_model(tiny_models, reference):
    coarse = reference.reshape(6, 24, 2, 32, 2).mean(axis=(2, 4))
    found = benchmark(
        {"x2": tiny_models["movie-x2"]},
        [(coarse, reference)],
        inference=InferenceOptions(device="cpu"),
        camera=Camera(2.0),
    )
    assert found.views[0].scale == 2
    assert found.views[0].size == (48, 64)
    assert found.mean("input", "psnr") > 25
    assert math.isfinite(found.mean("x2", "confirmed_px"))


def test_benchmark_scores_channels_and_stacks_separately(rng, reference):
    high = np.stack([reference[:3], 2 * reference[3:]])[None]  # (T, C, Z, Y, X)
    low = Movie.from_array(high + rng.normal(0, 20, high.shape), name="cells")
    found = benchmark(
        {"soft": soft}, [(low, Movie.from_array(high))], options=BenchmarkOptions(psf=1.0), camera=Camera(offset=100.0)
    )
    assert [(view.name, view.kind) for view in found.views] == [("cells, C0", "stack"), ("cells, C1", "stack")]
    assert len(found.fields) == 1
    assert found.mean("best Gaussian", "psnr") > found.mean("input", "psnr") + 0.5
    assert "tde" not in found.keys


def test_benchmark_names_a_single_model_by_its_card(tiny_models, noisy, reference):
    found = benchmark(
        tiny_models["movie"], [(noisy, reference)], baselines=(), inference=InferenceOptions(device="cpu")
    )
    assert found.methods == (("tiny-movie", "model"),)
    assert found.mean("tiny-movie", "psnr") == pytest.approx(psnr(noisy, reference), abs=0.1)


def test_benchmark_reports_progress_per_run(noisy, reference, bar):
    benchmark({"soft": soft}, [(noisy, reference)], baselines=("input",), progress=bar)
    assert (bar.settings["total"], bar.updates, bar.closed) == (2, [1, 1], True)
    with pytest.raises(Cancelled, match="no report was written"):
        benchmark({"soft": soft}, [(noisy, reference)], baselines=("input",), progress=bar, cancel=bar.cancel_at(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": "some"}, "levels='some' is not known; choose 'auto', 'same', 'fit'"),
        ({"unrelated": "skip"}, "unrelated='skip' is not known; choose 'refuse', 'warn'"),
        ({"data_range": 0.0}, "data_range is 0.0"),
    ],
)
def test_benchmark_raises_for_invalid_options(noisy, reference, options, message):
    with pytest.raises(InputError, match=message):
        benchmark({"soft": soft}, [(noisy, reference)], options=BenchmarkOptions(**options))


@pytest.mark.parametrize("name", ["input", "reference", "truth"])
def test_benchmark_raises_for_reserved_names(noisy, reference, name):
    with pytest.raises(InputError, match=f"'{name}'"):
        benchmark({name: soft}, [(noisy, reference)])


def test_benchmark_raises_for_nan(noisy, reference):
    with pytest.raises(InputError, match="contains NaN"):
        benchmark({"bad": lambda movie: np.asarray(movie) * np.nan}, [(noisy, reference)], baselines=())


def test_benchmark_of_real_pairs(real_data):
    folder = real_data / "pairs" / "gigadb"
    crops = [tuple(_crop(folder / side / "nucleus.png") for side in ("low", "high"))]
    options = BenchmarkOptions(levels="fit")
    found = benchmark("fluorescence-still", crops, options=options, inference=InferenceOptions(device="cpu"))
    assert found.mean("fluorescence-still", "si_psnr") > found.mean("input", "si_psnr") + 5
    assert found.mean("fluorescence-still", "micro_ssim") > found.mean("non-local means", "micro_ssim")


def _crop(path):
    from decrappify.io import open_movie

    return np.asarray(open_movie(path))[0, 0, 0, 128:384, 128:384]
