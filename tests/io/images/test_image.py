from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from decrappify.errors import FormatError
from decrappify.io import open_movie
from decrappify.io.images.image import open_image

from .image_files import save


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("n_samples", "n_channels"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_png_keeps_its_bits_and_drops_transparency(tmp_path, rng, dtype, n_samples, n_channels):
    array = rng.integers(0, np.iinfo(dtype).max, (13, 17, n_samples), dtype=dtype)
    movie = open_movie(save(tmp_path / "cells.png", array[..., 0] if n_samples == 1 else array))
    assert movie.shape == (1, n_channels, 1, 13, 17)
    assert movie.dtype == dtype
    assert movie.channel_names == (("R", "G", "B") if n_channels == 3 else ("C0",))
    np.testing.assert_array_equal(np.asarray(movie)[0, :, 0], np.moveaxis(array[..., :n_channels], -1, 0))
    np.testing.assert_array_equal(movie.region(0, 0, 0, slice(2, 9), slice(4, 5)), array[2:9, 4:5, 0])


@pytest.mark.parametrize(
    ("mode", "suffix", "n_channels"),
    [
        *(("1", suffix, 1) for suffix in (".png", ".bmp")),
        *(("L", suffix, 1) for suffix in (".png", ".bmp", ".jpg")),
        *(("RGB", suffix, 3) for suffix in (".png", ".bmp", ".jpg")),
        ("CMYK", ".jpg", 3),
    ],
)
def test_pillow_modes_become_gray_or_color(tmp_path, rng, mode, suffix, n_channels):
    original = Image.fromarray(rng.integers(0, 255, (13, 17, 3), dtype=np.uint8)).convert(mode)
    original.save(tmp_path / f"cells{suffix}")
    movie = open_movie(tmp_path / f"cells{suffix}")
    assert movie.shape == (1, n_channels, 1, 13, 17)
    if suffix != ".jpg":
        expected = np.asarray(original.convert("L" if n_channels == 1 else "RGB")).reshape(13, 17, -1)
        np.testing.assert_array_equal(np.asarray(movie)[0, :, 0], np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize(("gray", "n_channels"), [(True, 1), (False, 3)])
def test_palettes_become_gray_or_color(tmp_path, rng, gray, n_channels):
    indices = rng.integers(0, 4, (9, 11), dtype=np.uint8)
    palette = np.array(
        [[0] * 3, [90] * 3, [255] * 3, [7] * 3] if gray else [[0, 1, 2], [9, 200, 7], [3, 3, 3], [8, 8, 0]]
    )
    original = Image.fromarray(indices, "L").convert("P")
    original.putpalette(palette.astype(np.uint8).tobytes())
    original.save(tmp_path / "cells.png")
    movie = open_movie(tmp_path / "cells.png")
    assert movie.shape[1] == n_channels
    np.testing.assert_array_equal(np.asarray(movie)[0, :, 0], np.moveaxis(palette[indices][..., :n_channels], -1, 0))


def test_rotated_photograph_is_read_upright(tmp_path, rng):
    original = Image.fromarray(np.kron(rng.integers(0, 255, (2, 3), dtype=np.uint8), np.ones((8, 8), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6
    original.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    movie = open_movie(tmp_path / "photo.jpg")
    assert movie.shape == (1, 1, 1, 24, 16)
    np.testing.assert_allclose(movie.frame(0), np.rot90(np.asarray(original), -1), atol=6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", ".png"), ("LA", ".png"), ("RGB", ".png"), ("P", ".png"), ("I;16", ".png"), ("RGB", ".jpg")],
)
def test_every_orientation_of_exif_is_read_upright(tmp_path, rng, mode, suffix, orientation):
    blocks = np.kron(rng.integers(0, 255, (2, 3), dtype=np.uint8), np.ones((8, 8), np.uint8))
    original = (
        Image.fromarray(blocks.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(blocks).convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    original.save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image.convert(None if mode == "I;16" else "L")))
    movie = open_image(path)
    assert movie.shape[3:] == expected.shape
    np.testing.assert_array_equal(movie.frame(0), expected)


def test_orientation_after_the_pixels_of_a_png_is_found(tmp_path, rng):
    pixels = rng.integers(0, 255, (8, 12), dtype=np.uint8)
    path = save(tmp_path / "photo.png", pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    content, data = path.read_bytes(), exif.tobytes()[6:]
    end = content.index(b"IEND") - 4
    chunk = b"eXIf" + data
    path.write_bytes(
        content[:end] + struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[end:]
    )
    np.testing.assert_array_equal(open_image(path).frame(0), np.rot90(pixels, -1))


@pytest.mark.parametrize("name", ["cells.png", "cells.jpg", "cells.bmp"])
@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_other_files_than_images_raise(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match="cannot be decoded as PNG, JPEG or BMP") as caught:
        open_image(tmp_path / name).frame(0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_truncated_images_raise(tmp_path, rng, suffix):
    path = save(tmp_path / f"cells{suffix}", rng.integers(0, 255, (40, 50), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(FormatError, match="cannot be decoded"):
        open_movie(path).frame(0)


def test_real_photographs_and_stills_are_read(real_data):
    photo = open_movie(real_data / "colour" / "bw" / "1880sBrooklynBridge.jpg")
    assert photo.shape == (1, 3, 1, 450, 564)
    with Image.open(real_data / "highres" / "ssi_neurons768x768.png") as original:
        np.testing.assert_array_equal(
            open_movie(real_data / "highres" / "ssi_neurons768x768.png").frame(0), np.asarray(original)
        )
