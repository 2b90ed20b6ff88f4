from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bioio import BioImage
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.io.movies import assert_same, movies

from decrappify.errors import InputError, OutputError, OutputExistsError
from decrappify.io.formats.tiff.open import open_tiff
from decrappify.io.formats.tiff.writing.writer import write_ome_tiff
from decrappify.movie import Movie, cast_movie

TYPES_KEPT = [np.uint8, np.int16, np.uint16, np.uint32, np.float32, np.float64]
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"]), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(movies(TYPES_KEPT, NAMES, max_side=4))
def test_ome_tiff_is_lossless(tmp_path_factory: pytest.TempPathFactory, movie: Movie) -> None:
    path = write_ome_tiff(movie, tmp_path_factory.mktemp("tiff") / "cells.ome.tif")
    assert_same(open_tiff(path), movie)


@pytest.mark.filterwarnings("ignore:As of version 0.4.0:DeprecationWarning")  # of bioio
def test_bioio_reads_the_written_pixels_and_metadata(tmp_path: Path) -> None:
    array = np.random.default_rng(4).integers(0, 65535, (3, 2, 2, 33, 70)).astype(np.uint16)
    movie = Movie.from_array(
        array, pixel_size_um=(0.5, 0.104, 0.105), frame_interval_s=1.5, channel_names=["GFP", "mCherry & µ"]
    )
    path = write_ome_tiff(movie, tmp_path / "cells.ome.tif")
    image = BioImage(path)
    np.testing.assert_array_equal(image.get_image_data("TCZYX"), array)
    assert tuple(image.physical_pixel_sizes) == (0.5, 0.104, 0.105)
    assert image.channel_names == ["GFP", "mCherry & µ"]
    pixels = image.metadata.images[0].pixels
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (1.5, "s")
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE


def test_write_ome_tiff_is_reproducible_and_raises_for_unsuitable_movies(tmp_path: Path) -> None:
    movie = Movie.from_array(np.array([[[-3.0, 0.5, 1.5, 254.6, 999.0]]], np.float32))
    first = write_ome_tiff(cast_movie(movie, "uint8"), tmp_path / "a.ome.tif").read_bytes()
    assert write_ome_tiff(cast_movie(movie, "uint8"), tmp_path / "b.ome.tif").read_bytes() == first
    assert open_tiff(tmp_path / "a.ome.tif").frame(0).tolist() == [[0, 0, 2, 255, 255]]
    with pytest.raises(OutputExistsError, match=r"a\.ome\.tif already exists; .*overwrite=True"):
        write_ome_tiff(movie, tmp_path / "a.ome.tif")
    with pytest.raises(InputError, match="is int64, which OME-TIFF cannot store"):
        write_ome_tiff(cast_movie(movie, "int64"), tmp_path / "c.ome.tif")
    with pytest.raises(InputError, match=r"is float16, .* or pass dtype='float32'"):
        write_ome_tiff(cast_movie(movie, "float16"), tmp_path / "c.ome.tif")
    with pytest.raises(InputError, match="dtype='color' is not known"):
        write_ome_tiff(cast_movie(movie, "color"), tmp_path / "c.ome.tif")
    broken = Movie.from_array(np.array([[[np.nan]]]))
    with pytest.raises(InputError, match="frame 0 of movie contains NaN, which uint16 cannot"):
        write_ome_tiff(cast_movie(broken, "uint16"), tmp_path / "c.ome.tif")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.ome.tif", "b.ome.tif"]


LIMITED = """
import resource, signal, sys
import numpy as np
from decrappify.errors import OutputError
from decrappify.io import save_movie
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 65535, (4, 300, 300)).astype(np.uint16)
try:
    save_movie(noise, sys.argv[1])
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
@pytest.mark.parametrize("name", ["cells.ome.tif", "cells.ome.zarr"])
def test_failed_write_leaves_no_files(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / name)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{name} could not be written: the file is larger than" in result.stdout
    assert not list(tmp_path.iterdir())


def test_missing_output_folder_raises(tmp_path: Path) -> None:
    movie = Movie.from_array(np.zeros((6, 40, 50), np.uint16))
    with pytest.raises(OutputError, match=r"folder .*absent does not exist; create it first"):
        write_ome_tiff(movie, tmp_path / "absent" / "cells.ome.tif")
