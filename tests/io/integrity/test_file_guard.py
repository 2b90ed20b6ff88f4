"""Inputs that are truncated, replaced or removed while they are read."""

from __future__ import annotations

import errno
import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.io.formats.czi.czi_files import write_planes
from tests.io.media.videos import smooth_movie, write_film

from decrappify.errors import FormatError
from decrappify.io import open_movie
from decrappify.io.integrity.file_guard import file_version

FRAMES = 12


def plain_tiff(folder: Path, rng: np.random.Generator) -> Path:
    tifffile.imwrite(folder / "cells.tif", rng.integers(90, 4000, (FRAMES, 64, 64), dtype=np.uint16))
    return folder / "cells.tif"


def packed_tiff(folder: Path, rng: np.random.Generator) -> Path:
    pixels = rng.integers(90, 4000, (FRAMES, 64, 64), dtype=np.uint16)
    tifffile.imwrite(folder / "cells.tif", pixels, compression="zlib")
    return folder / "cells.tif"


def czi(folder: Path, rng: np.random.Generator) -> Path:
    planes = {(0, t, 0, 0): rng.integers(90, 4000, (64, 64), dtype=np.uint16) for t in range(FRAMES)}
    return write_planes(folder / "cells.czi", planes)


def film(folder: Path, rng: np.random.Generator) -> Path:
    return write_film(folder / "cells.avi", smooth_movie(FRAMES), "mjpeg", "yuvj420p", "gray")


def folder_of_images(folder: Path, rng: np.random.Generator) -> Path:
    (folder / "cells").mkdir()
    for t in range(FRAMES):
        Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(folder / "cells" / f"t{t:02}.png")
    return folder / "cells"


def truncate_file(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def replace_file(file: Path) -> None:
    """Replace a file by another one of the same size and time."""
    before, other = file.stat(), file.with_name("other")
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    other.write_bytes(content)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


def remove_file(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("change", [truncate_file, replace_file, remove_file])
@pytest.mark.parametrize("write", [plain_tiff, packed_tiff, czi, film, folder_of_images])
def test_input_that_changes_while_it_is_read_raises(tmp_path, rng, write, change):
    path = write(tmp_path, rng)
    movie = open_movie(path)
    assert movie.frame(0).any()
    changed = path / f"t{FRAMES - 1:02}.png" if path.is_dir() else path
    opened = movie.version(FRAMES - 1)
    copy = pickle.dumps(movie._source) if not path.is_dir() else None
    change(changed)
    assert movie.version(FRAMES - 1) != opened
    with pytest.raises(FormatError, match=f"{changed.name} was (changed|removed) after it was opened") as caught:
        movie.frame(FRAMES - 1)
    assert "\n" not in str(caught.value)
    movie.close()
    if copy is not None:
        with pytest.raises((FormatError, FileNotFoundError)):
            pickle.loads(copy).read(FRAMES - 1, 0, 0, slice(0, 9), slice(0, 9))


@pytest.mark.parametrize("number", [3, 9])
def test_tiff_with_an_unreadable_page_list_raises(tmp_path, rng, monkeypatch, number):
    path, read, calls = packed_tiff(tmp_path, rng), tifffile.FileHandle.read, itertools.count()

    def failing_once(handle, size=-1):
        if next(calls) == number * FRAMES // 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(handle, size)

    monkeypatch.setattr(tifffile.FileHandle, "read", failing_once)
    with pytest.raises(FormatError, match=r"cells\.tif .*(Input/output error|corrupted)"):
        open_movie(path)


def test_file_version_differs_after_a_change_with_the_same_time(tmp_path):
    file = tmp_path / "cells.bin"
    file.write_bytes(b"frame 1")
    before, times = file_version(file), file.stat()
    assert file_version(file) == before
    file.write_bytes(b"frame 2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file_version(file) != before
    assert file_version(tmp_path / "absent") is None


def test_regions_of_uncompressed_planar_tiff_are_read_exactly(tmp_path, rng):
    pixels = rng.integers(0, 4000, (2, 3, 40, 50), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "planar.tif", pixels, planarconfig="separate", photometric="rgb")
    with open_movie(tmp_path / "planar.tif") as movie:
        for c in range(3):
            region = movie.region(1, c, 0, slice(7, 19), slice(11, 50))
            np.testing.assert_array_equal(region, pixels[1, c, 7:19, 11:50])
