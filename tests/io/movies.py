"""Movies of any shape, dtype and metadata, and their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from decrappify.movie import Movie

METADATA = ("pixel_size_um", "frame_interval_s", "channel_names", "channel_colors", "provenance")


def assert_same(one: Movie, other: Movie) -> None:
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    for name in ("shape", "dtype", *METADATA):
        assert getattr(one, name) == getattr(other, name), name


@st.composite
def movies(draw: Any, dtypes: Sequence[Any], names: st.SearchStrategy[str], max_side: int) -> Movie:
    """Draw a movie; its channel names, and the keys and texts of its provenance, are drawn from `names`."""
    shapes = hnp.array_shapes(min_dims=5, max_dims=5, max_side=max_side)
    array = draw(hnp.arrays(st.sampled_from(dtypes), shapes, elements={"min_value": 0, "max_value": 100}))
    n_channels = array.shape[1]
    size = st.none() | st.floats(1e-6, 1e4)
    color = st.sampled_from([None, "FF0000", "0A0B0C"])
    return Movie.from_array(
        array,
        pixel_size_um=draw(st.tuples(size, size, size)),
        frame_interval_s=draw(size),
        channel_names=draw(st.lists(names, min_size=n_channels, max_size=n_channels)),
        channel_colors=draw(st.lists(color, min_size=n_channels, max_size=n_channels)),
        provenance=draw(st.dictionaries(names, st.integers() | names | st.lists(st.booleans()), max_size=2)),
    )
