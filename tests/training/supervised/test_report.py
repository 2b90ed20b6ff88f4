from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.training.runs import log_rows
from tests.training.tiny_run import CONFIG, tiny_train

from decrappify.training.engine.validation import Preview
from decrappify.training.supervised.outputs import COLUMNS, plot_loss, save_preview
from decrappify.training.supervised.report import longer_training, summary, warning

SCORE = {"step": 100, "psnr": 29.4, "psnr_source": 21.3, "psnr_gaussian": 27.9}


def test_summary_reports_source_gaussian_model_and_gains():
    score = {"psnr_source_db": 21.3, "psnr_gaussian_db": 27.9, "psnr_db": 29.4}
    gains = {"gain_content_db": 8.2, "gain_background_db": 5.0}
    assert summary(score | gains) == (
        "validation: source 21.3, best Gaussian 27.9, model 29.4 dB; "
        "gain over the input 8.2 dB on content, 5.0 dB on background"
    )


@pytest.mark.parametrize(
    ("changed", "started_from", "start"),
    [
        ({}, None, None),
        ({"psnr": 21.3}, None, "the model does not improve its input (validation 21.30 dB, source 21.30 dB)"),
        ({"psnr": 27.0}, None, "the model is below the best Gaussian filter"),
        ({"step": 0}, "fluorescence-still", "no validation was better than that of fluorescence-still before"),
        ({"step": 0}, None, None),
    ],
)
def test_warning_of_a_model_of_no_use(changed, started_from, start):
    line = warning(SCORE | changed, started_from=started_from)
    assert line is None if start is None else line.startswith(start)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ([20, 24, 25, 25.5, 25.7], "validation rose by 0.70 dB in the second half"),
        ([20, 25, 25.7, 25.71, 25.7], "validation did not rise in the second half"),
        ([20, 25, 25.7, 25.2, 25.1], "validation was highest at step 200 and fell by 0.60 dB to the end"),
        ([20, 25, 25.7], None),
        ([20, 25, 25.7, 25.8, float("nan")], None),
    ],
)
def test_longer_training_follows_the_second_half_of_the_curve(values, start):
    line = longer_training([(100 * number, value) for number, value in enumerate(values)])
    assert line is None if start is None else line.startswith(start)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn_training")
def test_fine_tuning_that_gains_nothing_keeps_the_weights_of_its_start_and_warns(tmp_path, caplog):
    first = tiny_train(tmp_path / "first", replace(CONFIG, max_steps=40, validate_every=20))
    rate = replace(CONFIG, max_steps=8, learning_rate=0.5, ema_decay=0.0)
    caplog.clear()
    model = tiny_train(tmp_path / "second", rate, start_from=first)
    start = log_rows(tmp_path / "second")[0]
    assert float(start["val_psnr"]) == pytest.approx(first.card["validation"]["psnr_db"], abs=0.01)
    assert model.card["best_step"] == 0
    assert model.sha256 == first.sha256
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("the model is below the best Gaussian") or "no validation was better" in line


def test_loss_plot_shows_a_single_validation(tmp_path):
    plot_loss([dict.fromkeys(COLUMNS, "") | {"step": "0", "val_psnr": "20.1", "seconds": "1"}], tmp_path)
    assert np.asarray(Image.open(tmp_path / "loss.png")).std() > 5


def test_preview_has_labeled_columns_of_readable_size(tmp_path, rng):
    small, large = (rng.random((side, side)) for side in (24, 48))
    save_preview(tmp_path / "preview.png", 400, [Preview(small, large, large, large)] * 2)
    with Image.open(tmp_path / "preview.png") as image:
        width, height = image.size
    assert width >= 4 * 192
    assert height >= 2 * 192 + 20  # with a line of labels
