from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import InputError
from decrappify.windows import check_n_frames, recorded_window, reflect, window_indices


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.sampled_from([1, 3, 5, 7]), st.data())
def test_window_indices_match_numpy_reflection(length, n_frames, data):
    t, half = data.draw(st.integers(0, length - 1)), n_frames // 2
    padded = np.pad(np.arange(length), half, mode="reflect")
    assert window_indices(t, length, n_frames) == tuple(padded[t : t + n_frames])
    assert window_indices(t, length, n_frames)[half] == t


def test_window_of_a_still_is_its_only_frame():
    assert window_indices(0, 1, 1) == (0,)
    assert reflect(-3, 1) == 0


@pytest.mark.parametrize("n_frames", [0, -1, 2, 4, 3.0, True, "3"])
def test_check_n_frames_rejects_invalid_lengths(n_frames):
    with pytest.raises(InputError, match=r"n_frames is .*, expected an odd integer such as 1, 3 or 5"):
        check_n_frames(n_frames)


@pytest.mark.parametrize(
    ("t", "length", "message"),
    [
        (3, 3, "frame 3 is outside the movie, which has frames 0 to 2"),
        (-1, 3, "frame -1 is outside"),
        (0, 1, "'fluorescence-still'"),
    ],
)
def test_window_indices_rejects_frames_without_a_window(t, length, message):
    with pytest.raises(InputError, match=message):
        window_indices(t, length, 3)


@pytest.mark.parametrize(
    ("t", "n_frames", "missing", "expected"),
    [
        (5, 3, {6}, (4, 5, 4)),
        (5, 3, {4}, (6, 5, 6)),
        (5, 3, {4, 6}, (3, 5, 7)),
        (0, 3, {1}, (2, 0, 2)),
        (9, 3, {8}, (7, 9, 7)),
        (5, 5, {3}, (7, 4, 5, 6, 7)),
        (5, 3, set(range(10)) - {5}, (5, 5, 5)),
        (5, 3, set(), (4, 5, 6)),
    ],
)
def test_recorded_window_replaces_missing_neighbors(t, n_frames, missing, expected):
    assert recorded_window(t, 10, n_frames, lambda i: i not in missing) == expected
