"""Errors of damaged chunks."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest
import zarr

from decrappify.errors import FormatError
from decrappify.io import open_movie


@pytest.mark.parametrize(
    ("compressor", "reason"),
    [
        (numcodecs.Blosc(), "Blosc reports error -1"),
        (numcodecs.Zlib(), "invalid "),
        (numcodecs.Zstd(), "Zstd decompression error: Data corruption detected"),
        (None, "they have another number of pixels than the chunk"),
    ],
    ids=str,
)
def test_error_of_a_damaged_chunk_states_chunk_and_reason(tmp_path, rng, compressor, reason):
    path = tmp_path / "cells.zarr"
    array = zarr.create_array(
        path, shape=(2, 64, 64), chunks=(1, 32, 64), dtype=np.uint16, compressors=compressor, zarr_format=2
    )
    array[:] = rng.poisson(100, (2, 64, 64))
    chunk = path / "1.1.0"
    data = chunk.read_bytes()
    chunk.write_bytes(b"123456" if compressor is None else data[:20] + bytes(40) + data[60:])
    movie = open_movie(path, axes="TYX")
    movie.frame(0)
    expected = rf"frame 1 .* cannot be decoded \(the data of chunk 1\.1\.0 are damaged: {reason}.*\); copy the store"
    with pytest.raises(FormatError, match=expected):
        movie.frame(1)
