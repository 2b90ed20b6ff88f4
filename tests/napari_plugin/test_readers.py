from __future__ import annotations

from collections import Counter

import av
import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image
from pylibCZIrw import czi
from tests.io.formats.tiff.tiff_files import write_lsm
from tests.napari_plugin.scene_files import write_scenes

from decrappify import Movie, save_movie
from decrappify.errors import FormatError
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.readers import get_reader

T, Y, X = 30, 64, 48


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 4000, (T, Y, X), dtype=np.uint16)


@pytest.fixture
def store_reads(monkeypatch):
    """Count chunks that are fetched from any Zarr store on disk."""
    counts = Counter()
    get = zarr.storage.LocalStore.get

    async def counting(self, key, *arguments, **options):
        if "/c/" in f"/{key}":
            counts[key] += 1
        return await get(self, key, *arguments, **options)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counting)
    return counts


def read(path):
    return [Image(data, **attributes) for data, attributes, _ in get_reader(str(path))(str(path))]


def write_czi(path, pixels):
    with czi.create_czi(str(path)) as document:
        for t, frame in enumerate(pixels):
            document.write(data=frame[..., np.newaxis], plane={"T": t, "C": 0, "Z": 0})
        document.write_metadata("cells", scale_x=2e-7, scale_y=2e-7, channel_names={0: "actin"})
    return path


def as_movie(pixels):
    return Movie.from_array(
        pixels, name="cells", pixel_size_um=(None, 0.2, 0.2), frame_interval_s=1.5, channel_colors=["FF0000"]
    )


def test_reader_returns_scale_of_czi(tmp_path, pixels):
    (layer,) = read(write_czi(tmp_path / "cells.czi", pixels))
    np.testing.assert_allclose(layer.scale[1:], 0.2)
    assert [str(unit) for unit in layer.units[1:]] == ["micrometer"] * 2
    assert layer.axis_labels == ("t", "y", "x")
    np.testing.assert_array_equal(layer.data[7].compute(), pixels[7])


@pytest.mark.parametrize("name", ["cells.ome.tif", "cells.ome.zarr"])
def test_reader_returns_scale_units_and_color(tmp_path, pixels, name):
    (layer,) = read(save_movie(as_movie(pixels), tmp_path / name))
    np.testing.assert_allclose(layer.scale, (1.5, 0.2, 0.2))
    assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]
    assert layer.axis_labels == ("t", "y", "x")
    np.testing.assert_allclose(layer.colormap.colors[-1], (1, 0, 0, 1))
    np.testing.assert_array_equal(np.asarray(layer.data[3]), pixels[3])


def test_reader_returns_interval_of_imagej_tiff(tmp_path, pixels):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(5, 5), metadata={"axes": "TYX", "finterval": 2.0, "unit": "um"}
    )
    (layer,) = read(path)
    np.testing.assert_allclose(layer.scale, (2, 0.2, 0.2))


def test_reader_returns_gray_film_with_its_interval(tmp_path, rng):
    frames = np.repeat(np.repeat(rng.integers(0, 255, (5, 8, 10), dtype=np.uint8), 4, axis=1), 4, axis=2)
    (layer,) = read(save_movie(Movie.from_array(frames, frame_interval_s=0.25), tmp_path / "film.mp4"))
    assert (layer.data.shape, layer.rgb, layer.axis_labels) == ((5, 32, 40), False, ("t", "y", "x"))
    np.testing.assert_allclose(layer.scale, (0.25, 1, 1))
    assert [str(unit) for unit in layer.units] == ["second", "pixel", "pixel"]
    assert np.abs(np.asarray(layer.data[3]).astype(int) - frames[3]).mean() < 12


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".avi", ".mkv"])
def test_reader_returns_color_film_as_rgb(scene, tmp_path, ending):
    path = tmp_path / f"film{ending}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 40, 32, "yuv420p"
        for t in range(4):
            frame = np.full((32, 40, 3), (50 * t, 40, 200), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    (layer,) = read(path)
    scene.add_layer(layer)
    assert (layer.data.shape, layer.rgb) == ((4, 32, 40, 3), True)
    scene.dims.set_current_step(0, 2)
    np.testing.assert_allclose(np.asarray(layer.data[2]).mean(axis=(0, 1)), (100, 40, 200), atol=8)
    with LayerImage.of(layer).movie() as opened:
        assert opened.frame_interval_s == pytest.approx(0.1)


def test_reader_returns_channels_and_scale_of_lsm(tmp_path, rng):
    pixels = rng.integers(0, 255, (2, 3, 24, 32), dtype=np.uint8)
    size = {"VoxelSizeX": 2e-7, "VoxelSizeY": 2e-7, "TimeIntervall": 1.5}
    layers = read(write_lsm(tmp_path / "cells.lsm", pixels, names=["GFP", "DAPI", "DIC"], **size))
    assert [layer.name for layer in layers] == [f"cells.lsm · {name}" for name in ("GFP", "DAPI", "DIC")]
    for channel, layer in enumerate(layers):
        np.testing.assert_allclose(layer.scale, (1.5, 0.2, 0.2))
        np.testing.assert_array_equal(np.asarray(layer.data), pixels[:, channel])


def test_reader_returns_multiscale_layer(tmp_path, rng):
    pixels = rng.integers(0, 4000, (3, 1200, 700), dtype=np.uint16)
    (layer,) = read(save_movie(as_movie(pixels), tmp_path / "cells.ome.zarr"))
    assert layer.multiscale
    assert [level.shape for level in layer.data][:2] == [(3, 1200, 700), (3, 600, 350)]
    with LayerImage.of(layer).movie() as movie:
        np.testing.assert_array_equal(movie.frame(2), pixels[2])


def test_moving_through_a_store_reads_one_chunk_per_step(viewer, qtbot, tmp_path, pixels, store_reads):
    path = save_movie(as_movie(pixels), tmp_path / "cells.ome.zarr")
    store_reads.clear()
    viewer.open(str(path), plugin="decrappify")
    qtbot.wait(50)
    assert sum(store_reads.values()) <= 6
    store_reads.clear()
    for t in (5, 6, 7, 8):
        viewer.dims.set_current_step(0, t)
    assert sum(store_reads.values()) == 4


def test_displayed_pyramid_reads_only_visible_chunks(viewer, qtbot, tmp_path, rng, store_reads):
    pixels = rng.integers(0, 4000, (12, 1200, 700), dtype=np.uint16)
    path = save_movie(as_movie(pixels), tmp_path / "cells.ome.zarr")
    store_reads.clear()
    viewer.open(str(path), plugin="decrappify")
    qtbot.wait(50)
    assert sum(store_reads.values()) <= 12 * 6 / 3
    store_reads.clear()
    viewer.dims.set_current_step(0, 9)
    assert sum(store_reads.values()) <= 6


@pytest.mark.parametrize(
    ("names", "shapes"),
    [
        (["t1", "t2", "t3"], [(3, 8, 9)]),
        (["brain", "liver"], [(8, 9), (8, 9)]),
        (["B02_s1_w1", "B02_s1_w2", "B03_s1_w1", "B03_s1_w2"], [(8, 9)] * 4),
    ],
)
def test_reader_of_folder_returns_movie_or_images(tmp_path, names, shapes):
    for number, name in enumerate(names):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((8, 9), number, np.uint16))
    layers = read(tmp_path)
    assert [layer.data.shape for layer in layers] == shapes
    read_again = [np.asarray(LayerImage.of(layer).movie()) for layer in layers]
    assert [int(each.ravel()[0]) for each in read_again] == list(range(len(names)))[: len(shapes)]


def test_reader_returns_a_layer_per_scene(tmp_path):
    path = tmp_path / "cells.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, value in (("A1", 1), ("B2", 2)):
            writer.write(np.full((3, 8, 9), value, np.uint16), metadata={"axes": "TYX", "Name": name})
    layers = read(path)
    assert [layer.name for layer in layers] == ["cells.ome.tif [A1]", "cells.ome.tif [B2]"]
    assert [int(LayerImage.of(layer).movie().frame(0)[0, 0]) for layer in layers] == [1, 2]


def test_channels_of_scenes_without_positions_are_not_added_to_each_other(tmp_path):
    path = tmp_path / "plate.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name in ("A1", "B2"):
            writer.write(np.ones((2, 8, 9), np.uint16), metadata={"axes": "CYX", "Name": name})
    assert [layer.visible for layer in read(path)] == [True, True, False, False]


def test_channels_of_scenes_at_their_positions_are_visible(tmp_path, rng):
    assert all(layer.visible for layer in read(write_scenes(tmp_path / "cells.czi", rng)))


def test_reader_of_folder_with_many_images_returns_the_first_and_warns(tmp_path):
    for name in "abcdefghijklmn":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((8, 9), np.uint16))
    with pytest.warns(UserWarning, match="14 scenes, of which the first was opened"):
        (layer,) = read(tmp_path)
    assert layer.data.shape == (8, 9)


def test_get_reader_returns_none_for_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    assert get_reader(str(tmp_path)) is None


@pytest.mark.parametrize("path", ["cells", ["a.tif", "b.tif"], "cells.csv"])
def test_get_reader_returns_none_for_other_paths(path):
    assert get_reader(path) is None


def test_get_reader_accepts_list_of_one_path(tmp_path, pixels):
    path = str(write_czi(tmp_path / "cells.CZI", pixels[:2]))
    assert get_reader([path])([path])[0][0].shape == (2, Y, X)


def test_reader_raises_for_damaged_file(tmp_path):
    path = tmp_path / "cells.czi"
    path.write_bytes(b"ZISRAWFILE" + bytes(100))
    with pytest.raises(FormatError, match=r"cells\.czi"):
        get_reader(str(path))(str(path))
