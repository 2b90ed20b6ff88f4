from __future__ import annotations

import numpy as np
import pytest
import zarr

from decrappify.io.growing.open import open_growing


def has_all(frames, t):
    return all(part is not None for part in frames.parts(t))


def test_frames_of_a_chunk_are_complete_when_the_next_chunk_exists(tmp_path):
    path = tmp_path / "live.zarr"
    array = zarr.create_array(path, shape=(2, 8, 9), chunks=(2, 8, 9), dtype="uint16", dimension_names=list("tyx"))
    array[0] = 5
    frames = open_growing(path)
    assert (frames.look(), has_all(frames, 0)) == (2, False)
    array.resize((3, 8, 9))
    array[1] = 6
    assert (frames.look(), has_all(frames, 1)) == (3, False)
    array[2] = 7
    assert [has_all(frames, t) for t in range(3)] == [True, True, False]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_absent_chunks_are_missing_planes_unless_their_writer_omits_them(tmp_path, zarr_format):
    path = tmp_path / "live.zarr"
    array = zarr.create_array(path, shape=(3, 2, 8, 16), chunks=(1, 1, 8, 8), dtype="uint8", zarr_format=zarr_format)
    array[0] = 5
    array[1, 1, :, :8] = 5
    frames = open_growing(path, axes="TCYX")
    assert [has_all(frames, t) for t in range(3)] == [True, False, False]
    assert frames.absent(1) == {(1, 0, 0), (1, 1, 0)}
    assert open_growing(path, axes="TCYX", absent_chunks="fill").absent(1) == frozenset()
    movie = frames.begin(1)
    assert movie.shape == (1, 2, 1, 8, 16)
    assert np.array_equal(movie.frame(0, 1), np.full((8, 16), 5))
