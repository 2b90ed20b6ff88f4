"""How far a faster form of a network is from the network itself, on a random source."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def agreement_db(found: Tensor, exact: Tensor) -> float:
    """PSNR (dB) of a prediction against the exact one, over the exact one's range.

    Parameters
    ----------
    found, exact : Tensor
        Of one shape.

    Returns
    -------
    float
        ``inf`` where they are equal, ``-inf`` where one is not finite or the exact one is constant.

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
    """Make the random source, between 0 and 1, that forms of a network are compared on."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
