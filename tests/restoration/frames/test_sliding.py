from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.restoration.frames.reading import Frame
from decrappify.restoration.frames.sliding import SlidingWindow
from decrappify.windows import window_indices


def sliding(length, n_frames, read=None, is_recorded=lambda i: True):
    def frame(i):
        return Frame(np.full((1, 1, 1), i, np.float32))

    return SlidingWindow(length, n_frames, read or frame, lambda values: values, is_recorded)


def frames_of(window):
    return tuple(int(frame[0, 0, 0]) for frame in window.frames)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.sampled_from([1, 3, 5, 7]), st.data())
def test_sliding_window_follows_the_rule_and_reads_each_frame_once(length, n_frames, data):
    indices = data.draw(st.lists(st.integers(0, length - 1), unique=True).map(sorted))
    counts = Counter()

    def read(i):
        counts[i] += 1
        return Frame(np.full((1, 1, 1), i, np.float32))

    window = sliding(length, n_frames, read)
    for t in indices:
        assert frames_of(window.at(t)) == window_indices(t, length, n_frames)
    assert set(counts.values()) <= {1}
