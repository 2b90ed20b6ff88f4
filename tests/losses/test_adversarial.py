from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from decrappify.errors import InputError
from decrappify.losses import critic_loss, generator_adversarial_loss, patch_accuracy

KINDS = ["bce", "hinge", "least-squares"]


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(3)
    return [3 * torch.randn(4, 9, generator=generator) for _ in range(2)]


def test_bce_losses_equal_the_cross_entropy_of_every_patch(logits):
    real, fake = logits
    ones, zeros = (torch.full((4, 1), value).expand(4, 9) for value in (1.0, 0.0))
    against = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(critic_loss(real, fake), (against(real, ones) + against(fake, zeros)) / 2)
    torch.testing.assert_close(generator_adversarial_loss(fake), against(fake, ones))


def test_hinge_and_least_squares_match_manual_results():
    real, fake = torch.tensor([[2.0, 0.5]]), torch.tensor([[-3.0, 0.0]])
    assert critic_loss(real, fake, "hinge").item() == pytest.approx((0.25 + 0.5) / 2)
    assert generator_adversarial_loss(fake, "hinge").item() == pytest.approx(1.5)
    assert critic_loss(real, fake, "least-squares").item() == pytest.approx((0.625 + 4.5) / 2)
    assert generator_adversarial_loss(fake, "least-squares").item() == pytest.approx(8.5)


@pytest.mark.parametrize("kind", KINDS)
def test_adversarial_losses_weight_images_equally(kind, logits):
    real, fake = logits
    torch.testing.assert_close(critic_loss(real.repeat(2, 3), fake, kind), critic_loss(real, fake, kind))
    per_image = torch.stack([generator_adversarial_loss(fake[i : i + 1], kind) for i in range(4)])
    torch.testing.assert_close(generator_adversarial_loss(fake, kind), per_image.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_adversarial_gradients_have_the_expected_signs(kind, logits):
    real, fake = (x.requires_grad_() for x in logits)
    real_gradient, fake_gradient = torch.autograd.grad(critic_loss(real, fake, kind), [real, fake])
    (generator_gradient,) = torch.autograd.grad(generator_adversarial_loss(fake, kind), fake)
    assert (real_gradient[real < 1] < 0).all()
    assert (fake_gradient[fake > 0] > 0).all()
    assert (generator_gradient[fake < 1] < 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_adversarial_losses_sum_half_precision_in_float32(kind, dtype):
    real, fake = torch.full((2, 81), -300.0, dtype=dtype), torch.full((2, 81), 300.0, dtype=dtype)
    for half, full in (
        (critic_loss(real, fake, kind), critic_loss(real.float(), fake.float(), kind)),
        (generator_adversarial_loss(fake, kind), generator_adversarial_loss(fake.float(), kind)),
    ):
        assert half.dtype == torch.float32
        assert torch.isfinite(half)
        torch.testing.assert_close(half, full)


def test_patch_accuracy_is_the_share_of_correctly_classified_patches(logits):
    real, fake = logits
    found = patch_accuracy(real, fake)
    right = torch.cat([(real.sigmoid() > 0.5) == 1, (fake.sigmoid() > 0.5) == 0])
    assert found.item() == pytest.approx(right.double().mean().item())
    assert patch_accuracy(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0.5


@pytest.mark.parametrize(
    "make", [lambda x: critic_loss(x, x, "wasserstein"), lambda x: generator_adversarial_loss(x, "wasserstein")]
)
def test_adversarial_losses_reject_an_unknown_kind(make):
    message = "unknown adversarial loss 'wasserstein', expected one of bce, hinge, least-squares"
    with pytest.raises(InputError, match=message):
        make(torch.zeros(1, 1))
