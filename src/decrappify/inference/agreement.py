"""Agreement of a faster form of a network with the network itself, on a simulated source."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_STRUCTURE_PX = 6
_NOISE = 0.1  # the agreement is then that of dim real movies (10 photons at the bright level)


def agreement_db(found: Tensor, exact: Tensor) -> float:
    """Compute the PSNR (dB) of a prediction against the exact one, over the range of the exact one.

    Parameters
    ----------
    found, exact : Tensor
        Predictions of the same shape.

    Returns
    -------
    float
        ``inf`` if they are equal, ``-inf`` if one is not finite or the exact one is constant.

    Examples
    --------
    >>> exact = torch.tensor([0.0, 1.0])
    >>> round(agreement_db(exact + 1e-4, exact))
    80
    """
    error = (found - exact).square().mean().item()
    if error == 0:
        return math.inf
    data_range = (exact.max() - exact.min()).item()
    return 10 * math.log10(data_range**2 / error) if data_range > 0 and math.isfinite(error) else -math.inf


def trial_source(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Create the simulated source, normalized like a movie, on which forms of a network are compared.

    Its content is that of the training data: smooth bright structures of about 10 pixels on a dark background, the same
    in all channels, and independent noise in each. A source of white noise would underestimate the agreement by 15 to
    25 dB: a denoiser removes nearly all of it, so that the rounding errors are compared with a prediction close to 0.

    Parameters
    ----------
    shape : tuple of int
        (N, C, H, W).
    device : torch.device
        Device of the result.

    Returns
    -------
    Tensor
        Float32, the same for every call: background 0, brightest structure 1.
    """
    generator = torch.Generator().manual_seed(0)
    n, _, height, width = shape
    coarse = torch.randn(n, 1, *(2 + side // _STRUCTURE_PX for side in (height, width)), generator=generator)
    structure = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False).clamp_min(0)
    noise = torch.randn(shape, generator=generator)
    return (structure / structure.amax().clamp_min(1e-6) + _NOISE * noise).to(device)
