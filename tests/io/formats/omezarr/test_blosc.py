"""Blosc chunks whose header does not agree with their length are reported, since decoding them may end the process."""

from __future__ import annotations

from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from decrappify.errors import FormatError
from decrappify.io import open_movie
from decrappify.io.formats.omezarr.blosc import check_blosc, with_checked_blosc

PIXELS = (np.arange(2 * 16 * 16).reshape(2, 16, 16) % 251).astype(np.uint16)
LAYOUTS = {
    "zarr 2": {"zarr_format": 2, "compressors": numcodecs.Blosc(), "chunks": (1, 16, 16)},
    "zarr 2, filter": {
        "zarr_format": 2, "compressors": numcodecs.Blosc(), "filters": [numcodecs.Delta("<u2")], "chunks": (1, 16, 16),
    },
    "zarr 3": {"compressors": BloscCodec(), "chunks": (1, 16, 16), "dimension_names": list("tyx")},
    "shards": {
        "compressors": BloscCodec(), "chunks": (1, 16, 16), "shards": (2, 16, 16), "dimension_names": list("tyx"),
    },
}  # fmt: skip


def first_chunk(path: Path) -> Path:
    """Return the file of the first chunk or shard."""
    array = zarr.open_array(path)
    return path / array.metadata.encode_chunk_key((0, 0, 0))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(("at", "value"), [(4, 875_000_000), (8, 0), (12, 8), (12, 0xFFFFFFF0)])
def test_open_movie_reports_a_blosc_chunk_with_a_damaged_header(tmp_path, layout, at, value):
    path = tmp_path / "cells.zarr"
    zarr.create_array(path, data=PIXELS, **layout)
    movie = open_movie(path, axes="TYX")
    np.testing.assert_array_equal(movie.frame(0), PIXELS[0])
    chunk = first_chunk(path)
    content = bytearray(chunk.read_bytes())
    content[at : at + 4] = value.to_bytes(4, "little")
    chunk.write_bytes(content)
    with pytest.raises(FormatError, match=r"frame 0 .*the Blosc chunk (has|states) .*copy the store again"):
        open_movie(path, axes="TYX").frame(0)


def test_open_movie_reports_a_truncated_blosc_chunk(tmp_path):
    path = tmp_path / "cells.zarr"
    zarr.create_array(path, data=PIXELS, **LAYOUTS["zarr 3"])
    chunk = first_chunk(path)
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(FormatError, match="its header states"):
        open_movie(path).frame(0)
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(FormatError, match="has 9 bytes, expected at least 16"):
        open_movie(path).frame(0)


def test_with_checked_blosc_keeps_arrays_without_blosc():
    array = zarr.create_array(MemoryStore(), data=PIXELS, chunks=(1, 16, 16))
    assert with_checked_blosc(array) is array


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_with_checked_blosc_keeps_pixels_metadata_and_writing(layout):
    array = zarr.create_array(MemoryStore(), data=PIXELS, **layout)
    checked = with_checked_blosc(array)
    np.testing.assert_array_equal(checked[:], PIXELS)
    assert checked.metadata.to_dict() == array.metadata.to_dict()
    checked[0] = PIXELS[1]
    np.testing.assert_array_equal(array[0], PIXELS[1])


@given(
    st.integers(1, 3000), st.sampled_from(["blosclz", "lz4", "zlib", "zstd"]), st.integers(0, 2), st.integers(0, 500)
)
def test_check_blosc_accepts_chunks_written_by_numcodecs(n, name, shuffle, block):
    encoded = numcodecs.Blosc(cname=name, shuffle=shuffle, blocksize=block).encode(bytes(n))
    check_blosc(encoded, n)
    with pytest.raises(ValueError, match="at most"):
        check_blosc(encoded, n - 1)
