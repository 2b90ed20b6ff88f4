from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from decrappify.errors import DeviceMemoryError, FormatError, InputError, MissingFileError, OutputExistsError
from decrappify.io.images.photograph_writer import write_photograph
from decrappify.io.images.photographs import DESCRIPTION, Photograph, read_description, read_photograph

SUFFIXES = [".png", ".jpg", ".tif"]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, (20, 31, 3), dtype=np.uint8)


def exif(**tags):
    made = Image.Exif()
    for tag, value in tags.items():
        made[int(tag[1:], 16)] = value
    return made


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_images_are_read_upright(tmp_path, rgb, orientation, suffix):
    Image.fromarray(rgb).save(tmp_path / f"a{suffix}", exif=exif(_112=orientation), dpi=(300, 200))
    read = read_photograph(tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as image:
        np.testing.assert_array_equal(read.pixels, np.asarray(ImageOps.exif_transpose(image)))
    assert read.dpi == pytest.approx((200, 300) if orientation > 4 else (300, 200), abs=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_are_read_upright(tmp_path, rgb, orientation):
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", rgb.astype(np.uint16) * 257, photometric="rgb", extratags=tag)
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=exif(_112=orientation))
    expected = read_photograph(tmp_path / "a.png").pixels.astype(np.uint16) * 257
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.tif").pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_png_images_are_read_upright(tmp_path, rng, orientation):
    pixels = rng.integers(0, 65536, (6, 9), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif(_112=orientation))
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.png").pixels, np.stack([expected] * 3, axis=2))


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_depths_above_8_bits_are_scaled_to_16_bits(tmp_path, bits, photometric):
    top = (1 << bits) - 1
    ramp = np.linspace(0, top, 64 * 80).round().astype(np.uint16).reshape(64, 80)
    stored = top - ramp if photometric == "miniswhite" else ramp
    stored = np.stack([stored, stored // 2, stored // 3], axis=2) if photometric == "rgb" else stored
    depth = {} if bits == 16 else {"bitspersample": bits}
    options = {"description": "a scan", "metadata": None, "extratags": [(274, 3, 1, 6, True)]} | depth
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, **options)
    read = read_photograph(tmp_path / "a.tif")
    assert read.pixels.dtype == np.uint16
    values = read.pixels.astype(np.float64) / 65535
    np.testing.assert_allclose(values[..., 0], np.rot90(ramp / top, -1), atol=1 / top)
    assert (read.pixels[..., 0] >= 0.98 * 65535).mean() == pytest.approx(0.02, abs=0.005)
    assert read_description(tmp_path / "a.tif") == "a scan"
    write_photograph(tmp_path / "out.tif", read, "colored")
    np.testing.assert_array_equal(read_photograph(tmp_path / "out.tif").pixels, read.pixels)


def test_real_scan_of_12_bits_is_scaled_to_16_bits(real_data):
    path = real_data / "awkward" / "tiff" / "twelve_bits.tif"
    if not path.exists():
        pytest.skip("the files of awkward/tiff are not available")
    pixels = read_photograph(path).pixels
    assert pixels.max() == 65535
    assert (pixels >= 0.98 * 65535).mean() < 0.03


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("L", "a.png"),
        ("L", "a.jpg"),
        ("1", "a.png"),
        ("RGB", "a.bmp"),
        ("P", "a.png"),
        ("RGB", "a.tif"),
        ("L", "a.tif"),
    ],
)
def test_8_bit_images_of_every_mode_are_read(tmp_path, rgb, mode, name):
    Image.fromarray(rgb).convert(mode).save(tmp_path / name)
    read = read_photograph(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        np.testing.assert_array_equal(read.pixels, np.asarray(image.convert("RGB")))
    assert read.alpha is None


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_transparency_is_kept(tmp_path, rgb, mode, suffix, rng):
    alpha = rng.integers(0, 256, rgb.shape[:2], dtype=np.uint8)
    image = Image.fromarray(rgb).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / f"a{suffix}")
    read = read_photograph(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read.alpha, alpha)
    again = read_photograph(write_photograph(tmp_path / f"b{suffix}", read, "note"))
    np.testing.assert_array_equal(again.alpha, alpha)
    np.testing.assert_array_equal(again.pixels, read.pixels)


def test_transparent_palette_is_read_as_alpha(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "a.png", transparency=0)
    read = read_photograph(tmp_path / "a.png")
    assert read.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert read.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_read(tmp_path, rng, channels):
    pixels = rng.integers(0, 65536, (9, 7, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels.squeeze()))
    read = read_photograph(tmp_path / "a.png")
    assert read.pixels.dtype == np.uint16
    np.testing.assert_array_equal(read.pixels, np.broadcast_to(pixels[..., : 1 if channels < 3 else 3], (9, 7, 3)))
    assert (read.alpha is None) == (channels in (1, 3))


@pytest.mark.parametrize("settings", [{}, {"planarconfig": "separate"}, {"bigtiff": True}, {"byteorder": ">"}])
def test_16_bit_color_tiff_is_read(tmp_path, rng, settings):
    pixels = rng.integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    stored = np.moveaxis(pixels, -1, 0) if "planarconfig" in settings else pixels
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **settings)
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_16_bit_gray_tiff_is_read(tmp_path, rng, photometric):
    pixels = rng.integers(0, 65536, (9, 7), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric)
    expected = pixels if photometric == "minisblack" else 65535 - pixels
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.tif").pixels[..., 1], expected)


def test_large_image_is_read_and_one_with_too_many_pixels_raises(tmp_path, rgb, monkeypatch):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)  # of 620: Pillow warns
    assert read_photograph(tmp_path / "a.png").pixels.shape == rgb.shape
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(FormatError, match=r"a.png has too many pixels .*; scale it down first"):
        read_photograph(tmp_path / "a.png")


def write_pages(path):
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint8), photometric="minisblack")


def write_cmyk(path):
    Image.new("CMYK", (8, 8)).save(path)


def write_floats(path):
    tifffile.imwrite(path, np.zeros((8, 8), np.float32))


def write_web_page(path):
    path.write_text("<html>not found</html>")


def write_truncated(path):
    Image.new("RGB", (64, 64), "red").save(path)
    path.write_bytes(path.read_bytes()[:200])


def test_scan_that_does_not_fit_into_memory_raises(tmp_path, monkeypatch):
    Image.new("L", (5000, 3000)).save(tmp_path / "a.png", compress_level=1)
    monkeypatch.setattr("decrappify.limits.memory.available_memory", lambda: 70_000_000)
    with pytest.raises(
        DeviceMemoryError, match=r"^reading a\.png needs 75 MB, only 70 MB of memory are free; scale it down"
    ):
        read_photograph(tmp_path / "a.png")
    monkeypatch.setattr("decrappify.limits.memory.available_memory", lambda: 80_000_000)
    assert read_photograph(tmp_path / "a.png").pixels.shape == (3000, 5000, 3)


@pytest.mark.parametrize(
    ("name", "write", "error", "match"),
    [
        ("a.tif", write_pages, InputError, "a.tif contains 3 pages or frames, expected one"),
        ("a.jpg", write_cmyk, InputError, "a.jpg has colors of kind CMYK; save it as RGB or grayscale first"),
        ("a.tif", write_floats, InputError, "a.tif has colors of kind F; save it as RGB"),
        ("a.jpg", write_web_page, FormatError, "a.jpg cannot be decoded as PNG, JPEG, BMP or TIFF"),
        ("a.jpg", write_truncated, FormatError, "a.jpg cannot be decoded .* it is damaged or another kind of file"),
        ("a.jpg", lambda path: None, MissingFileError, "a.jpg does not exist; check the path"),
    ],
)
def test_unreadable_image_raises_with_the_reason(tmp_path, name, write, error, match):
    write(tmp_path / name)
    with pytest.raises(error, match=match):
        read_photograph(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_of_a_photograph_are_written_with_the_statement(tmp_path, rgb, suffix):
    tags = {DESCRIPTION: "Oma in Köln", 0x013B: "A. Person", 0x0132: "1999:01:02 03:04:05"}
    photograph = Photograph(pixels=rgb, icc_profile=SRGB, dpi=(300.0, 150.0), tags=tags)
    path = write_photograph(tmp_path / f"a{suffix}", photograph, "AI-colorized by a test")
    assert read_description(path) == "Oma in Köln; AI-colorized by a test"
    with Image.open(path) as image:
        image.load()
        assert image.info["icc_profile"] == SRGB
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        software = image.info.get("Software") or image.getexif()[0x0131]
        assert software.startswith("decrappify ")
        assert "A. Person" in (image.info.get("Author"), image.getexif().get(0x013B))
    again = read_photograph(path)
    assert again.icc_profile == SRGB
    if suffix == ".jpg":
        assert np.abs(again.pixels.astype(int) - rgb).mean() < 4
    else:
        np.testing.assert_array_equal(again.pixels, rgb)


@pytest.mark.parametrize("written", ["Köln".encode(), "Köln".encode("latin-1")], ids=["utf-8", "latin-1"])
def test_descriptions_are_read_as_utf8_and_latin1(tmp_path, rgb, written):
    Image.fromarray(rgb).save(tmp_path / "a.jpg", exif=exif(_10e=written))
    assert read_description(tmp_path / "a.jpg") == "Köln"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_statement_is_written_without_other_tags_and_in_any_script(tmp_path, rgb, suffix):
    path = write_photograph(tmp_path / f"a{suffix}", Photograph(pixels=rgb), "AI-colorized, model 写真")
    assert read_description(path) == "AI-colorized, model 写真"


def test_color_profile_of_a_gray_image_is_omitted(tmp_path, rgb):
    gray_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    Image.fromarray(rgb).convert("L").save(tmp_path / "a.png", icc_profile=gray_profile)
    assert read_photograph(tmp_path / "a.png").icc_profile is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_written(tmp_path, rng, suffix):
    pixels, alpha = rng.integers(0, 65536, (9, 7, 3), dtype=np.uint16), rng.integers(0, 65536, (9, 7), dtype=np.uint16)
    photograph = Photograph(pixels=pixels, alpha=alpha)
    again = read_photograph(write_photograph(tmp_path / f"a{suffix}", photograph, "note"))
    np.testing.assert_array_equal(again.pixels, pixels)
    np.testing.assert_array_equal(again.alpha, alpha)


def test_jpeg_has_8_bits_and_raises_for_transparency(tmp_path):
    deep = Photograph(pixels=np.full((8, 8, 3), 40000, np.uint16), alpha=np.full((8, 8), 65535, np.uint16))
    again = read_photograph(write_photograph(tmp_path / "a.jpg", deep, "note"))
    assert np.abs(again.pixels.astype(int) - 156).max() <= 1
    with pytest.raises(InputError, match=r"cannot store the transparency of the image; write a .png or .tif"):
        write_photograph(tmp_path / "b.jpg", Photograph(pixels=deep.pixels, alpha=deep.alpha // 2), "note")
    assert not (tmp_path / "b.jpg").exists()


def test_write_photograph_replaces_a_file_only_with_overwrite(tmp_path, rgb):
    path = write_photograph(tmp_path / "a.png", Photograph(pixels=rgb), "first")
    with pytest.raises(OutputExistsError, match=r"a.png already exists; choose another name"):
        write_photograph(path, Photograph(pixels=rgb), "second")
    assert read_description(write_photograph(path, Photograph(pixels=rgb), "third", overwrite=True)) == "third"
    assert list(tmp_path.iterdir()) == [path]


def test_unsupported_suffix_raises(tmp_path, rgb):
    with pytest.raises(FormatError, match=r"a.webp has an unsupported image format; supported: .png, .jpg and .tif"):
        write_photograph(tmp_path / "a.webp", Photograph(pixels=rgb), "note")


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("kind", ["gray", "white is zero", "rgb"])
def test_scans_of_9_to_15_bits_keep_their_range(tmp_path, bits, kind):
    largest = (1 << bits) - 1
    values = np.linspace(0, largest, 60).round().astype(np.uint16).reshape(3, 20)
    stored = np.stack([values] * 3, -1) if kind == "rgb" else largest - values if kind == "white is zero" else values
    photometric = {"gray": "minisblack", "white is zero": "miniswhite", "rgb": "rgb"}[kind]
    tags = [(274, 3, 1, 6, True), (305, 2, 0, "Scanner", True)]
    tifffile.imwrite(
        tmp_path / "a.tif", stored, bitspersample=bits, photometric=photometric, metadata=None, description="a ramp",
        resolution=(300, 600), resolutionunit=2, extratags=tags,
    )  # fmt: skip
    photograph = read_photograph(tmp_path / "a.tif")
    expected = np.rot90(np.round(values / largest * 65535), -1)
    assert photograph.pixels.shape == (20, 3, 3)
    assert np.abs(photograph.pixels - expected[..., None]).max() <= 1
    assert (photograph.pixels.min(), photograph.pixels.max()) == (0, 65535)
    assert (photograph.dpi, photograph.tags[270]) == ((600, 300), "a ramp")
    assert read_description(tmp_path / "a.tif") == "a ramp"


def test_real_12_bit_scan_is_not_white(real_data):
    pixels = read_photograph(real_data / "awkward" / "tiff" / "twelve_bits.tif").pixels
    assert (pixels >= 65535 * 0.98).mean() < 0.03
