from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from decrappify.errors import InputError
from decrappify.losses import (
    charbonnier,
    check_pixel_loss,
    content_loss,
    list_losses,
    pixel_loss,
    register_loss,
    rmse,
    ssim_map,
    tuple_loss,
    unregister_loss,
)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, 20, 24, generator=generator, requires_grad=True) for _ in range(3)]


@pytest.mark.parametrize("name", [loss.name for loss in list_losses()])
def test_pixel_losses_are_zero_for_equal_images_and_have_gradients(images, name):
    prediction, target, _ = images
    loss = pixel_loss(name)
    assert loss(target, target).item() == pytest.approx(0, abs=1e-6)
    value = loss(prediction, target)
    value.backward()
    assert value.shape == ()
    assert value.item() > 0
    assert torch.isfinite(prediction.grad).all()


def test_check_pixel_loss_accepts_registered_names():
    register_loss("own", meaning="a loss")(rmse)
    assert check_pixel_loss("own") == "own"
    unregister_loss("own")
    with pytest.raises(InputError, match=r"unknown loss 'own', expected one of l1, l2, .*; if a plugin file defines"):
        check_pixel_loss("own")


def test_error_in_a_registered_loss_names_the_loss(images):
    @register_loss("faulty", meaning="a loss")
    def faulty(prediction, target):
        raise ValueError("no\ntarget")

    try:
        for loss in (pixel_loss("faulty"), content_loss("faulty")):
            with pytest.raises(InputError, match=r"^loss 'faulty' failed: ValueError: no target$") as caught:
                loss(*images[:2])
            assert isinstance(caught.value.__cause__, ValueError)
    finally:
        unregister_loss("faulty")


def test_documentation_lists_every_loss():
    table = "\n".join(f"| `{loss.name}` | {loss.meaning} |" for loss in list_losses())
    page = Path(__file__).parents[2] / "docs" / "extend.md"
    assert table in page.read_text(encoding="utf-8"), f"docs/extend.md needs this table:\n{table}"


@pytest.mark.parametrize(
    ("name", "loss", "message"),
    [
        ("rmse", lambda prediction, target: prediction, "loss 'rmse' is registered already; choose another name"),
        ("my loss", lambda prediction, target: prediction, "loss name 'my loss' is not valid; use letters"),
        ("own", lambda prediction: prediction, r"loss 'own' cannot be called as loss\(prediction, target\): too many"),
        ("own", torch.nn.L1Loss, r"loss 'own' cannot be called .*: it is a class; register a function or an instance"),
    ],
)
def test_register_loss_rejects_invalid_losses(name, loss, message):
    before = list_losses()
    with pytest.raises(InputError, match=message):
        register_loss(name, meaning="own")(loss)
    assert list_losses() == before


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda prediction, target: (prediction - target).mean((1, 2, 3)),
            r"a tensor of shape \(2,\), expected",
        ),
        (lambda prediction, target: 0.5, "returned a float, expected a scalar tensor"),
    ],
)
def test_tuple_loss_rejects_a_loss_that_is_not_a_scalar(images, loss, message):
    with pytest.raises(InputError, match=message):
        tuple_loss(images[0], images[1], loss)


def test_charbonnier_matches_the_formula():
    difference = torch.tensor([[[[-2.0, 0.5], [0.0, 0.01]]]])
    expected = (np.sqrt(difference.numpy() ** 2 + 1e-4) - 1e-2).mean()
    assert charbonnier(difference, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(expected)


def test_ssim_map_equals_scikit_image(images):
    prediction, target = (image.detach().double() for image in images[:2])
    _, full = structural_similarity(
        prediction[0, 0].numpy(),
        target[0, 0].numpy(),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    np.testing.assert_allclose(ssim_map(prediction, target)[0, 0], full[5:-5, 5:-5], atol=1e-9)


def test_tuple_loss_averages_both_errors_and_the_weighted_difference(images):
    first, second, target = images
    loss = pixel_loss("l1")
    total, stability = tuple_loss(first, target, loss, prediction_2=second, stability_weight=0.5)
    torch.testing.assert_close(stability, loss(first, second))
    torch.testing.assert_close(total, (loss(first, target) + loss(second, target) + 0.5 * loss(first, second)) / 2)


def test_tuple_loss_of_one_prediction_is_the_pixel_loss(images):
    total, stability = tuple_loss(images[0], images[1], pixel_loss("l2"), stability_weight=3.0)
    torch.testing.assert_close(total, pixel_loss("l2")(images[0], images[1]))
    assert stability.item() == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pixel_loss("huber"), "unknown loss 'huber', expected one of l1, l2, charbonnier, rmse, ssim-mix"),
        (
            lambda: pixel_loss("ssim-mix")(torch.zeros(1, 1, 8, 20), torch.zeros(1, 1, 8, 20)),
            r"at least 11 x 11 .* \(8, 20\)",
        ),
    ],
)
def test_pixel_loss_rejects_unknown_names_and_small_images(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_rmse_is_computed_per_image():
    target = torch.zeros(2, 1, 4, 4)
    prediction = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.3)])
    assert float(rmse(prediction, target)) == pytest.approx(0.2, abs=2e-3)
    assert float(rmse(target, target)) == 0
