"""Batches by global step, so that a resumed or distributed run draws exactly what an undisturbed one would have."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler


class StepSampler(Sampler[list[int]]):
    """Item numbers of each step's batch on one rank: step, then rank, then position.

    Examples
    --------
    >>> list(StepSampler(first_step=1, last_step=3, batch_size=2, rank=1, world_size=2))
    [[6, 7], [10, 11]]
    """

    def __init__(self, *, first_step: int, last_step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.first_step, self.last_step = first_step, last_step
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first_step, self.last_step):
            start = (step * self.world_size + self.rank) * self.batch_size
            yield list(range(start, start + self.batch_size))

    def __len__(self) -> int:
        return self.last_step - self.first_step
