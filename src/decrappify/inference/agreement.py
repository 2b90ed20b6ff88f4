"""Agreement of a faster form of a network with the network itself, on a random source."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
    """Create the random source, between 0 and 1, on which forms of a network are compared."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
