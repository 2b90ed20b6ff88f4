from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.metrics import ScoreOptions
from decrappify.metrics.fidelity import affine_fit, linearity, nrmse_affine, psnr, si_psnr, ssim
from decrappify.metrics.no_reference.blind import noise_sigma, residual_autocorrelation
from decrappify.metrics.scorecard import score_movie
from decrappify.metrics.sums import pairs
from decrappify.metrics.temporal.stability import flicker_floor, gain_jitter, tde, tdr
from decrappify.movie import FrameSource, Movie


@pytest.fixture
def trio(scene, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Restored, reference and source as uint16."""
    reference = 1000 * scene + 400
    source = reference + rng.normal(0, 80, reference.shape)
    restored = 0.9 * reference + 30 + rng.normal(0, 15, reference.shape)
    return tuple(np.clip(movie, 0, None).astype(np.uint16) for movie in (restored, reference, source))


def pure_metrics(restored, reference, source, data_range):
    line = linearity(restored, reference)
    floors = [flicker_floor(movie, reference, data_range=data_range) for movie in (restored, source)]
    return {
        "psnr": psnr(restored, reference, data_range=data_range),
        "ssim": ssim(restored, reference, data_range=data_range),
        "si_psnr": si_psnr(restored, reference, data_range=data_range),
        "nrmse": nrmse_affine(restored, reference),
        "slope": affine_fit(restored, reference).slope,
        "intercept": affine_fit(restored, reference).intercept,
        "linearity_slope": line.slope,
        "linearity_intercept": line.intercept,
        "linearity_deviation_percent": line.largest_deviation_percent,
        "tde": tde(restored, reference),
        "tdr": tdr(restored, reference),
        "gain_jitter": gain_jitter(restored, reference),
        "flicker_floor": floors[0],
        "flicker_ratio": floors[0] / floors[1],
        "noise_sigma": noise_sigma(restored),
        "source_noise_sigma": noise_sigma(source),
        "residual_autocorrelation": residual_autocorrelation(source, restored),
    }


@pytest.mark.parametrize("data_range", [None, 800.0])
@pytest.mark.parametrize("reference_noise", [0, 12])
def test_score_movie_equals_the_pure_functions(trio, rng, data_range, reference_noise):
    restored, reference, source = trio
    reference = reference + rng.integers(0, reference_noise + 1, reference.shape, dtype=np.uint16)
    card = score_movie(
        *(Movie.from_array(movie) for movie in (restored, reference, source)),
        options=ScoreOptions(data_range=data_range),
    )
    for name, value in pure_metrics(restored, reference, source, data_range).items():
        assert getattr(card, name) == pytest.approx(value, rel=1e-12), name
    assert card.data_range == (data_range or np.ptp(reference))
    assert card.data_range_from == ("given" if data_range else "reference")
    assert card.static_from == ("smoothed reference" if reference_noise else "reference")
    assert card.n_frames == 12


def test_score_movie_without_reference_sets_only_blind_metrics(trio):
    restored, _, source = trio
    card = score_movie(restored, source=source)
    known = {name for name, value in card.to_dict().items() if value is not None}
    blind = {"flicker_floor", "flicker_ratio", "noise_sigma", "source_noise_sigma", "residual_autocorrelation"}
    assert known == blind | {"n_frames", "data_range", "data_range_from", "static_from", "static_share"}
    assert (card.data_range_from, card.static_from) == ("source", "smoothed source")
    assert card.flicker_floor == pytest.approx(flicker_floor(restored, source=source))
    assert card.flicker_ratio == pytest.approx(15 / 80, rel=0.1)
    assert card.noise_sigma < card.source_noise_sigma


def test_score_movie_of_a_single_frame_has_no_temporal_metrics(trio):
    restored, reference, source = (movie[0] for movie in trio)
    card = score_movie(restored, reference, source)
    assert card.psnr == pytest.approx(psnr(restored, reference))
    assert {card.tde, card.tdr, card.gain_jitter, card.flicker_floor, card.flicker_ratio, card.static_from} == {None}


def test_score_movie_omits_metrics_that_do_not_apply(trio):
    restored, reference, _ = trio
    motionless = np.repeat(reference[:1], len(reference), axis=0)
    card = score_movie(restored, motionless, motionless, options=ScoreOptions(with_ssim=False))
    assert {card.tde, card.tdr, card.ssim, card.flicker_ratio} == {None}
    assert card.static_share == 1
    tiny = score_movie(restored[:, 20:22], reference[:, 20:22], restored[:, 20:22])
    assert {tiny.ssim, tiny.noise_sigma, tiny.residual_autocorrelation} == {None}
    assert score_movie(reference, reference, reference).residual_autocorrelation is None


def test_rows_contain_the_known_metrics_with_units(trio):
    restored, reference, source = trio
    card = score_movie(restored, reference, source)
    rows = {label: value for label, value, interpretation in card.rows() if interpretation}
    assert rows["PSNR"] == f"{card.psnr:.4g} dB"
    assert rows["TDE"] == f"{card.tde:.4g}"
    assert rows["linearity deviation"].endswith("%")
    assert len(rows) == 17
    assert "PSNR" not in {label for label, _, _ in score_movie(restored, source=source).rows()}
    with pytest.raises(FrozenInstanceError):
        card.psnr = 99.0


def test_score_movie_selects_a_channel(trio):
    restored, reference, _ = trio
    two = Movie.from_array(np.stack([reference, restored], axis=1), axes="TCYX")
    assert score_movie(two, reference, options=ScoreOptions(channel=1)).psnr == psnr(restored, reference)
    assert score_movie(two, reference).psnr == np.inf
    with pytest.raises(InputError, match="channel 2 is not in movie"):
        score_movie(two, reference, options=ScoreOptions(channel=2))


def test_score_movie_uses_constant_memory(monkeypatch):
    class Endless(FrameSource):
        dtype = np.dtype(np.float64)

        def __init__(self, n_frames: int, seed: int) -> None:
            self.shape, self.seed = (n_frames, 1, 1, 64, 64), seed

        def read(self, t, c, z, rows, columns):
            return np.random.default_rng((self.seed, t)).random((64, 64))[rows, columns]

        def close(self):
            pass

    monkeypatch.setattr(pairs, "SAMPLE_SIZE", 4096)

    def peak(n_frames: int) -> int:
        tracemalloc.start()
        score_movie(*(Movie(Endless(n_frames, seed)) for seed in range(3)), options=ScoreOptions(with_ssim=False))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(400) < 1.1 * peak(100)


def test_score_movie_rejects_invalid_input(trio):
    restored, reference, source = trio
    broken = reference.astype(np.float32)
    broken[4, 0, 0] = np.nan
    with pytest.raises(InputError, match="needs a reference or a source, found neither"):
        score_movie(restored)
    with pytest.raises(InputError, match=r"restored has shape .*\(12, 48, 64\) and source has \(12, 24, 64\)"):
        score_movie(restored, reference, source[:, ::2])
    with pytest.raises(InputError, match="frame 4 of reference contains NaN"):
        score_movie(restored, broken)
    with pytest.raises(InputError, match="source is constant"):
        score_movie(restored, source=np.ones_like(source))
    with pytest.raises(InputError, match="data_range is 0"):
        score_movie(restored, reference, options=ScoreOptions(data_range=0))
    with pytest.raises(InputError, match="reference is constant"):
        score_movie(restored, np.ones_like(reference), options=ScoreOptions(data_range=5))
    with pytest.raises(InputError, match="reference has 2 slices in Z"):
        score_movie(restored, Movie.from_array(np.stack([reference, reference], axis=1), axes="TZYX"))


def test_scikit_image_loads_only_for_ssim():
    code = "import sys, decrappify.metrics.scorecard, decrappify.metrics.baselines; sys.exit('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
