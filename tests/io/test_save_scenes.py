from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
import zarr

from decrappify import Movie, open_movie, scenes
from decrappify.errors import Cancelled, InputError, OutputExistsError
from decrappify.io import save_scenes

ENDINGS = ["ome.zarr", "ome.tif"]


@pytest.fixture
def movies(rng):
    """Two movies of different shape, dtype, channels and metadata, and a still without metadata."""
    first = Movie.from_array(
        rng.integers(0, 4000, (3, 2, 4, 16, 20), dtype=np.uint16),
        pixel_size_um=(0.5, 0.1, 0.1),
        frame_interval_s=2.5,
        channel_names=["ChA-T1", "ChS2"],
        channel_colors=["FF0000", None],
        provenance={"model": "a"},
        missing=[(1, 0, 2)],
    )
    second = Movie.from_array(rng.random((5, 24, 8), dtype=np.float32), unitless_spacing={"T": 5.0})
    return [first, second, Movie.from_array(rng.integers(0, 255, (9, 7), dtype=np.uint8))]


@pytest.mark.filterwarnings("ignore::decrappify.io.integrity.missing_planes.MissingPlanesWarning")
@pytest.mark.parametrize("ending", ENDINGS)
def test_save_scenes_keeps_pixels_names_and_metadata_of_each(tmp_path, movies, ending):
    path = save_scenes(movies, tmp_path / f"plate.{ending}", names=["A1", "B2", "B2"])
    assert scenes(path) == ["A1", "B2 (scene 1)", "B2 (scene 2)"]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    for number, movie in enumerate(movies):
        with open_movie(path, scene=number) as stored:
            for t, c, z in set(movie.planes()) - movie.missing:
                np.testing.assert_array_equal(stored.frame(t, c, z), movie.frame(t, c, z))
            for name in ("dtype", "pixel_size_um", "frame_interval_s", "channel_names", "channel_colors", "missing"):
                assert getattr(stored, name) == getattr(movie, name), name
            assert stored.provenance == movie.provenance
            assert stored.unitless_spacing == movie.unitless_spacing


def test_save_scenes_writes_valid_layouts(tmp_path, movies):
    path = save_scenes(movies[1:], tmp_path / "plate.ome.tif", names=["A1", "B2"])
    with tifffile.TiffFile(path) as file:
        assert [series.shape for series in file.series] == [(5, 24, 8), (9, 7)]
    group = zarr.open_group(save_scenes(movies[1:], tmp_path / "plate.ome.zarr", names=["A1", "B2"]))
    assert group.attrs["ome"]["bioformats2raw.layout"] == 3
    assert group["OME"].attrs["ome"]["series"] == ["0", "1"]
    assert group["1"].attrs["ome"]["multiscales"][0]["name"] == "B2"


@pytest.mark.parametrize("ending", ENDINGS)
def test_save_scenes_replaces_only_with_overwrite_and_cancels(tmp_path, movies, ending):
    path = save_scenes(movies[1:], tmp_path / f"plate.{ending}", names=["A1", "B2"])
    with pytest.raises(OutputExistsError, match="already exists"):
        save_scenes(movies[2:] * 2, path, names=["C1", "C2"])
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        save_scenes(movies[2:] * 2, path, names=["C1", "C2"], overwrite=True, cancel=cancel)
    assert scenes(path) == ["A1", "B2"]
    save_scenes(movies[2:] * 2, path, names=["C1", "C2"], overwrite=True)
    assert scenes(path) == ["C1", "C2"]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_save_scenes_refuses_films_and_wrong_numbers_of_names(tmp_path, movies):
    with pytest.raises(InputError, match=r"cannot store 3 scenes, .*; save them as OME-Zarr or OME-TIFF"):
        save_scenes(movies, tmp_path / "plate.mp4", names=["A", "B", "C"])
    with pytest.raises(InputError, match="found 3 movies and 1 names"):
        save_scenes(movies, tmp_path / "plate.ome.tif", names=["A"])
