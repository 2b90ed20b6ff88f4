"""Pixel losses of (N, C, H, W) tensors; each returns one scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from decrappify.errors import InputError
from decrappify.losses.registry import PixelLoss, register_loss


@register_loss("l1", meaning="mean absolute error")
def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Compute the mean absolute error; it is minimized by the median of the possible targets."""
    return F.l1_loss(prediction, target)


@register_loss("l2", meaning="mean squared error")
def l2(prediction: Tensor, target: Tensor) -> Tensor:
    """Compute the mean squared error; it is minimized by the mean of the possible targets."""
    return F.mse_loss(prediction, target)


@register_loss("charbonnier", meaning="smooth L1, squared for errors far below 0.01")
def charbonnier(prediction: Tensor, target: Tensor, epsilon: float = 1e-2) -> Tensor:
    """Compute smooth L1, ``mean(sqrt(d² + ε²) - ε)`` (Charbonnier et al. 1994); `epsilon` in network units.

    >>> float(charbonnier(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))
    0.0
    """
    difference = prediction - target
    return (difference.square() + epsilon**2).sqrt().mean() - epsilon


@register_loss("rmse", meaning="root mean square error of each image, averaged over the batch")
def rmse(prediction: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Compute the root mean square error of each image, averaged over the batch; `epsilon` in network units.

    Within an image it is minimized by the mean of the possible targets, like L2, whereas L1 and related losses prefer
    the median and so flatten faint texture; in a batch of mixed noise levels it weights images more evenly than L2.

    >>> float(rmse(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)))
    0.99...
    """
    return ((prediction - target).square().mean(dim=(1, 2, 3)) + epsilon**2).sqrt().mean() - epsilon


def ssim_map(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Compute structural similarity with Wang's 11 x 11 Gaussian window (Wang et al. 2004), (N, C, H-10, W-10)."""
    channels = prediction.shape[1]
    offsets = torch.arange(11, dtype=prediction.dtype, device=prediction.device) - 5
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    line = line / line.sum()

    def blur(x: Tensor) -> Tensor:
        rows = line.view(1, 1, 11, 1).expand(channels, 1, 11, 1)
        return F.conv2d(F.conv2d(x, rows, groups=channels), rows.transpose(2, 3), groups=channels)

    mean_p, mean_t = blur(prediction), blur(target)
    var_p = blur(prediction * prediction) - mean_p**2
    var_t = blur(target * target) - mean_t**2
    covariance = blur(prediction * target) - mean_p * mean_t
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return ((2 * mean_p * mean_t + c1) * (2 * covariance + c2)) / ((mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2))


@register_loss("ssim-mix", meaning="0.84 (1 - SSIM) + 0.16 L1")
def ssim_mix(prediction: Tensor, target: Tensor) -> Tensor:
    """Compute ``0.84 (1 - SSIM) + 0.16 L1`` (the weights of Zhao et al. 2017, with one SSIM scale)."""
    if min(prediction.shape[-2:]) < 11:
        raise InputError(f"the SSIM loss needs images of at least 11 x 11 pixels, found {tuple(prediction.shape[-2:])}")
    return 0.84 * (1 - ssim_map(prediction, target).mean()) + 0.16 * F.l1_loss(prediction, target)


def tuple_loss(
    prediction: Tensor,
    target: Tensor,
    loss: PixelLoss,
    *,
    prediction_2: Tensor | None = None,
    stability_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Compute the tuple loss ``L(Y1, T) + L(Y2, T) + w L(Y1, Y2)``, divided by the number of predictions.

    Y1 and Y2 are predictions from two crappifications of the same window; the last term is the stability loss: it
    penalizes differences of the prediction due to noise alone, even if the target is noisy.

    Parameters
    ----------
    prediction, target : Tensor
        (N, C, H, W).
    loss : callable
        The pixel loss L.
    prediction_2 : Tensor, optional
        Y2; without it (measured pairs have one source) the loss is ``L(Y1, T)``.
    stability_weight : float
        w.

    Returns
    -------
    total, stability : Tensor
        The loss to minimize, and ``L(Y1, Y2)`` before its weight (0 without `prediction_2`).

    Raises
    ------
    InputError
        If the loss is not a scalar tensor.
    """
    if prediction_2 is None:
        return _scalar(loss(prediction, target)), prediction.new_zeros(())
    stability = _scalar(loss(prediction, prediction_2))
    fidelity = _scalar(loss(prediction, target)) + _scalar(loss(prediction_2, target))
    return (fidelity + stability_weight * stability) / 2, stability


def _scalar(value: Tensor) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim:
        found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputError(f"the loss returned {found}, expected a scalar tensor; average it, such as with .mean()")
    return value
