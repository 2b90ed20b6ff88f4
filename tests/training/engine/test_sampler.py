from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.training.engine.sampler import StepSampler


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.data())
def test_step_sampler_resumes_with_the_remaining_samples(last_step, batch_size, world_size, data):
    middle = data.draw(st.integers(0, last_step))

    def batches(first, last, rank):
        return list(
            StepSampler(first_step=first, last_step=last, batch_size=batch_size, rank=rank, world_size=world_size)
        )

    whole = [batches(0, last_step, rank) for rank in range(world_size)]
    assert [batches(0, middle, rank) + batches(middle, last_step, rank) for rank in range(world_size)] == whole
    items = sorted(item for rank in whole for batch in rank for item in batch)
    assert items == list(range(last_step * batch_size * world_size))


@pytest.mark.parametrize("first", [0, 2, 5])
def test_step_sampler_length_is_the_number_of_remaining_steps(first):
    sampler = StepSampler(first_step=first, last_step=5, batch_size=3)
    assert len(sampler) == len(list(sampler)) == 5 - first
