from __future__ import annotations

import pytest

from decrappify.io.growing.arrivals import AcquisitionEnded, Arrivals
from decrappify.io.growing.frames import GrowingFrames


class Files(GrowingFrames):
    """Frames of two files each, by their sizes."""

    def __init__(self):
        self.sizes, self.truncated = {}, set()

    def look(self):
        return 1 + max((t for t, _ in self.sizes), default=-1)

    def parts(self, t):
        return tuple(self.sizes.get((t, part)) for part in range(2))

    def is_readable(self, t):
        return t not in self.truncated

    def absent(self, t):
        return frozenset((t, c, 0) for c in range(2) if (t, c) not in self.sizes)

    def begin(self, n_frames):
        raise NotImplementedError

    read = version = begin


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def arrivals(files, clock):
    return Arrivals(files, 10.0, clock=lambda: clock[0])


def look_at(arrivals, clock, seconds):
    clock[0] = seconds
    arrivals.look()
    return arrivals.complete


def test_frame_is_complete_when_all_its_files_exist_and_stay_the_same(arrivals, files, clock):
    files.sizes[0, 0] = 7
    assert look_at(arrivals, clock, 0.0) == 0
    files.sizes[0, 1] = 3
    assert look_at(arrivals, clock, 1.0) == 0
    files.sizes[0, 1] = 7
    assert look_at(arrivals, clock, 1.2) == 0
    assert look_at(arrivals, clock, 1.6) == 1


def test_truncated_frame_is_not_complete(arrivals, files, clock):
    files.sizes |= {(0, 0): 7, (0, 1): 7}
    files.truncated.add(0)
    assert [look_at(arrivals, clock, seconds) for seconds in (0.0, 1.0, 60.0)] == [0, 0, 0]
    files.truncated.clear()
    assert look_at(arrivals, clock, 61.0) == 1


def test_many_frames_written_before_are_complete_together(arrivals, files, clock):
    files.sizes |= {(t, part): 7 for t in range(50) for part in range(2)}
    assert [look_at(arrivals, clock, seconds) for seconds in (0.0, 0.4)] == [0, 50]


def test_planes_are_missing_only_some_time_after_a_later_frame_began(arrivals, files, clock):
    files.sizes |= {(0, 0): 7, (0, 1): 7, (1, 0): 7}
    look_at(arrivals, clock, 0.0)
    assert look_at(arrivals, clock, 60.0) == 1
    files.sizes |= {(2, 0): 7, (2, 1): 7}
    assert look_at(arrivals, clock, 61.0) == 1
    assert arrivals.missing == set()
    assert look_at(arrivals, clock, 66.1) == 3
    assert arrivals.missing == {(1, 1, 0)}


def test_acquisition_ends_after_the_timeout_and_waiting_ends_with_the_run(arrivals, files, clock):
    arrivals._clock = lambda: clock.append(clock.pop() + 4.0) or clock[0]
    with pytest.raises(AcquisitionEnded):
        arrivals.wait_for(0)
    assert arrivals.is_over
    other = Arrivals(files, 10.0)
    other.ended.set()
    with pytest.raises(AcquisitionEnded):
        other.wait_for(0)
    assert not other.is_over
