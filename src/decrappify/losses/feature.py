"""Feature loss: images compared by the features of a VGG16-BN trained on photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify._common.checks import short
from decrappify._common.plugins import HINT
from decrappify.errors import InputError
from decrappify.losses import vgg
from decrappify.losses.registry import list_losses

_TAPS = (22, 32, 42)  # the ReLUs before the last three poolings: 256, 512, 512 channels at 1/4, 1/8, 1/16
_SMALLEST = 16
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class _Form(NamedTuple):
    """Weight of each tap, and a factor of the Gram terms in addition to the squared weight (0 for no Gram terms)."""

    weights: tuple[float, float, float]
    gram: float


_FORMS = {"deoldify": _Form((20.0, 70.0, 10.0), 0.0), "lesson7": _Form((5.0, 15.0, 2.0), 5e3)}


class FeatureLoss(nn.Module):
    """L1 between images plus weighted L1 between their features (Johnson et al. 2016), as in DeOldify or fastai.

    The feature network is constant: always frozen and in eval mode, absent from `parameters` and `state_dict`, and
    moved to the device of the images. No graph is built for a `target` without ``requires_grad``.

    Parameters
    ----------
    form : {"deoldify", "lesson7"}
        DeOldify's tap weights 20, 70, 10, or those of fast.ai's course (lesson 7) and of PSSR: 5, 15, 2, with an L1
        between Gram matrices (Gatys et al. 2016) times 5000 and the square of the tap's weight.
    weights : str or Path
        ``"imagenet"`` (torchvision's, from the cache of ``torch.hub`` or downloaded); the path of a .pth or
        .safetensors file with the state dictionary of torchvision's VGG16-BN (``features.0.weight``, ...) or of its
        features alone; or ``"random"``, seeded, with which the loss is not perceptual.
    data : {"normalized", "unit"}
        Whether images are already ImageNet-normalized, or in the range 0 to 1 and normalized here. All terms, also
        that of the pixels, compare normalized images.

    Attributes
    ----------
    features : nn.Sequential
        The trunk of VGG16-BN, up to its last ReLU.

    Raises
    ------
    InputError
        If `form` or `data` is unknown, or if images differ in shape or are too small.
    MissingFileError
        If the weights do not exist.
    ModelFileError
        If the file cannot be read or does not contain these weights.

    Notes
    -----
    Shapes: two images (N, C, H, W) of at least 16 x 16 pixels; scalar, float32 for half precision. If C is not 3, each
    channel is compared separately, as a gray image.

    Examples
    --------
    >>> loss = FeatureLoss(weights="random", data="unit")
    >>> loss(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)).item()
    0.0
    >>> list(loss.parts(torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)))
    ['pixel', 'feat_0', 'feat_1', 'feat_2']
    """

    features: nn.Sequential

    def __init__(self, form: str = "deoldify", weights: str | Path = "imagenet", *, data: str = "normalized") -> None:
        super().__init__()
        if form not in _FORMS:
            raise InputError(f"form is {short(form)}, expected one of {', '.join(map(repr, _FORMS))}")
        if data not in ("normalized", "unit"):
            raise InputError(f"data is {short(data)}, expected 'normalized' or 'unit'")
        self.form = form
        self.data = data
        # Not a submodule: checkpoints would include it, and `train` would activate its batch norms.
        object.__setattr__(self, "features", vgg.load(weights))

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compute the sum of `parts`."""
        return torch.stack(list(self.parts(prediction, target).values())).sum()

    def parts(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compute the weighted terms: ``pixel``, ``feat_0`` ... ``feat_2`` and, in lesson 7, ``gram_0`` ... ``gram_2``.

        Parameters
        ----------
        prediction, target : Tensor
            See the class.
        """
        _check(prediction, target)
        weights, gram = _FORMS[self.form]
        images, targets = self._as_rgb(prediction), self._as_rgb(target)
        found = self._taps(images)
        with torch.set_grad_enabled(torch.is_grad_enabled() and target.requires_grad):
            expected = self._taps(targets)
        parts = {"pixel": F.l1_loss(images, targets)}
        for number, (weight, one, other) in enumerate(zip(weights, found, expected, strict=True)):
            parts[f"feat_{number}"] = weight * F.l1_loss(one, other)
        if gram:
            for number, (weight, one, other) in enumerate(zip(weights, found, expected, strict=True)):
                parts[f"gram_{number}"] = weight**2 * gram * F.l1_loss(_gram(one), _gram(other))
        return parts

    def _as_rgb(self, image: Tensor) -> Tensor:
        """Convert (N, C, H, W) to normalized (N, 3, H, W) or (N * C, 3, H, W), float32 at least."""
        image = _precise(image)
        if image.shape[1] != 3:
            image = image.flatten(0, 1).unsqueeze(1).expand(-1, 3, -1, -1)
        if self.data == "normalized":
            return image
        mean, std = (image.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
        return (image - mean) / std

    def _taps(self, x: Tensor) -> list[Tensor]:
        weight = next(self.features.parameters())
        if (weight.device, weight.dtype) != (x.device, x.dtype):
            with torch.inference_mode(False):  # inference tensors could not be used in training
                self.features.to(x)
        return [_precise(tap) for tap in vgg.run(self.features, x, _TAPS)]


def content_loss(
    name: str, *, vgg_weights: str | Path = "imagenet", data: str = "normalized"
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a loss between prediction and target by name.

    Parameters
    ----------
    name : str
        ``"feature-deoldify"``, ``"feature-lesson7"``, or a pixel loss: ``"l1"``, ``"l2"``, ``"charbonnier"``,
        ``"rmse"``, ``"ssim-mix"`` or a registered one.
    vgg_weights, data
        Parameters of `FeatureLoss`; not used by pixel losses.

    Returns
    -------
    callable
        ``loss(prediction, target)``, a scalar.

    Raises
    ------
    InputError
        For an unknown name; see `FeatureLoss` for errors of the weights.

    Examples
    --------
    >>> content_loss("l1")(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item()
    1.0
    """
    pixel_losses = {loss.name: loss.checked for loss in list_losses()}
    names = [*(f"feature-{form}" for form in _FORMS), *pixel_losses]
    if name not in names:
        raise InputError(f"unknown content loss {name!r}, expected one of {', '.join(names)}; {HINT}")
    return pixel_losses.get(name) or FeatureLoss(name.removeprefix("feature-"), vgg_weights, data=data)


def _check(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape or prediction.ndim != 4:
        raise InputError(
            f"the feature loss needs two images (N, C, H, W) of equal shape, found {tuple(prediction.shape)} "
            f"and {tuple(target.shape)}"
        )
    if min(prediction.shape[-2:]) < _SMALLEST:
        height, width = prediction.shape[-2:]
        raise InputError(f"the feature loss needs images of at least 16 x 16 pixels, found {height} x {width}")


def _gram(features: Tensor) -> Tensor:
    """Compute the Gram matrices, (N, C, H, W) to (N, C, C), in full precision even under autocast."""
    flat = features.flatten(2)
    with torch.autocast(flat.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
