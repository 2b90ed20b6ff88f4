from __future__ import annotations

import pytest
import torch

from decrappify.errors import InputError
from decrappify.networks import create
from decrappify.networks.blocks import NormedConv


@pytest.mark.parametrize(
    ("name", "smallest"), [("deoldify-critic", 64), ("fastai-critic", 64), ("small-critic", 32), ("critic", 64)]
)
def test_critic_returns_one_value_per_patch(name, smallest):
    critic = create(name, width=8)
    assert critic.smallest == smallest
    for rows, columns in ((4, 4), (4, 6), (5, 8)):
        image = torch.randn(2, critic.in_channels, rows * smallest // 4, columns * smallest // 4)
        assert critic(image).shape == (2, (rows - 3) * (columns - 3))


def test_training_normalizes_the_largest_singular_value_to_one():
    critic = create("small-critic", width=8)
    image = torch.randn(1, 1, 64, 64)
    for _ in range(30):
        critic(image)
    weights = [module.effective_weight() for module in critic.eval().modules() if isinstance(module, NormedConv)]
    largest = torch.stack([torch.linalg.matrix_norm(weight.flatten(1), 2) for weight in weights])
    torch.testing.assert_close(largest, torch.ones_like(largest), atol=0.1, rtol=0)


def test_small_critic_accepts_64_pixel_patches_of_one_channel():
    critic = create("small-critic")
    assert critic(torch.zeros(1, 1, 64, 64)).shape == (1, 25)
    assert sum(weight.numel() for weight in critic.parameters()) < 4e6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "round"}, "form is 'round', expected 'plain' or 'dense'"),
        ({"width": 0}, "width is 0, expected an integer of at least 1"),
        ({"dropout": 1.0}, r"dropout is 1.0, expected a number from 0 to below 1"),
        ({"frames": 3}, "network 'small-critic' does not take these settings: .*frames"),
    ],
)
def test_critic_rejects_invalid_settings(settings, message):
    with pytest.raises(InputError, match=message):
        create("small-critic", **settings)
