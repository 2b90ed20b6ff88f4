from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile

from decrappify.errors import InputError
from decrappify.io import open_movie, scenes
from decrappify.io.opening.image_objects import from_image_object, is_image_object
from decrappify.movie import Movie

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


class PlainImage:
    """The common interface of AICSImage and BioImage, with two scenes and no OME metadata."""

    scenes = ("Image:0", "Image:1")
    channel_names: list[str] | None = None
    physical_pixel_sizes: Any = SimpleNamespace(Z=None, Y=0.2, X=0.1)
    dims = SimpleNamespace(order="TCZYX")

    def __init__(self, array: np.ndarray, **attributes: Any) -> None:
        self.array, self.current_scene_index, self.current_scene = array, 0, "Image:0"
        vars(self).update(attributes)

    def set_scene(self, scene: str | int) -> None:
        self.current_scene_index = scene if isinstance(scene, int) else self.scenes.index(scene)
        self.current_scene = self.scenes[self.current_scene_index]

    def get_image_dask_data(self, order: str) -> da.Array:
        assert order == self.dims.order
        return da.from_array(self.array + self.array.dtype.type(self.current_scene_index), chunks=-1)


def bioimage(path: Path, array: np.ndarray, **metadata: Any) -> Any:
    from bioio import BioImage

    photometric = "rgb" if metadata["axes"].endswith("S") else "minisblack"
    tifffile.imwrite(path, array, ome=True, photometric=photometric, metadata=metadata)
    return BioImage(path)


@pytest.fixture
def array(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 60000, (4, 2, 3, 10, 12), dtype=np.uint16)


def test_bioimage_of_an_ome_tiff_has_all_metadata(tmp_path, array):
    image = bioimage(
        tmp_path / "cells.ome.tif",
        array,
        axes="TCZYX",
        **{
            f"PhysicalSize{axis}{unit}": value
            for axis, size in (("X", 65), ("Y", 65), ("Z", 500))
            for unit, value in (("", size), ("Unit", "nm"))
        },
        TimeIncrement=1500,
        TimeIncrementUnit="ms",
        Channel={"Name": ["GFP", "RFP"]},
    )
    assert is_image_object(image)
    movie = from_image_object(image)
    assert movie.name == "cells.ome.tif"
    assert movie.pixel_size_um == pytest.approx((0.5, 0.065, 0.065))
    assert movie.frame_interval_s == 1.5
    assert movie.channel_names == ("GFP", "RFP")
    assert movie.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(movie), array)
    np.testing.assert_array_equal(movie.region(2, 1, 0, slice(3, 7), slice(2, 9)), array[2, 1, 0, 3:7, 2:9])


def test_bioimage_of_a_color_file_has_three_channels(tmp_path, rng):
    array = rng.integers(0, 255, (3, 10, 12, 3), dtype=np.uint8)
    movie = from_image_object(bioimage(tmp_path / "color.ome.tif", array, axes="TYXS"))
    assert movie.shape == (3, 3, 1, 10, 12)
    assert movie.channel_names == ("R", "G", "B")
    np.testing.assert_array_equal(np.asarray(movie)[:, :, 0], np.moveaxis(array, -1, 1))


def test_bioimage_scenes_are_chosen_without_changing_the_object(tmp_path, array):
    from bioio import BioImage

    path = tmp_path / "scenes.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for scene in range(2):
            writer.write(array[0, 0] + np.uint16(scene), photometric="minisblack", metadata={"axes": "ZYX"})
    image = BioImage(path)
    second = from_image_object(image, scene=1)
    assert image.current_scene_index == 0
    np.testing.assert_array_equal(second.frame(0, 0, 2), array[0, 0, 2] + 1)
    np.testing.assert_array_equal(from_image_object(image).frame(0, 0, 2), array[0, 0, 2])
    named = from_image_object(image, scene=image.scenes[1])
    np.testing.assert_array_equal(named.frame(0), second.frame(0))
    image.set_scene(1)
    np.testing.assert_array_equal(from_image_object(image).frame(0), second.frame(0))


def test_only_the_requested_planes_are_computed():
    computed = []

    def block(block_info: Any = None) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"][:3])
        return np.zeros((1, 1, 1, 6, 7), np.uint8)

    lazy = da.map_blocks(
        block, chunks=((1,) * 50, (1, 1), (1,), (6,), (7,)), dtype=np.uint8, meta=np.empty((0,) * 5, "u1")
    )
    image = PlainImage(np.zeros(1))
    image.get_image_dask_data = lambda order: lazy  # type: ignore[method-assign]
    movie = from_image_object(image)
    assert movie.shape == (50, 2, 1, 6, 7)
    assert computed == []
    movie.frame(7, 1)
    assert computed == [(7, 1, 0)]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        ({"time_interval": None}, None),
        ({"time_interval": 2.5}, 2.5),
        ({"time_interval": timedelta(minutes=1)}, 60.0),
        ({"time_interval": 250, "dimension_properties": SimpleNamespace(T=SimpleNamespace(unit="millisecond"))}, 0.25),
        ({"time_interval": float("nan")}, None),
    ],
)
def test_frame_interval_of_every_form_is_read(array, attributes, expected):
    image = PlainImage(array, **attributes)
    assert from_image_object(image).frame_interval_s == expected
    assert from_image_object(image, frame_interval_s=7.0).frame_interval_s == 7.0


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, (None, 0.2, 0.1)),
        ({"physical_pixel_sizes": None}, (None, None, None)),
        ({"dimension_properties": SimpleNamespace(X=SimpleNamespace(unit="nanometer"))}, (None, 0.2, 0.0001)),
    ],
)
def test_pixel_size_of_every_form_is_read(array, attributes, expected):
    assert from_image_object(PlainImage(array, **attributes)).pixel_size_um == pytest.approx(expected)


@pytest.mark.parametrize(
    ("names", "expected"), [(None, ("C0", "C1")), (["a", "b"], ("a", "b")), (["one for two"], ("C0", "C1"))]
)
def test_channel_names_may_be_missing(array, names, expected):
    assert from_image_object(PlainImage(array, channel_names=names)).channel_names == expected


@pytest.mark.parametrize(
    ("n_channels", "n_samples", "names"),
    [
        (1, 3, ("R", "G", "B")),
        (1, 4, ("R", "G", "B")),
        (1, 2, ("C0",)),
        (2, 3, tuple(f"C{c} {s}" for c in (0, 1) for s in "RGB")),
    ],
)
def test_samples_become_channels_without_transparency(rng, n_channels, n_samples, names):
    array = rng.integers(0, 255, (2, n_channels, 1, 6, 7, n_samples), dtype=np.uint8)
    movie = from_image_object(PlainImage(array, dims=SimpleNamespace(order="TCZYXS")))
    assert movie.channel_names == names
    for c in range(len(names)):
        channel, sample = divmod(c, len(names) // n_channels)
        np.testing.assert_array_equal(movie.frame(1, c), array[1, channel, 0, :, :, sample])


def test_color_czi_is_converted_from_blue_green_red(rng):
    rgb = rng.integers(0, 255, (2, 1, 1, 6, 7, 3), dtype=np.uint8)
    reader = type("Reader", (), {"__module__": "bioio_czi.reader"})()
    image = PlainImage(rgb, dims=SimpleNamespace(order="TCZYXS"), reader=reader)
    image.get_image_data = lambda order: rgb[..., ::-1]  # type: ignore[attr-defined]
    movie = from_image_object(image)
    assert movie.channel_names == ("R", "G", "B")
    np.testing.assert_array_equal(np.asarray(movie)[:, :, 0], np.moveaxis(rgb[:, 0, 0], -1, 1))


@pytest.mark.parametrize("scene", [1, "1", "Image:1", "image:1"])
def test_scenes_are_chosen_by_number_and_by_name(array, scene):
    image = PlainImage(array)
    assert scenes(image) == ["Image:0", "Image:1"]
    np.testing.assert_array_equal(open_movie(image, scene=scene).frame(0), array[0, 0, 0] + 1)
    assert image.current_scene == "Image:0"


def test_scenes_of_one_name_are_chosen_by_number(array):
    image = PlainImage(array, scenes=("cells", "cells"), current_scene="cells", current_scene_index=1)
    assert scenes(image) == ["cells (scene 0)", "cells (scene 1)"]
    np.testing.assert_array_equal(open_movie(image, scene="cells (scene 0)").frame(0), array[0, 0, 0])
    assert image.current_scene_index == 1


@pytest.mark.parametrize("scene", [2, -1, "Image:7"])
def test_unknown_scenes_raise(array, scene):
    image = PlainImage(array)
    with pytest.raises(InputError, match=r"is not in PlainImage, which has scenes 0 \(Image:0\), 1 \(Image:1\)"):
        from_image_object(image, scene=scene)
    assert image.current_scene_index == 0


@pytest.mark.parametrize("value", [None, "cells.czi", np.zeros((3, 4)), 5])
def test_other_values_are_not_image_objects(value):
    assert not is_image_object(value)
    assert not is_image_object(Movie.from_array(np.zeros((3, 4), np.uint8)))
    with pytest.raises(InputError, match="is not an opened image"):
        from_image_object(value)
