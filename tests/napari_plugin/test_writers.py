from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from decrappify import open_movie
from decrappify.errors import InputError, OutputExistsError
from napari_decrappify.writers import write_images

ENDINGS = ["ome.zarr", "ome.tif"]


def layer(rng, shape=(4, 16, 20), **attributes):
    attributes = {"scale": (2, 0.3, 0.3), "units": ("s", "um", "um"), "axis_labels": ("t", "y", "x")} | attributes
    return Image(rng.integers(0, 4000, shape, dtype=np.uint16), **attributes)


@pytest.mark.parametrize("ending", ENDINGS)
def test_write_images_keeps_scale(tmp_path, rng, ending):
    image = layer(rng)
    (path,) = write_images(str(tmp_path / f"out.{ending}"), [image.as_layer_data_tuple()])
    with open_movie(path) as movie:
        assert movie.pixel_size_um == pytest.approx((None, 0.3, 0.3))
        assert movie.frame_interval_s == pytest.approx(2)
        np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], image.data)


@pytest.mark.parametrize("ending", ENDINGS)
def test_write_images_writes_layers_as_channels_with_colors(tmp_path, rng, ending):
    images = [layer(rng, name="actin", colormap="green"), layer(rng, name="nuclei", colormap="#0080FF")]
    (path,) = write_images(str(tmp_path / f"out.{ending}"), [image.as_layer_data_tuple() for image in images])
    with open_movie(path) as movie:
        assert movie.channel_names == ("actin", "nuclei")
        assert movie.channel_colors == ("00FF00", "0080FF")
        for channel, image in enumerate(images):
            np.testing.assert_array_equal(np.asarray(movie)[:, channel, 0], image.data)


@pytest.mark.parametrize("ending", ["zarr", "ome.zarr", "tif", "ome.tif", "tiff"])
def test_napari_finds_writer(tmp_path, rng, ending):
    viewer = ViewerModel()
    viewer.add_layer(layer(rng, name="actin"))
    viewer.add_layer(layer(rng, name="nuclei"))
    path = str(tmp_path / f"out.{ending}")
    assert viewer.layers.save(path, plugin="decrappify") == [path]
    with open_movie(path) as movie:
        assert movie.shape == (4, 2, 1, 16, 20)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("labels", [None, ("z", "y", "x"), ("slice", "row", "column")])
def test_write_images_keeps_unitless_scale_of_stack(tmp_path, rng, ending, labels):
    image = Image(rng.integers(0, 4000, (4, 16, 20), dtype=np.uint16), scale=(2, 0.3, 0.3), axis_labels=labels)
    (path,) = write_images(str(tmp_path / f"out.{ending}"), [image.as_layer_data_tuple()])
    with open_movie(path) as movie:
        assert movie.shape == (1, 1, 4, 16, 20)
        assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, None, None), None)
        assert movie.unitless_spacing == {"Z": 2.0, "Y": 0.3, "X": 0.3}
        np.testing.assert_array_equal(np.asarray(movie)[0, 0], image.data)


@pytest.mark.parametrize("ending", ENDINGS)
def test_write_images_keeps_unitless_scale_of_movie(tmp_path, rng, ending):
    image = layer(rng, scale=(5, 0.3, 0.2), units=("pixel",) * 3)
    (path,) = write_images(str(tmp_path / f"out.{ending}"), [image.as_layer_data_tuple()])
    with open_movie(path) as movie:
        assert movie.shape == (4, 1, 1, 16, 20)
        assert movie.unitless_spacing == {"T": 5.0, "Y": 0.3, "X": 0.2}


@pytest.mark.parametrize("scale", [(1, 1, 1), (1, 0.3, 0.3)])
def test_write_images_warns_of_ambiguous_first_axis(tmp_path, rng, scale):
    image = Image(rng.integers(0, 4000, (4, 16, 20), dtype=np.uint16), name="cells", scale=scale)
    with pytest.warns(UserWarning, match=r"'cells' without axis labels.* saved as a movie .* set the axis labels"):
        (path,) = write_images(str(tmp_path / "out.ome.tif"), [image.as_layer_data_tuple()])
    with open_movie(path) as movie:
        assert movie.shape == (4, 1, 1, 16, 20)


def test_write_images_raises_for_layers_of_different_shape(tmp_path, rng):
    images = [layer(rng, name="a"), layer(rng, (4, 16, 21), name="b")]
    with pytest.raises(InputError, match=r"layer 'b' has shape .* expected .* like 'a'; save it separately"):
        write_images(str(tmp_path / "out.ome.tif"), [image.as_layer_data_tuple() for image in images])


def test_write_images_overwrites_nothing(tmp_path, rng):
    (path,) = write_images(str(tmp_path / "out.ome.tif"), [layer(rng).as_layer_data_tuple()])
    with pytest.raises(OutputExistsError, match="already exists"):
        write_images(path, [layer(rng).as_layer_data_tuple()])


def test_write_images_keeps_color_image(tmp_path, rng):
    pixels = rng.integers(0, 255, (16, 20, 3), dtype=np.uint8)
    (path,) = write_images(str(tmp_path / "out.ome.tif"), [Image(pixels, rgb=True).as_layer_data_tuple()])
    with open_movie(path) as movie:
        np.testing.assert_array_equal(np.asarray(movie)[0, :, 0], pixels.transpose(2, 0, 1))
