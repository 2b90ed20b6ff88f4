"""Small files that declare huge sizes, and named pipes instead of files."""

from __future__ import annotations

import json
import os
import struct
import zlib

import numpy as np
import pytest
import tifffile

from decrappify.crappify import Crappifier
from decrappify.errors import DecrappifyError, DeviceMemoryError, FormatError
from decrappify.io import open_movie, save_movie
from decrappify.io.images.photographs import read_photograph
from decrappify.io.media.opening import open_container
from decrappify.limits.files import MAX_PLANES, check_decoded_size, check_missing
from decrappify.model import load_model
from decrappify.movie import ArraySource, Movie
from decrappify.networks.weights import read_weights
from decrappify.training.config.run_file import train_from_file

OPENERS = {
    "movie": lambda path: open_movie(path).frame(0),
    "model": load_model,
    "run": train_from_file,
    "crappifier": Crappifier.load,
    "film": open_container,
    "weights": read_weights,
    "photograph": read_photograph,
}


def png(width, height, depth, color):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(side, compression, data, tile=None):
    """Return a TIFF page of `side` x `side` 16-bit pixels in one strip, or in tiles of which only one is stored."""
    tags = {256: side, 257: side, 258: 16, 259: compression, 262: 1, 277: 1}
    tags |= {273: 8, 278: side, 279: len(data)} if tile is None else {322: tile, 323: tile, 324: 8, 325: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def zarr_array(folder, shape, chunks):
    """Create a version 3 array without chunks."""
    folder.mkdir()
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "dimension_names": ["t", "c", "z", "y", "x"],
    }
    (folder / "zarr.json").write_text(json.dumps(document))
    return folder


COMPRESSED = zlib.compress(bytes(100_000))
BOMBS = {
    "gray.png": png(50_000, 50_000, 16, 0),
    "color.png": png(40_000, 40_000, 8, 2),
    "palette.png": png(40_000, 40_000, 8, 3),
    "largest.png": png(2**31 - 1, 2**31 - 1, 16, 6),
    "strip.tif": tiff(50_000, 8, COMPRESSED),
    "tile.tif": tiff(60_000, 8, COMPRESSED, tile=59_904),
    "lzw.tif": tiff(50_000, 5, b"\x80\x01" * 50),
}


@pytest.mark.parametrize("name", BOMBS)
def test_open_movie_rejects_a_decompression_bomb(name, tmp_path):
    (tmp_path / name).write_bytes(BOMBS[name])
    with pytest.raises((FormatError, DeviceMemoryError), match=r"GB .*(GB|MB|kB)|too many pixels") as caught:
        open_movie(tmp_path / name).region(0, 0, 0, slice(0, 10), slice(0, 10))
    assert "\n" not in str(caught.value)


def test_open_movie_rejects_a_chunk_that_is_a_decompression_bomb(tmp_path):
    path = zarr_array(tmp_path / "chunk.zarr", [1, 1, 1, 60_000, 60_000], [1, 1, 1, 60_000, 60_000])
    chunk = path / "c" / "0" / "0" / "0" / "0" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(bytes(5000))
    movie = open_movie(path)
    with pytest.raises(
        FormatError, match=r"a chunk of .* declares 7\.2 GB of pixels in 5\.0 kB of data, at most 268 MB"
    ):
        movie.region(0, 0, 0, slice(0, 10), slice(0, 10))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([1, 10**9, 1, 64, 64], "declares 1000000000 channels, at most 10000 are supported"),
        ([10**9, 1, 1, 64, 64], "declares 1000000000 planes .* at most 10000000 are supported"),
    ],
)
def test_open_movie_rejects_implausible_numbers_of_planes(tmp_path, shape, message):
    with pytest.raises(FormatError, match=message):
        open_movie(zarr_array(tmp_path / "cells.zarr", shape, [1, 1, 1, 64, 64]))


def test_movie_rejects_a_frame_larger_than_memory_but_reads_a_part(tmp_path):
    path = zarr_array(tmp_path / "plane.zarr", [2, 1, 1, 10**6, 10**6], [1, 1, 1, 512, 512])
    movie = open_movie(path, absent_chunks="fill")
    assert movie.region(1, 0, 0, slice(5, 9), slice(0, 8)).shape == (4, 8)
    with pytest.raises(DeviceMemoryError, match=r"frame 1 .* needs 2000\.0 GB, .* free; read a smaller part"):
        movie.frame(1)
    with pytest.raises(DeviceMemoryError, match=r"reading all of plane\.zarr needs 4000\.0 GB"):
        np.asarray(movie)


def test_movie_accepts_the_maximal_number_of_planes():
    class Long(ArraySource):
        def __init__(self):
            super().__init__(np.zeros((1, 4, 4), np.uint8))
            self.shape = (MAX_PLANES, *self.shape[1:])

    assert Movie(Long()).shape[0] == MAX_PLANES


def test_open_movie_reads_parts_of_a_tiled_tiff_of_ten_gigapixels(tmp_path):
    path, rng = tmp_path / "slide.tif", np.random.default_rng(0)
    tile = rng.integers(0, 255, (256, 256), dtype=np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:  # all tiles but the first are absent
        writer.write(
            (tile if number == 0 else None for number in range(391 * 391)),
            shape=(100_000, 100_000),
            dtype=np.uint8,
            tile=(256, 256),
            compression="zlib",
        )
    with open_movie(path) as movie:
        assert movie.shape == (1, 1, 1, 100_000, 100_000)
        np.testing.assert_array_equal(movie.region(0, 0, 0, slice(0, 256), slice(0, 256)), tile)


@pytest.mark.parametrize(("nbytes", "stored"), [(200 << 20, 100), (1 << 30, 20 << 20)])
def test_check_decoded_size_accepts_typical_compression_ratios(nbytes, stored):
    check_decoded_size("cells.tif", nbytes, stored)


@pytest.mark.parametrize(("n_recorded", "most"), [(1, 500_000), (6000, 600_000), (10**6, 2_000_000)])
def test_check_missing_limits_missing_planes_by_recorded_planes(n_recorded, most):
    check_missing("cells", most, n_recorded, "copy it again")
    with pytest.raises(FormatError, match=rf"{n_recorded} planes? and lacks {most + 1}, at most {most} may"):
        check_missing("cells", most + 1, n_recorded, "copy it again")


@pytest.mark.timeout(60)  # opening a pipe waits for a writer
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_every_reader_rejects_a_named_pipe(tmp_path):
    kinds = {
        "movie": ["a.tif", "a.png", "a.czi", "a.mp4", "a.bmp", "a"],
        "model": ["a.safetensors", "a.pth"],
        "run": ["a.toml"],
        "crappifier": ["b.toml", "b.json"],
        "film": ["b.mkv"],
        "photograph": ["b.jpg", "b.tiff"],
        "weights": ["b.pth"],
    }
    pipes = [(kind, tmp_path / name) for kind, names in kinds.items() for name in names]
    for _, path in pipes:
        os.mkfifo(path)
    store = save_movie(Movie.from_array(np.ones((2, 8, 8), np.uint16)), tmp_path / "chunk.ome.zarr")
    chunk = next(path for path in sorted((store / "0").rglob("*")) if path.is_file() and path.name != "zarr.json")
    document = tmp_path / "document.ome.zarr" / "zarr.json"
    document.parent.mkdir()
    chunk.unlink()
    for pipe in (chunk, document):
        os.mkfifo(pipe)
    for kind, path in [*pipes, ("movie", store), ("movie", document.parent)]:
        with pytest.raises(DecrappifyError, match=r"is a (named pipe|pipe or device), expected a regular"):
            OPENERS[kind](path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_open_movie_rejects_a_named_pipe_in_a_folder(tmp_path):
    for number in (1, 2, 4):
        tifffile.imwrite(tmp_path / f"cells_{number:03}.tif", np.full((8, 8), number, np.uint8))
    os.mkfifo(tmp_path / "cells_003.tif")
    with pytest.raises(DecrappifyError, match=r"cells_003\.tif is a named pipe"):
        open_movie(tmp_path)
