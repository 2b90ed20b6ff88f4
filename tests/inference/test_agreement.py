from __future__ import annotations

import math

import pytest
import torch

from decrappify.inference.agreement import agreement_db, trial_source

CPU = torch.device("cpu")


def test_agreement_is_the_psnr_over_the_range_of_the_exact_prediction():
    exact = torch.linspace(-1, 3, 101)
    assert agreement_db(exact + 0.004, exact) == pytest.approx(60, abs=0.01)
    assert agreement_db(exact, exact) == math.inf
    assert agreement_db(torch.tensor([0.0, math.nan]), torch.tensor([0.0, 1.0])) == -math.inf
    assert agreement_db(torch.ones(3), torch.zeros(3)) == -math.inf


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (2, 3, 128, 40), (1, 5, 1, 2)])
def test_trial_source_has_equal_structures_and_independent_noise_in_all_channels(shape):
    source = trial_source(shape, CPU)
    assert source.shape == shape
    assert torch.equal(source, trial_source(shape, CPU))
    assert torch.isfinite(source).all()
    if shape[1] > 1 and shape[2] > 1:
        difference = source[:, 0] - source[:, 1]
        assert 0.12 < difference.std() < 0.17


def test_trial_source_has_bright_structures_on_a_dark_background():
    source = trial_source((1, 1, 128, 128), CPU)
    smooth = torch.nn.functional.avg_pool2d(source, 4)
    assert 0.3 < (smooth.abs() < 0.1).float().mean() < 0.7
    assert 0.7 < smooth.max() < 1.1
