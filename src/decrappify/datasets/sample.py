"""Batch dictionary shared by datasets, training and tests."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from torch import Tensor


class Sample(TypedDict):
    """One training tuple, or (with a leading N axis) a batch of them; float32 in network units.

    Attributes
    ----------
    source : Tensor
        X1: the degraded window, (n_frames * C, H, W), frame after frame.
    source_2 : Tensor
        X2: the same window degraded a second time, independently; absent for pairs with one measured source.
    target : Tensor
        The original middle frame, (C, H * scale, W * scale).
    """

    source: Tensor
    source_2: NotRequired[Tensor]
    target: Tensor
