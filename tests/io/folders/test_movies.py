from __future__ import annotations

import numpy as np
import pytest
import tifffile
from tests.io.images.image_files import save

from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io import open_movie
from decrappify.io.folders.movies import GridSource
from decrappify.io.images.image import open_image
from decrappify.movie import Movie


@pytest.mark.parametrize(
    ("n_frames", "message"),
    [(1_000_001, "contains 1000001 planes and lacks 2000002"), (9_999_999, "declares 29999997 planes")],
)
def test_grid_source_raises_for_more_missing_planes_than_can_be_listed(tmp_path, n_frames, message):
    file = save(tmp_path / "t1.tif", np.ones((4, 4), np.uint8))
    inside = Movie.from_array(np.broadcast_to(np.uint8(1), (n_frames, 4, 4)))
    with pytest.raises(FormatError, match=message):
        GridSource({(0, 0, 0): file}, (3, 1, 1), lambda _: inside, inside)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_folders_are_read_in_natural_order(tmp_path, rng, suffix, channels):
    array = rng.integers(0, 255, (12, 9, 11, 3), dtype=np.uint8)
    frames = array[..., 0] if channels == 1 else array
    for t in rng.permutation(12):
        save(tmp_path / f"cells_t{t}{suffix}", frames[t])
    (tmp_path / f"cells_t3{suffix}").rename(tmp_path / f"cells_t3{suffix.upper()}")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / f".hidden{suffix}").write_text("not an image")
    movie = open_movie(tmp_path, frame_interval_s=4.0)
    assert movie.shape == (12, channels, 1, 9, 11)
    assert movie.frame_interval_s == 4.0
    assert movie.name == tmp_path.name
    for t in (0, 11, 2, 10, *range(12)):
        for c in range(channels):
            np.testing.assert_array_equal(movie.frame(t, c), array[t, ..., c])
    np.testing.assert_array_equal(movie[3:5].region(1, 0, 0, slice(1, 3), slice(2, 4)), array[4, 1:3, 2:4, 0])
    movie.close()


def test_pages_of_tiff_frames_are_slices(tmp_path, rng):
    array = rng.integers(0, 60000, (5, 4, 9, 11), dtype=np.uint16)
    for t in range(5):
        save(tmp_path / f"volume{t}.tif", array[t])
    movie = open_movie(tmp_path)
    assert movie.shape == (5, 1, 4, 9, 11)
    np.testing.assert_array_equal(np.asarray(movie)[:, 0], array)


def test_imagej_frames_keep_scale_and_channels(tmp_path, rng):
    array = rng.integers(0, 60000, (3, 2, 9, 11), dtype=np.uint16)
    for t in range(3):
        tifffile.imwrite(
            tmp_path / f"t{t}.tif", array[t], imagej=True, resolution=(5, 5), metadata={"axes": "CYX", "unit": "um"}
        )
    movie = open_movie(tmp_path)
    assert movie.shape == (3, 2, 1, 9, 11)
    assert movie.pixel_size_um == pytest.approx((None, 0.2, 0.2))
    np.testing.assert_array_equal(np.asarray(movie)[:, :, 0], array)


@pytest.mark.filterwarnings("ignore:.*reading array from closed file:UserWarning")
def test_ome_frames_that_refer_to_each_other_are_one_movie(tmp_path, rng):
    array = rng.integers(0, 60000, (3, 9, 11), dtype=np.uint16)
    parts = "".join(
        f'<TiffData FirstT="{t}" PlaneCount="1"><UUID FileName="t{t}.ome.tif">urn:uuid:{t}</UUID></TiffData>'
        for t in range(3)
    )
    for t in range(3):
        ome = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{t}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="11" SizeY="9" SizeZ="1" SizeC="1" '
            f'SizeT="3" TimeIncrement="2"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"t{t}.ome.tif", array[t], description=ome, metadata=None)
    movie = open_movie(tmp_path)
    assert movie.shape == (3, 1, 1, 9, 11)
    assert movie.frame_interval_s == 2.0
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], array)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    "odd", [np.zeros((9, 12), np.uint8), np.zeros((9, 11), np.uint16), np.zeros((9, 11, 3), np.uint8)]
)
def test_frames_of_different_shape_or_dtype_raise(tmp_path, suffix, odd):
    for t in range(3):
        save(tmp_path / f"t{t}{suffix}", odd if t == 2 else np.zeros((9, 11), np.uint8))
    with pytest.raises(InputError, match=rf"differ: t0\{suffix} is 9 × 11 uint8.*t2\{suffix} is 9 × 1") as caught:
        open_movie(tmp_path)
    assert "\n" not in str(caught.value)


def test_file_changed_after_opening_raises(tmp_path):
    for t in range(2):
        save(tmp_path / f"t{t}.png", np.zeros((9, 11), np.uint8))
    movie = open_movie(tmp_path)
    save(tmp_path / "t1.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(FormatError, match=r"t1\.png was changed after it was opened \(69 bytes then, 68 now\)"):
        movie.frame(1)
    with open_movie(tmp_path / "t0.png") as still:
        save(tmp_path / "t0.png", np.zeros((5, 5), np.uint8))
        with pytest.raises(FormatError, match=r"t0\.png was changed after it was opened"):
            still.frame(0)


def test_folders_without_images_or_with_mixed_formats_raise(tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(InputError, match="contains no images"):
        open_movie(tmp_path)
    for name in ("a.png", "b.png", "c.tif"):
        save(tmp_path / name, np.zeros((9, 11), np.uint8))
    with pytest.raises(InputError, match=r"contains 2 \.png and 1 \.tif files"):
        open_movie(tmp_path)


def test_missing_files_and_damaged_tiff_frames_raise(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        open_image(tmp_path / "none.png")
    for name in ("t0.tif", "t1.tif"):
        (tmp_path / name).write_bytes(b"<html>")
    with pytest.raises(FormatError, match=r"cannot read t0\.tif as TIFF"):
        open_movie(tmp_path)
