"""Warning about inputs outside of the learned range."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.restoration.conftest import FAST, CountingSource, WindowMean, as_model

from decrappify.domain import CARD_KEY, Deviation, learned_ranges
from decrappify.errors import Cancelled
from decrappify.movie import Movie
from decrappify.restoration import restore, restore_array
from decrappify.restoration.job.input_check import described, report_unlearned


def exposures(n_frames=3, sigma_px=0.0, seed=0, sigma=0.1):
    """Smooth structure with noise, correlated by a Gaussian filter."""
    rng = np.random.default_rng(seed)
    signal = gaussian_filter(np.random.default_rng(5).random((96, 96)), 4)
    signal = ((signal - signal.min()) / np.ptp(signal)) ** 2
    noise = np.stack([gaussian_filter(rng.normal(size=(96, 96)), sigma_px) for _ in range(n_frames)])
    return (500 + 4000 * (signal + sigma * noise / noise.std())).clip(0).astype(np.uint16)


@pytest.fixture(scope="module")
def learned():
    levels = np.linspace(0.05, 0.2, 20)
    return learned_ranges([exposures(1, seed=number, sigma=level)[0]] for number, level in enumerate(levels))


@pytest.fixture
def model(learned):
    model = as_model(WindowMean(1))
    model.card[CARD_KEY] = learned
    return model


def warnings_of(caplog):
    return [message for message in caplog.messages if "learned" in message]


def test_input_within_the_learned_range_has_no_warning(model, caplog):
    restore_array(exposures(), model, **FAST)
    assert warnings_of(caplog) == []


def test_correlated_noise_has_one_warning_with_value_range_and_advice(model, caplog):
    movie = Movie.from_array(exposures(sigma_px=0.8), "TYX", name="cells.tif")
    restore(movie, model, **FAST)
    (warning,) = warnings_of(caplog)
    assert warning.startswith("cells.tif: noise is correlated between neighboring pixels (0.")
    assert "learned 0 to 0.1): expect residual noise; use a model trained on correlated noise" in warning


def test_channels_share_one_warning_that_names_the_worst(model, caplog):
    both = np.stack([exposures(), exposures(sigma_px=0.8)], axis=1)
    restore(Movie.from_array(both, "TCYX", channel_names=("dna", "actin")), model, **FAST)
    (warning,) = warnings_of(caplog)
    assert "channel actin: noise is correlated" in warning


@pytest.mark.parametrize("entry", [None, "wide", {"noise": [1]}])
def test_models_without_a_valid_range_are_not_checked(model, caplog, entry):
    model.card[CARD_KEY] = entry
    restore_array(exposures(sigma_px=0.8), model, **FAST)
    assert warnings_of(caplog) == []


def test_resumed_run_does_not_repeat_the_warning(model, caplog, tmp_path, bar):
    movie, output = exposures(6, sigma_px=0.8), tmp_path / "restored.ome.zarr"
    with pytest.raises(Cancelled):
        restore(movie, model, output, progress=bar, cancel=bar.cancel_at(2), **FAST)
    restore(movie, model, output, **FAST).close()
    assert len(warnings_of(caplog)) == 1


def test_check_reads_three_planes(model):
    from decrappify.restoration.job.job import Job

    source = CountingSource(exposures(20)[:, None, None])
    job = Job(Movie(source), model)
    channels = job.measure()
    source.counts.clear()
    report_unlearned(job, channels)
    assert sum(source.counts.values()) == 3


def test_described_names_the_quantity_of_the_detail():
    text = described(Deviation("detail", 0.063, 0.075, 0.19, 1.2), "mine")
    assert text.startswith(
        "structures are coarser in pixels (mean spatial frequency 0.063; model 'mine' learned 0.075 to 0.19): noise may"
    )
