"""Sentences of a check."""

from __future__ import annotations

import pytest

from decrappify.checking.comparison import HeldOut
from decrappify.checking.words import held_out_line, noise_line, summary
from decrappify.noise import Estimate, NoiseModel


def held_out(decibels, error, least, change, change_error=0.001, **values):
    return HeldOut(decibels, error, least, change, change_error, 0.1, 0.0, 1.2, 0.0, 16, **values)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (held_out(1.3, 0.3, 0.7, 0.03), "m suits cells: on held-out photons its error is 1.3 ± 0.3 dB lower than that"),
        (held_out(0.4, 0.4, 0.1, 0.03), "its error is at least 0.1 dB lower than that of the best Gaussian filter"),
        (
            held_out(None, None, 0.0, 0.03),
            "clearly lower (by how many dB is not determined by the calibration)",
        ),
        (held_out(-1.3, 0.3, 0.7, -0.03), "m is worse than a Gaussian filter on cells: its error on held-out photons"),
        (held_out(0.1, 0.3, 0.0, 0.001), "m is not better than a Gaussian filter on cells: their errors on held-out"),
        (held_out(1.3, 0.3, 0.7, 0.01, 0.05), "m cannot be tested on cells: the difference between the model and a"),
    ],
)
def test_summary_states_the_verdict(result, words):
    assert words in summary(result, "", "m", "cells", is_outside=False)


def test_summary_of_a_suitable_model_mentions_the_learned_range():
    text = summary(held_out(1.3, 0.3, 0.7, 0.03), "", "m", "cells", is_outside=True)
    assert text.endswith("; the movie is outside of the learned range, compare results with the raw data")


def test_lines_mark_invalid_values_row_noise_and_bm3d():
    noise = NoiseModel(gain=Estimate(2.0, 0.4, False, "not on a line"), row_noise=Estimate(3.0))
    text = noise_line(noise)
    assert "gain 2 ± 0.4 gray levels per photoelectron (NOT VALID: not on a line)" in text
    assert text.endswith("rows or columns have common noise, which is not tested")
    assert " minus that of the model: 44 ± 40 % of " in held_out_line(held_out(1.3, 0.3, 0.7, 0.44, 0.44))
    line = held_out_line(held_out(1.3, 0.3, 0.7, 0.03, model=0.043, model_error=0.002))
    assert "best Gaussian filter: sigma 1.2 px in single frames" in line
    assert line.endswith(
        "that of the model itself: 4.3 ± 0.2 % (compare models by this value, not by their gain over the filter)"
    )
    line = held_out_line(held_out(1.3, 0.3, 0.7, 0.03, bm3d_db=-0.5, bm3d_error_db=0.2))
    assert line.endswith("the error of BM3D is 0.5 ± 0.2 dB higher than that of the model")
