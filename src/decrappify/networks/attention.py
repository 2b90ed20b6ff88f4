"""Self-attention over the pixels of a feature map with linear memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify.errors import InputError
from decrappify.networks.blocks import SpectralConv1d

_TOKENS = 2048  # pixels computed at once: bounds the memory if no fused kernel supports these widths


class SelfAttention(nn.Module):
    """Self-attention of SAGAN (Zhang et al. 2019) as in fastai v1: ``gamma * value @ softmax(q^T k) + x``.

    The softmax is over the *query* axis, without division by the square root of the channels; this equals
    scaled-dot-product attention with query and key exchanged and a scale of one. Pixels are processed in groups, so
    memory grows linearly with their number, not quadratically.

    Parameters
    ----------
    channels : int
        Channels of the feature map, at least 8.

    Raises
    ------
    InputError
        For fewer than 8 channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 8:
            raise InputError(f"self-attention needs at least 8 channels, found {channels}; widen the network")
        self.query = self._projection(channels, channels // 8)
        self.key = self._projection(channels, channels // 8)
        self.value = self._projection(channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1))

    @staticmethod
    def _projection(n_in: int, n_out: int) -> SpectralConv1d:
        conv = SpectralConv1d(n_in, n_out, 1, bias=False)
        conv.set_weight(nn.init.kaiming_normal_(torch.empty(n_out, n_in, 1)))
        return conv

    def forward(self, x: Tensor) -> Tensor:
        """Apply self-attention: (N, C, H, W) to the same shape."""
        pixels = x.flatten(2)
        query, key, value = (part(pixels).transpose(1, 2).unsqueeze(1) for part in (self.query, self.key, self.value))
        attended = torch.cat(
            [F.scaled_dot_product_attention(group, query, value, scale=1.0) for group in key.split(_TOKENS, dim=2)],
            dim=2,
        )
        return self.gamma * attended.transpose(2, 3).reshape(x.shape) + x
