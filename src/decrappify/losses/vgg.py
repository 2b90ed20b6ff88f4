"""Feature trunk of torchvision's VGG16-BN with ImageNet weights, those of a file, or random ones."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify.errors import MissingFileError, ModelFileError
from decrappify.networks.shapes import shapes_only
from decrappify.networks.weights import read_weights

if TYPE_CHECKING:
    from torchvision.models import VGG16_BN_Weights

logger = logging.getLogger(__name__)

_N_MODULES = 43  # up to the last ReLU; the following pooling is not needed


def load(weights: str | Path) -> nn.Sequential:
    """Create the trunk up to its last ReLU, frozen and in eval mode.

    Parameters
    ----------
    weights : str or Path
        ``"imagenet"`` for torchvision's ``VGG16_BN_Weights.IMAGENET1K_V1``, from the cache of ``torch.hub`` or
        downloaded; ``"random"`` for random weights with a fixed seed; or a file with a state dictionary of
        torchvision's VGG16-BN or of its trunk (.pth or .safetensors).

    Raises
    ------
    MissingFileError
        If the file does not exist, or the ImageNet weights are not cached and cannot be downloaded.
    ModelFileError
        If the file cannot be read or does not contain these weights.
    """
    from torchvision.models import VGG16_BN_Weights, vgg16_bn

    with shapes_only():  # the classifier, nine tenths of the network, is never allocated
        features: nn.Sequential = vgg16_bn(weights=None).features[:_N_MODULES]
    if weights == "random":
        logger.warning("VGG16-BN with random weights: the feature loss is not perceptual; pass weights='imagenet'")
        _initialise(features.to_empty(device="cpu"))
    else:
        path = _imagenet_file(VGG16_BN_Weights.IMAGENET1K_V1) if weights == "imagenet" else Path(weights)
        _fill(features, path)
    return features.eval().requires_grad_(False)


def run(features: nn.Sequential, x: Tensor, taps: Container[int]) -> list[Tensor]:
    """Run the trunk and return the outputs of some of its modules.

    Parameters
    ----------
    features : nn.Sequential
        From `load`.
    x : Tensor
        Normalized images (N, 3, H, W).
    taps : container of int
        Indices of the modules, each a ReLU before a pooling.

    Returns
    -------
    list of Tensor
        Their outputs in order.
    """
    with_care = (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )
    found = []
    for number, module in enumerate(features):
        x = _convolve_with_care(module, x) if with_care and isinstance(module, nn.Conv2d) else module(x)
        if number in taps:  # a pooling follows, so no in-place ReLU changes it
            found.append(x)
    return found


def _convolve_with_care(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute a 3x3 convolution as the sum of nine 1x1 convolutions.

    Direct convolutions on CPUs add the 9 C products of a pixel sequentially. Their rounding error can exchange the
    order of two nearly equal pixels of a pooling, which changes the gradient by 1 %. The sum of 1x1 convolutions takes
    the same time, with a third of the rounding error.
    """
    height, width = x.shape[-2:]
    x = F.pad(x, (1, 1, 1, 1))
    parts = (
        F.conv2d(
            x[:, :, row : row + height, column : column + width],
            conv.weight[:, :, row : row + 1, column : column + 1],
            conv.bias if row == column == 0 else None,
        )
        for row in range(3)
        for column in range(3)
    )
    answer = next(parts)
    for part in parts:
        answer += part
    return answer


def _initialise(features: nn.Sequential) -> None:
    generator = torch.Generator().manual_seed(0)
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def _imagenet_file(weights: VGG16_BN_Weights) -> Path:
    url = str(weights.url)
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if path.is_file():
        return path
    logger.warning("downloading %s to %s", url, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hash_prefix = path.stem.rsplit("-", 1)[-1]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=hash_prefix, progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise MissingFileError(
            f"the ImageNet weights of VGG16-BN are not at {path} and {url} cannot be downloaded "
            f"({' '.join(str(error).split())}): download {path.name} elsewhere and copy it to {path}, or pass the path "
            "of the file as weights; weights='random' needs no file but is not perceptual"
        ) from error
    return path


def _fill(features: nn.Sequential, path: Path) -> None:
    if not path.is_file():
        raise MissingFileError(
            f"VGG16-BN weights: {path} is not a file, expected 'imagenet', 'random' or a file of torchvision's VGG16-BN"
        )
    state = {
        key.removeprefix("features."): value.float() if value.is_floating_point() else value
        for key, value in read_weights(path).items()
        if not key.startswith("classifier.")
    }
    try:
        features.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path} does not contain torchvision's VGG16-BN or its features; pass such a file"
        ) from error
