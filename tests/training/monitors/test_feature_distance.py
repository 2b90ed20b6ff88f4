from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import InputError
from decrappify.training.monitors.feature_distance import (
    RandomEncoder,
    grid_side,
    kid,
    kid_error,
    kid_matrix,
    referee_auc,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_random_encoder_is_frozen_and_determined_by_its_seed():
    images = draw(2, 3, 48, 64)
    features = RandomEncoder(3, seed=4)(images, 5)
    assert features.shape == (2, 25, 72)
    assert not list(RandomEncoder(3).parameters())
    torch.testing.assert_close(features, RandomEncoder(3, seed=4)(images, 5), rtol=0, atol=0)
    assert not torch.allclose(features, RandomEncoder(3, seed=5)(images, 5))


def test_random_encoder_depends_on_color_but_not_on_gray_level():
    flat = torch.full((1, 3, 32, 32), 0.5)
    encoder = RandomEncoder(3)
    assert encoder(flat, 2).max() < 1e-2
    flat[:, 0] += 0.5
    assert encoder(flat, 2).max() > 0.1


@settings(max_examples=40, deadline=None)
@given(n_images=st.integers(4, 600), side=st.integers(32, 512))
def test_grid_side_samples_256_to_2048_positions_within_the_features(n_images, side):
    grid = grid_side(n_images, side)
    assert 1 <= grid <= (side // 2 - 4)
    assert n_images * grid**2 <= 2048 or grid == 1
    assert n_images * grid**2 >= 256 or grid == (side - 8) // 4
    assert RandomEncoder(1)(torch.zeros(1, 1, side, side), grid).shape == (1, grid**2, 72)


def test_kid_of_a_set_with_itself_is_zero():
    features = draw(8, 4, 6)
    matrix = kid_matrix(features, features)
    assert kid(matrix) == kid_error(matrix) == 0


def test_kid_is_unbiased_for_paired_images():
    """Check means over many draws of two sets whose i-th members share content, as restored and target images do."""
    shared = draw(200, 16, 1, 5)
    first, second = (shared + 0.5 * draw(200, 16, 3, 5, seed=seed) for seed in (1, 2))
    values = torch.tensor([kid(kid_matrix(x, y)) for x, y in zip(first, second, strict=True)])
    standard_error = values.std() / len(values) ** 0.5
    assert abs(values.mean()) < 3 * standard_error
    apart = torch.tensor([kid(kid_matrix(x + 0.3, y)) for x, y in zip(first, second, strict=True)])
    assert apart.mean() > values.mean() + 10 * standard_error


def test_kid_grows_with_the_distance():
    x, y = draw(16, 4, 8), draw(16, 4, 8, seed=1)
    values = [kid(kid_matrix(x + shift, y)) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)


def test_kid_error_matches_the_spread_over_independent_sets():
    values = torch.tensor([kid(kid_matrix(draw(40, 2, 5, seed=s) + 1, draw(40, 2, 5, seed=-s))) for s in range(1, 120)])
    errors = torch.tensor(
        [kid_error(kid_matrix(draw(40, 2, 5, seed=s) + 1, draw(40, 2, 5, seed=-s))) for s in range(1, 9)]
    )
    assert errors.mean() == pytest.approx(float(values.std()), rel=0.25)


def test_referee_auc_is_one_half_for_equal_and_one_for_distant_sets():
    x = draw(32, 8, 10)
    assert referee_auc(x, x) == 0.5
    assert referee_auc(x, draw(32, 8, 10, seed=1)) == pytest.approx(0.5, abs=0.1)
    assert referee_auc(x + 3, draw(32, 8, 10, seed=1)) > 0.999


def test_referee_auc_matches_theory():
    """Check the AUC of two unit normal distributions a distance s apart: Phi(s / sqrt 2)."""
    x, y = draw(100, 8, 3), draw(100, 8, 3, seed=1)
    y[..., 0] += 1.0
    assert referee_auc(y, x) == pytest.approx(0.760, abs=0.03)


def test_referee_auc_rejects_too_few_images():
    with pytest.raises(InputError, match="3 images are too few for the classifier, expected at least 4"):
        referee_auc(torch.zeros(3, 2, 2), torch.zeros(3, 2, 2))
