"""Absent chunks of a Zarr store: lost, or omitted by the writer because they contain only the fill value."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.io.formats.omezarr.zarr_files import image
from tests.restoration.conftest import FAST, WindowMean, as_model
from zarr.storage import MemoryStore

from decrappify.errors import FormatError, InputError
from decrappify.io import open_movie, save_movie
from decrappify.movie import Movie
from decrappify.restoration import restore

LOST = {(2, 0, 0), (4, 0, 0)}


def stored(path: Path, pixels: np.ndarray, **options) -> Path:
    """Write a plain array, of which zarr omits the empty chunks by default."""
    options = {"chunks": (1, 8, 8), "dimension_names": list("tyx")} | options
    if options.get("zarr_format") == 2:
        del options["dimension_names"]
    zarr.create_array(path, data=pixels, **options)
    return path


def camera(rng: np.random.Generator) -> np.ndarray:
    """Return six frames with the offset of a camera: no pixel is 0."""
    return rng.integers(90, 4000, (6, 16, 24), dtype=np.uint16)


def opened(path, **options):
    """Return the movie, and the warnings that were issued while opening it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        movie = open_movie(path, **options)
    return movie, [str(warning.message) for warning in caught]


LAYOUTS = [
    {},
    {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    {"zarr_format": 2},
    {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    {"chunks": (1, 4, 4), "shards": (1, 8, 8)},
    {"fill_value": 7},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_planes_with_deleted_chunks_are_missing(tmp_path, rng, layout):
    pixels = camera(rng)
    path = stored(tmp_path / "cells.zarr", pixels, **layout)
    array = zarr.open_array(path)
    for y in range(2):
        for x in range(3):
            (path / array.metadata.encode_chunk_key((2, y, x))).unlink()
    (path / array.metadata.encode_chunk_key((4, 1, 1))).unlink()
    movie, (warning,) = opened(path)
    assert movie.missing == LOST
    assert warning.startswith("cells.zarr: 2 of 6 planes missing (frames 2, 4): chunk")
    assert not movie.frame(2).any()
    np.testing.assert_array_equal(movie.frame(3), pixels[3])
    assert movie[2:5].missing == {(0, 0, 0), (2, 0, 0)}
    filled, silent = opened(path, absent_chunks="fill")
    assert (filled.missing, silent) == (frozenset(), [])
    assert (filled.frame(2) == layout.get("fill_value", 0)).all()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_omitted_by_a_writer_are_data(tmp_path, rng, zarr_format):
    mask = np.zeros((6, 16, 24), np.uint16)
    mask[:, 3:14, 10:22] = rng.integers(1, 9, (6, 11, 12))
    mask[1, :, 8:16] = 0
    path = stored(tmp_path / "mask.zarr", mask, zarr_format=zarr_format)
    movie, (warning,) = opened(path)
    assert movie.missing == frozenset()
    assert "mask.zarr: 2 absent chunks in 1 plane are read as the fill value 0" in warning
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], mask)
    counted, (warning,) = opened(path, absent_chunks="missing")
    assert len(counted.missing) == 6
    assert "every plane" in warning


def test_gaps_of_a_mosaic_are_data_and_lost_chunks_next_to_them_are_missing(tmp_path, rng):
    pixels = camera(rng)
    pixels[:, 8:, 16:] = 0
    path = stored(tmp_path / "mosaic.zarr", pixels)
    assert opened(path)[0].missing == frozenset()
    (path / "c" / "5" / "0" / "0").unlink()
    assert opened(path)[0].missing == {(5, 0, 0)}


def test_black_border_does_not_warn(tmp_path, rng):
    pixels = camera(rng)
    pixels[:, :, :11] = 0
    movie, silent = opened(stored(tmp_path / "registered.zarr", pixels))
    assert (movie.missing, silent) == (frozenset(), [])


def test_planes_with_absent_chunks_are_classified_separately(tmp_path, rng):
    pixels = camera(rng)
    for t, shift in enumerate((0, 8, 11, 13, 18, 21)):  # one border ends at the edge of a chunk
        pixels[t, :, :shift] = 0
    movie, (lost, filled) = opened(stored(tmp_path / "registered.zarr", pixels))
    assert movie.missing == {(1, 0, 0)}
    assert "frame 1" in lost
    assert "12 absent chunks in 4 planes" in filled
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], pixels)


def test_lost_chunk_of_several_planes_makes_all_of_them_missing(tmp_path, rng):
    path = stored(tmp_path / "cells.zarr", camera(rng), chunks=(4, 16, 24))
    shutil.rmtree(path / "c" / "1")
    movie, (warning,) = opened(path)
    assert movie.missing == {(4, 0, 0), (5, 0, 0)}
    assert "frames 4, 5" in warning


def test_saved_stores_contain_every_chunk(tmp_path):
    pixels = np.zeros((3, 600, 600), np.uint16)
    pixels[:, :20] = 5
    path = save_movie(pixels, tmp_path / "cells.ome.zarr")
    assert opened(path)[1] == []
    (path / "0" / "c" / "1" / "0" / "0" / "1" / "1").unlink()  # a gap, in other stores
    assert opened(path)[0].missing == {(1, 0, 0)}


def test_absent_chunks_of_arrays_in_memory_are_missing(rng):
    store = MemoryStore()
    pixels = camera(rng)
    array = zarr.create_array(store, name="cells", data=pixels, chunks=(1, 8, 8), dimension_names=list("tyx"))
    movie, silent = opened(array)
    assert silent == []
    del store._store_dict["cells/c/2/0/1"]
    lossy, (warning,) = opened(array)
    assert lossy.missing == {(2, 0, 0)}
    assert "1 of 6 planes missing (frame 2): chunk c/2/0/1 is not in the store" in warning
    with pytest.raises(FormatError, match=r"frame 2 .* lacks its chunk c/2/0/1, which existed when it was opened"):
        movie.frame(2)
    assert movie.version(0) is None


def test_chunk_removed_after_opening_raises(tmp_path, rng):
    path = image(tmp_path / "cells.ome.zarr", camera(rng), "tyx", "0.5")
    movie = open_movie(path)
    version = movie.version(3)
    shutil.rmtree(path / "full" / "c" / "3")
    with pytest.raises(FormatError, match=r"frame 3 .* lacks its chunk c/3/0/0, which existed") as caught:
        movie.frame(3)
    assert "\n" not in str(caught.value)
    assert movie.version(3) != version
    assert movie.version(2) == open_movie(path, absent_chunks="fill").version(2)


@pytest.mark.parametrize("absent_chunks", ["auto", "missing", "fill"])
def test_store_removed_or_replaced_after_opening_raises(tmp_path, rng, absent_chunks):
    path = image(tmp_path / "cells.ome.zarr", camera(rng), "tyx", "0.5")
    movie = open_movie(path, absent_chunks=absent_chunks)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(FormatError, match="was removed after it was opened"):
        movie.frame(1)
    image(path, camera(rng)[:4], "tyx", "0.5")
    with pytest.raises(FormatError, match=r"zarr\.json was changed after it was opened"):
        movie.frame(1)


def test_store_too_large_to_be_listed_is_checked_when_it_is_read(tmp_path, rng, monkeypatch):
    path = stored(tmp_path / "cells.zarr", camera(rng))
    (path / "c" / "2" / "0" / "0").unlink()
    monkeypatch.setattr("decrappify.io.formats.omezarr.reading.chunks.LISTED", 10)
    movie, silent = opened(path)
    assert silent == []
    assert movie.frame(1).any()
    with pytest.raises(FormatError, match=r"lacks its chunk c/2/0/0; copy the store again, or pass absent_chunks="):
        movie.frame(2)
    assert opened(path, absent_chunks="missing")[0].missing == {(2, 0, 0)}
    assert not opened(path, absent_chunks="fill")[0].frame(2)[:8, :8].any()


def test_more_missing_planes_than_can_be_listed_raise(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(600_001, 4, 4), chunks=(99, 4, 4), dtype="u1")[0] = 1
    with pytest.raises(FormatError, match=r"a\.zarr contains 99 planes and lacks 599902, .* absent_chunks='fill'"):
        opened(tmp_path / "a.zarr")
    assert opened(tmp_path / "a.zarr", absent_chunks="fill")[0].missing == frozenset()


def test_absent_chunks_raises_for_other_formats_and_unknown_values(tmp_path):
    with pytest.raises(InputError, match=r"='fill' is for Zarr, and cells\.ome\.tif is not stored as Zarr"):
        open_movie(save_movie(np.ones((2, 8, 8), np.uint8), tmp_path / "cells.ome.tif"), absent_chunks="fill")
    with pytest.raises(InputError, match="is for Zarr, and movie"):
        open_movie(Movie.from_array(np.ones((2, 8, 8))), absent_chunks="missing")
    with pytest.raises(InputError, match="absent_chunks='zero' is not known, expected 'auto', 'missing' or 'fill'"):
        open_movie(stored(tmp_path / "cells.zarr", np.ones((2, 8, 8), np.uint8)), absent_chunks="zero")


def test_restore_applies_absent_chunks(tmp_path, rng, caplog):
    path = stored(tmp_path / "cells.zarr", camera(rng))
    shutil.rmtree(path / "c" / "2")
    model = as_model(WindowMean(1))
    with pytest.warns(
        UserWarning, match=r"1 of 6 planes missing \(frame 2\): chunks c/2/0/0, c/2/0/1, c/2/0/2 and 3 more"
    ):
        movie = open_movie(path)
    assert restore(movie, model, **FAST).missing == {(2, 0, 0)}
    caplog.clear()
    assert restore(path, model, **FAST).missing == {(2, 0, 0)}
    # one line, which names the command that states the chunks
    assert ["1 of 6 planes missing (frame 2)" in message for message in caplog.messages] == [True]
    assert restore(open_movie(path, absent_chunks="fill"), model, **FAST).missing == frozenset()


@pytest.mark.parametrize("layout", [{}, {"zarr_format": 2}, {"chunks": (1, 4, 4), "shards": (1, 8, 8)}], ids=str)
def test_empty_chunk_file_raises(tmp_path, rng, layout):
    path = stored(tmp_path / "cells.zarr", camera(rng), **layout)
    array = zarr.open_array(path)
    (path / array.metadata.encode_chunk_key((3, 0, 1))).write_bytes(b"")
    movie, warned = opened(path, axes="TYX")
    assert not warned
    assert movie.frame(2).shape == (16, 24)
    with pytest.raises(FormatError, match=r"frame 3 .* of .*cells\.zarr .*; .*copy"):
        movie.frame(3)
