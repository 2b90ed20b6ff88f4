from __future__ import annotations

import itertools

import pytest

from decrappify.io.integrity.missing_planes import describe_missing, list_planes


@pytest.mark.parametrize(
    ("missing", "shape", "expected"),
    [
        ({(9, 1, 0), (9, 2, 0)}, (10, 3, 1), "frame 9: channels 1, 2"),
        ({(3, 0, 0), (4, 0, 0), (5, 0, 0)}, (9, 1, 1), "frames 3 to 5"),
        ({(0, 0, 4)}, (1, 1, 6), "slice 4"),
        ({(0, 1, 4)}, (1, 2, 6), "channel 1, slice 4"),
        ({(2, 0, 1), (2, 1, 1), (2, 1, 2)}, (3, 2, 3), "frame 2: channel 0, slice 1 and channel 1, slices 1, 2"),
        ({(t, 1, 0) for t in range(0, 40, 2)}, (40, 2, 1), "frames 0, 2, 4, 6, 8, 10, 12, 14 and 12 more: channel 1"),
    ],
)
def test_list_planes_groups_frames_channels_and_slices(missing, shape, expected):
    assert list_planes(missing, shape) == expected


def test_list_planes_is_short_for_scattered_planes():
    scattered = [(t, t % 7, t % 5) for t in range(100)]
    assert len(list_planes(scattered, (100, 8, 6))) < 400
    assert list_planes(scattered, (100, 8, 6)).endswith("and 31 more groups")


@pytest.mark.parametrize(
    ("missing", "shape", "early"),
    [
        ([(3, 1, 0)], (4, 2, 1), True),
        ([(3, 1, 0), (2, 1, 0)], (4, 2, 1), False),
        ([(0, 1, 5)], (1, 2, 6), True),
        ([(0, 1, 4)], (1, 2, 6), False),
        ([(0, 1, 0)], (1, 2, 1), False),
    ],
)
def test_describe_missing_recognizes_a_stopped_recording(missing, shape, early):
    text = describe_missing(missing, shape)
    assert ("stopped early" in text) is early
    assert text.startswith(f"{len(missing)} of {shape[0] * shape[1] * shape[2]} planes")


def test_describe_missing_counts_every_plane():
    every = list(itertools.product(range(2), range(2), range(2)))
    assert describe_missing(every, (2, 2, 2)) == "8 of 8 planes were not recorded (frames 0, 1)"
