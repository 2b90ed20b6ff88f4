"""Batch dictionary, and base class of the datasets with random items."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, NotRequired, TypedDict, TypeVar

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

Item = TypeVar("Item")


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
    target_2, weight : Tensor
        Target of X2, and weights of the pixels of both targets, of their shape; only in split data, in which source and
        target are parts of one noisy frame.
    movie : int
        Number of the movie or pair from which the window was taken; absent for photographs.
    """

    source: Tensor
    source_2: NotRequired[Tensor]
    target: Tensor
    target_2: NotRequired[Tensor]
    weight: NotRequired[Tensor]
    movie: NotRequired[int]


class SeededDataset(Dataset[Item], Generic[Item]):
    """Random items, each of which depends only on the seed and its index, not on previous draws.

    Attributes
    ----------
    length : int
        Number of items.
    seed : int
        Seed of all draws.
    """

    length: int
    seed: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Item:
        if not 0 <= index < self.length:
            raise IndexError(index)
        return self._draw(index, np.random.default_rng([self.seed, index]))

    @abstractmethod
    def _draw(self, index: int, rng: np.random.Generator) -> Item:
        """Return item `index`, drawn with its generator."""
