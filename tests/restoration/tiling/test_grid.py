from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import InputError
from decrappify.restoration.tiling.grid import TileGrid

sizes = st.integers(1, 200)


@st.composite
def grids(draw):
    multiple = draw(st.sampled_from([1, 4, 8]))
    overlap = multiple * draw(st.integers(0, 5))
    return TileGrid(
        frame_shape=(draw(sizes), draw(sizes)),
        tile_size=overlap + multiple * draw(st.integers(1, 8)),
        overlap=overlap,
        multiple=multiple,
        margin=draw(st.integers(0, 20)),
        scale=draw(st.sampled_from([1, 2, 4])),
    )


def total_weight(grid):
    total = np.zeros([size * grid.scale for size in grid.padded_shape])
    for row, column in grid:
        total[row.place, column.place] += row.weights[:, None] * column.weights
    return total


@settings(max_examples=30, deadline=None)
@given(grids())
def test_tile_weights_sum_to_one(grid):
    np.testing.assert_allclose(total_weight(grid), 1, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_tiles_are_aligned_equal_and_no_larger_than_requested(grid):
    for spans, padded, side in zip((grid.rows, grid.columns), grid.padded_shape, grid.tile_shape, strict=True):
        assert all(span.source.start % grid.multiple == 0 for span in spans)
        assert {span.source.stop - span.source.start for span in spans} == {side}
        assert side % grid.multiple == 0
        assert side <= min(grid.tile_size, padded)
        assert spans[0].source.start == 0
        assert spans[-1].source.stop == padded
        shared = [a.source.stop - b.source.start for a, b in pairwise(spans)]
        assert all(overlap >= grid.overlap for overlap in shared)


def test_tile_margin_has_weight_at_the_image_border_only():
    grid = TileGrid(frame_shape=(8, 100), tile_size=60, overlap=20, margin=8, scale=2)
    left, right = grid.columns
    assert (left.kept.start, right.kept.start) == (0, 16)
    assert left.kept.stop == 2 * (left.source.stop - 8)
    assert left.weights[0] == right.weights[-1] == 1
    assert np.all(np.diff(right.weights) >= 0)


def test_frame_smaller_than_a_tile_is_one_tile():
    grid = TileGrid(frame_shape=(30, 50), tile_size=512, overlap=64, multiple=8, margin=16)
    assert len(grid) == 1
    assert grid.tile_shape == (32, 56)
    assert np.all(grid.rows[0].weights == 1)


@pytest.mark.parametrize(("shape", "mode"), [((13, 30), "reflect"), ((3, 30), "edge"), ((1, 1), "edge")])
def test_pad_reflects_or_repeats_the_edge(rng, shape, mode):
    frame = rng.random((2, *shape))
    grid = TileGrid(frame_shape=shape, tile_size=64, overlap=8, multiple=8)
    height, width = grid.padded_shape
    rows = np.pad(frame, [(0, 0), (0, height - shape[0]), (0, 0)], mode=mode)
    expected = np.pad(rows, [(0, 0), (0, 0), (0, width - shape[1])], mode="reflect" if width < 2 * shape[1] else "edge")
    np.testing.assert_array_equal(grid.pad(frame), expected)


@pytest.mark.parametrize(
    ("tile_size", "overlap", "message"),
    [
        (32, 32, "tile_size=32 is too small for tile_overlap=32, expected at least tile_size=40"),
        (30, 16, "tile_size=30 must be a multiple"),
        (32, 12, "tile_overlap=12 must be a multiple"),
    ],
)
def test_tile_grid_rejects_unsuitable_sizes(tile_size, overlap, message):
    with pytest.raises(InputError, match=message):
        TileGrid(frame_shape=(100, 100), tile_size=tile_size, overlap=overlap, multiple=8)
