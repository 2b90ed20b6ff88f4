from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.training.engine.sampler import StepSampler, prefetched


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


def test_prefetched_creates_the_next_batch_while_one_is_used():
    created = [threading.Event() for _ in range(3)]

    def batches():
        for number, event in enumerate(created):
            event.set()
            yield number, threading.current_thread()

    found = prefetched(batches())
    number, thread = next(found)
    assert (number, thread is threading.current_thread()) == (0, False)
    assert created[1].wait(10)
    assert not created[2].is_set()  # one batch ahead, not more
    assert [number for number, _ in found] == [1, 2]


def test_prefetched_raises_the_errors_of_the_data():
    def batches():
        yield 0
        raise OSError("frame 3 cannot be read")

    found = prefetched(batches())
    assert next(found) == 0
    with pytest.raises(OSError, match="frame 3 cannot be read"):
        next(found)
