from __future__ import annotations

import pytest
import torch

from decrappify.errors import InputError
from decrappify.networks import create
from decrappify.networks.blocks import NormedConv
from decrappify.networks.folding import fold_norms

TINY = [
    pytest.param("deoldify-critic", {"width": 8}, 64, id="deoldify"),
    pytest.param("fastai-critic", {"width": 8}, 64, id="fastai"),
    pytest.param("small-critic", {"width": 8}, 32, id="small"),
    pytest.param("critic", {"width": 8, "blocks": 1, "attention": False, "dropout": 0.0}, 16, id="bare"),
]


@pytest.mark.parametrize(("name", "settings", "smallest"), TINY)
class TestEveryCritic:
    @pytest.fixture
    def critic(self, name, settings):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            critic = create(name, **settings)
            for module in critic.modules():
                if hasattr(module, "gamma"):
                    torch.nn.init.constant_(module.gamma, 0.5)
            yield critic

    def test_one_answer_for_each_patch(self, critic, smallest):
        image = torch.randn(2, critic.in_channels, smallest, smallest * 3 // 2)
        assert critic(image).shape == (2, 1 * 3)
        assert critic(image[..., :smallest]).shape == (2, 1)

    def test_smaller_images_are_refused(self, critic, smallest):
        with pytest.raises(InputError, match=f"too small for the critic, needs at least {smallest} x {smallest}$"):
            critic(torch.zeros(1, critic.in_channels, smallest - 1, smallest))

    def test_every_weight_gets_a_gradient(self, critic, smallest):
        critic(torch.randn(4, critic.in_channels, 2 * smallest, 2 * smallest)).square().mean().backward()
        assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in critic.parameters())

    def test_folded_is_unfolded_and_a_state_dictionary_restores_it(self, critic, name, settings, smallest):
        image = torch.randn(2, critic.in_channels, smallest, smallest)
        critic.eval()
        folded, other = fold_norms(critic), create(**critic.architecture).eval()
        other.load_state_dict(critic.state_dict())
        assert not any(isinstance(module, NormedConv) for module in folded.modules())
        assert torch.equal(other(image), critic(image))
        torch.testing.assert_close(folded(image), critic(image), atol=1e-6, rtol=1e-5)


def test_training_brings_the_largest_singular_value_to_one():
    critic = create("small-critic", width=8)
    image = torch.randn(1, 1, 64, 64)
    for _ in range(30):
        critic(image)
    weights = [module.effective_weight() for module in critic.eval().modules() if isinstance(module, NormedConv)]
    largest = torch.stack([torch.linalg.matrix_norm(weight.flatten(1), 2) for weight in weights])
    torch.testing.assert_close(largest, torch.ones_like(largest), atol=0.1, rtol=0)


def test_the_small_critic_judges_64_pixel_patches_of_one_channel():
    critic = create("small-critic")
    assert critic(torch.zeros(1, 1, 64, 64)).shape == (1, 25)
    assert sum(weight.numel() for weight in critic.parameters()) < 4e6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "round"}, "form is 'round', needs 'plain' or 'dense'"),
        ({"width": 0}, "width is 0, needs a whole number of at least 1"),
        ({"dropout": 1.0}, r"dropout is 1.0, needs a number from 0 to below 1"),
        ({"frames": 3}, "network 'small-critic' does not take these settings: .*frames"),
    ],
)
def test_mistakes_end_in_one_line(settings, message):
    with pytest.raises(InputError, match=message):
        create("small-critic", **settings)
