"""Values of TIFF files: orientation, 9 to 15 bits, signed integers of ImageJ; spacing without a unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.io.formats.tiff.tiff_files import imagej_text, ome_xml, pages_with, ramp, rename_tag

from decrappify.io.formats.tiff.open import open_tiff
from decrappify.io.formats.tiff.writing.writer import write_ome_tiff
from decrappify.io.orientation import upright, upright_pair
from decrappify.movie import Movie

PAGES = ramp(3, 20, 30)
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {},
    "tiles": {"tile": (16, 16), "compression": "zlib"},
    "rgb": {"photometric": "rgb"},
    "planes": {"photometric": "rgb", "planarconfig": "separate"},
}


def oriented(folder: Path, layout: str, orientation: int) -> tuple[Movie, np.ndarray]:
    """Write a file with this orientation; return the opened movie and the stored pixels (T, C, Y, X)."""
    color = layout in ("rgb", "planes")
    pixels = ramp(3, 3, 20, 30) if color else PAGES[:, None]
    stored = np.moveaxis(pixels, 1, -1) if layout == "rgb" else pixels if color else pixels[:, 0]
    options = {"photometric": "minisblack", "metadata": None} | LAYOUTS[layout]
    tifffile.imwrite(
        folder / "a.tif", stored, resolution=(1e5, 5e4), resolutionunit=3, extratags=[(274, 3, 1, orientation, True)],
        **options,
    )  # fmt: skip
    return open_tiff(folder / "a.tif"), pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pages_and_pixel_size_are_read_upright(tmp_path: Path, layout: str, orientation: int) -> None:
    movie, pixels = oriented(tmp_path, layout, orientation)
    assert movie.shape[3:] == upright_pair((20, 30), orientation)
    assert movie.pixel_size_um == pytest.approx((None, *upright_pair((0.2, 0.1), orientation)))
    for t, c in np.ndindex(pixels.shape[:2]):
        np.testing.assert_array_equal(movie.frame(t, c), upright(pixels[t, c], orientation))


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 8), st.sampled_from(list(LAYOUTS)))
def test_region_of_an_oriented_page_is_a_crop_of_the_upright_page(
    tmp_path_factory: pytest.TempPathFactory, data: Any, orientation: int, layout: str
) -> None:
    movie, pixels = oriented(tmp_path_factory.mktemp("oriented"), layout, orientation)
    bounds = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in movie.shape[3:]]
    rows, columns = (slice(*pair) for pair in bounds)
    expected = upright(pixels[1, 0], orientation)[rows, columns]
    np.testing.assert_array_equal(movie.region(1, 0, 0, rows, columns), expected)


def test_regions_of_large_compressed_pages_are_read_upright(tmp_path: Path) -> None:
    large = np.random.default_rng(3).integers(0, 200, (2, 1200, 1100)).astype(np.uint8)
    tags = [(274, 3, 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", large, tile=(256, 256), compression="zlib", metadata=None, extratags=tags)
    region = open_tiff(tmp_path / "a.tif").region(1, 0, 0, slice(700, 900), slice(30, 400))
    np.testing.assert_array_equal(region, upright(large[1], 6)[700:900, 30:400])


def test_orientation_swaps_spacing_and_the_size_of_missing_planes(tmp_path: Path) -> None:
    image = {
        "name": "a", "sizes": {"T": 3, "Y": 20, "X": 30},
        "pixels": {
            "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "pixel", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "pixel",
        },
        "planes": [(t, 0, 0, "a.ome.tif", n) for n, t in enumerate([0, 2])],
    }  # fmt: skip
    xml = ome_xml([image], {"a.ome.tif": "1"}, "1")
    path = pages_with(tmp_path / "a.ome.tif", PAGES[:2], xml, extratags=[(274, 3, 1, 8, True)])
    with pytest.warns(UserWarning, match="1 of 3 planes was not recorded"):
        movie = open_tiff(path)
    assert (movie.shape, movie.frame(1).shape) == ((3, 1, 1, 30, 20), (30, 20))
    assert movie.unitless_spacing == {"Y": 0.5, "X": 0.25}


@pytest.mark.parametrize("bits", range(9, 16))
def test_packed_depths_are_read_exactly(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, (2, 21, 33)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, bitspersample=bits, photometric="minisblack", metadata=None)
    movie = open_tiff(tmp_path / "a.tif")
    assert movie.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], values)
    np.testing.assert_array_equal(movie.region(1, 0, 0, slice(3, 9), slice(5, 32)), values[1, 3:9, 5:32])


def with_tag(path: Path, code: int, value: int) -> Path:
    """Overwrite a short tag of every page."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        for page in file.pages:
            page.tags[code].overwrite(value, dtype=3)
    return path


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"rowsperstrip": 5}])
def test_depths_in_words_of_16_bits_are_read_exactly(tmp_path: Path, bits: int, options: dict[str, Any]) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, (2, 21, 33)).astype(np.uint16)
    path = pages_with(tmp_path / "a.tif", values, None, **options)
    movie = open_tiff(with_tag(path, 258, bits))
    assert movie.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], values)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_signed_depths_keep_their_sign(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(bits).integers(-(1 << bits - 1), 1 << bits - 1, (2, 21, 32)).astype(np.int16)
    unsigned = (values & ((1 << bits) - 1)).astype(np.uint16)
    tags = [(340, 3, 1, 2, True)]
    path = pages_with(tmp_path / "a.tif", unsigned, None, bitspersample=bits, extratags=tags)
    movie = open_tiff(rename_tag(path, 340, 339))
    assert movie.dtype == np.int16
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], values)


@pytest.mark.parametrize(("stored", "signed", "offset"), [(np.uint16, np.int16, -32768), (np.uint8, np.int8, -128)])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_signed_integers_of_imagej_are_read_exactly(
    tmp_path: Path, stored: Any, signed: Any, offset: int, options: dict[str, Any]
) -> None:
    limits = np.iinfo(signed)
    values = np.random.default_rng(1).integers(limits.min, limits.max, (4, 20, 30), endpoint=True).astype(signed)
    values[0, 0, :2] = limits.min, limits.max
    metadata = {"axes": "TYX", "cf": 0, "c0": float(offset), "c1": 1.0, "vunit": "gray value"}
    raw = (values.astype(np.int32) - offset).astype(stored)
    tifffile.imwrite(tmp_path / "a.tif", raw, imagej=True, metadata=metadata, **options)
    movie = open_tiff(tmp_path / "a.tif")
    assert movie.dtype == signed
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], values)
    np.testing.assert_array_equal(movie.region(2, 0, 0, slice(3, 9), slice(5, 30)), values[2, 3:9, 5:30])
    assert "imagej_calibration" not in movie.provenance


@pytest.mark.parametrize(
    ("function", "coefficients", "unit"),
    [(0, (-5.0, 0.5), "mV"), (7, (1.0, 2.0, 3.0, 4.0), "OD"), (0, (10.0, 1.0), "")],
)
def test_other_calibrations_are_recorded_with_a_warning_and_not_applied(
    tmp_path: Path, function: int, coefficients: tuple[float, ...], unit: str
) -> None:
    fields = {f"c{n}": value for n, value in enumerate(coefficients)}
    text = imagej_text(images=3, frames=3, cf=function, vunit=unit, **fields)
    path = pages_with(tmp_path / "a.tif", PAGES, text)
    with pytest.warns(UserWarning, match=rf"calibration of gray levels to {unit or 'other values'} is not applied"):
        movie = open_tiff(path)
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], PAGES)
    expected = {"function": function, "coefficients": list(coefficients), "unit": unit}
    assert movie.provenance["imagej_calibration"] == expected
    written = open_tiff(write_ome_tiff(movie, tmp_path / "b.ome.tif"))
    assert written.provenance["imagej_calibration"] == expected


def test_identity_calibration_is_not_recorded(tmp_path: Path) -> None:
    path = pages_with(tmp_path / "a.tif", PAGES, imagej_text(images=3, frames=3, cf=0, c0=0.0, c1=1.0))
    assert open_tiff(path).provenance == {}


def test_ome_tiff_keeps_signed_integers(tmp_path: Path) -> None:
    values = np.array([[[-32768, -1, 0, 32767]]], np.int16)
    movie = open_tiff(write_ome_tiff(Movie.from_array(values), tmp_path / "a.ome.tif"))
    assert movie.dtype == np.int16
    np.testing.assert_array_equal(movie.frame(0), values[0])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (4, 2), "resolutionunit": 1}, {"Y": 0.5, "X": 0.25}),
        ({"resolution": (1, 1), "resolutionunit": 1}, {}),
        ({"resolution": (72, 72), "resolutionunit": 1}, {}),  # a print setting without its unit
        ({"resolution": (1e5, 1e5), "resolutionunit": 3}, {}),
        ({"resolution": (72, 72), "resolutionunit": 2}, {}),
    ],
)
def test_resolution_without_unit_is_unitless_spacing(
    tmp_path: Path, options: dict[str, Any], expected: dict[str, float]
) -> None:
    assert open_tiff(pages_with(tmp_path / "a.tif", PAGES, None, **options)).unitless_spacing == expected


@pytest.mark.parametrize("unit", ["pixel", "furlong", ""])
def test_imagej_spacing_without_a_length_unit_is_unitless(tmp_path: Path, unit: str) -> None:
    text = imagej_text(images=3, slices=3, unit=unit, spacing=2.5, finterval=3, tunit="steps")
    movie = open_tiff(pages_with(tmp_path / "a.tif", PAGES, text, resolution=(4, 4), resolutionunit=1))
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, None, None), None)
    assert movie.unitless_spacing == {"Z": 2.5, "Y": 0.25, "X": 0.25, "T": 3.0}


@pytest.mark.parametrize(
    ("unit", "size"), [("\\u00C5", 2.5e-4), ("\\u00e5", 2.5e-4), ("\\u03BCm", 2.5), ("\\u00B5m", 2.5)]
)
def test_letters_that_imagej_writes_as_escapes_are_read_in_units(tmp_path: Path, unit: str, size: float) -> None:
    text = imagej_text(images=3, slices=3, unit=unit, spacing=2.5)
    movie = open_tiff(pages_with(tmp_path / "a.tif", PAGES, text, resolution=(4, 4), resolutionunit=1))
    assert movie.pixel_size_um == pytest.approx((size, size / 10, size / 10))


@pytest.mark.parametrize("options", [{"imagej": True}, {"photometric": "minisblack"}], ids=["imagej", "tifffile"])
@pytest.mark.parametrize("unit", [None, "pixel"])
def test_slice_spacing_without_a_unit_is_kept_from_file_to_file(
    tmp_path: Path, options: dict[str, Any], unit: str | None
) -> None:
    metadata = {"axes": "ZYX", "spacing": 2.5} | ({} if unit is None else {"unit": unit})
    tifffile.imwrite(tmp_path / "a.tif", PAGES, metadata=metadata, **options)
    movie = open_tiff(tmp_path / "a.tif")
    assert (movie.pixel_size_um, movie.unitless_spacing) == ((None, None, None), {"Z": 2.5})
    assert open_tiff(write_ome_tiff(movie, tmp_path / "a.ome.tif")).unitless_spacing == {"Z": 2.5}


def test_slice_spacing_without_a_unit_is_kept_next_to_the_pixel_size_of_the_tags(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 2.5}
    tifffile.imwrite(tmp_path / "a.tif", PAGES, imagej=True, resolution=(1e5, 1e5), resolutionunit=3, metadata=metadata)
    movie = open_tiff(tmp_path / "a.tif")
    assert movie.pixel_size_um == pytest.approx((None, 0.1, 0.1))
    assert movie.unitless_spacing == {"Z": 2.5}


def test_imagej_print_settings_are_not_spacing(tmp_path: Path) -> None:
    text = imagej_text(images=3, frames=3, unit="inch")
    movie = open_tiff(pages_with(tmp_path / "a.tif", PAGES, text, resolution=(72, 72), resolutionunit=1))
    assert (movie.pixel_size_um, movie.unitless_spacing) == ((None, None, None), {})


@pytest.mark.parametrize("unit", ["", "furlong", "pixel"])
def test_ome_sizes_of_unknown_unit_are_unitless_spacing(tmp_path: Path, unit: str) -> None:
    sizes = {f"PhysicalSize{axis}": 0.3 for axis in "XY"} | {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, PAGES, metadata={"axes": "TYX"} | sizes, ome=True, photometric="minisblack")
    assert open_tiff(path).unitless_spacing == {"Y": 0.3, "X": 0.3}


@pytest.mark.parametrize(
    "spacing", [{"T": 3.5, "Z": 2.0, "Y": 0.3, "X": 0.3}, {"Y": 0.1, "X": 0.7}, {"T": 5.0}, {"Z": 4.0}, {}]
)
def test_ome_tiff_keeps_unitless_spacing(tmp_path: Path, spacing: dict[str, float]) -> None:
    movie = Movie.from_array(PAGES, unitless_spacing=spacing)
    found = open_tiff(write_ome_tiff(movie, tmp_path / "a.ome.tif"))
    assert found.unitless_spacing == spacing
    assert (found.pixel_size_um, found.frame_interval_s) == ((None, None, None), None)


def test_known_sizes_are_kept_with_unitless_spacing(tmp_path: Path) -> None:
    movie = Movie.from_array(PAGES, pixel_size_um=(None, 0.2, 0.2), unitless_spacing={"Z": 3.0, "T": 2.0, "X": 9.0})
    found = open_tiff(write_ome_tiff(movie, tmp_path / "a.ome.tif"))
    assert found.pixel_size_um == (None, 0.2, 0.2)
    assert found.unitless_spacing == {"Z": 3.0, "T": 2.0}


@pytest.mark.parametrize(
    ("shape", "axes", "opened"),
    [
        ((20, 24, 1), None, (1, 1, 1, 20, 24)),
        ((5, 20, 24, 1), None, (5, 1, 1, 20, 24)),
        ((5, 20, 24, 1), "ZYXC", (1, 1, 5, 20, 24)),
        ((5, 1, 20, 24, 1), None, (5, 1, 1, 20, 24)),
    ],
)
def test_unnamed_dimensions_of_size_one_are_dropped(
    tmp_path: Path, shape: tuple[int, ...], axes: str | None, opened: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    np.testing.assert_array_equal(np.asarray(open_tiff(tmp_path / "a.tif", axes=axes)), array.reshape(opened))


@pytest.mark.parametrize(
    ("shape", "axes", "opened"),
    [
        ((5, 20, 1), "TYX", (5, 1, 1, 20, 1)),
        ((5, 1, 20), "TYX", (5, 1, 1, 1, 20)),
        ((20, 20, 1), "ZYX", (1, 1, 20, 20, 1)),
        ((2, 3, 20, 1), "TCYX", (2, 3, 1, 20, 1)),
        ((3, 1, 1), "TYX", (3, 1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}, {"photometric": "minisblack"}], ids=str)
@pytest.mark.filterwarnings("ignore:.*states more planes than its pages contain")
def test_planes_one_pixel_wide_or_high_are_read_as_planes(
    tmp_path: Path, options: dict[str, Any], shape: tuple[int, ...], axes: str, opened: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": axes}, **options)
    np.testing.assert_array_equal(np.asarray(open_tiff(tmp_path / "a.tif")), array.reshape(opened))


def test_rows_that_tifffile_stores_for_planes_one_pixel_wide_are_named_and_can_be_read_as_a_plane(
    tmp_path: Path,
) -> None:
    array = ramp(5, 20)
    tifffile.imwrite(tmp_path / "a.tif", array[..., None], imagej=True, metadata={"axes": "TYX"})
    with pytest.warns(UserWarning, match="planes of 20 x 1 pixels, .* pass axes='YX' for planes of 5 x 20 pixels"):
        open_tiff(tmp_path / "a.tif")
    np.testing.assert_array_equal(open_tiff(tmp_path / "a.tif", axes="YX").frame(0), array)


@pytest.mark.parametrize("options", [{}, {"metadata": None}, {"compression": "zlib"}])
def test_time_on_the_last_axis_warns_and_is_read_with_axes(tmp_path: Path, options: dict[str, Any]) -> None:
    array = np.arange(20 * 24 * 3, dtype=np.uint16).reshape(20, 24, 3)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", **options)
    with pytest.warns(
        UserWarning, match=r"^a\.tif of shape \(20, 24, 3\): frames of 24 x 3 pixels are unlikely; pass axes"
    ):
        assert open_tiff(tmp_path / "a.tif").shape == (20, 1, 1, 24, 3)
    movie = open_tiff(tmp_path / "a.tif", axes="YXT")
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], array.transpose(2, 0, 1))
    np.testing.assert_array_equal(movie.region(1, 0, 0, slice(2, 5), slice(7, 9)), array[2:5, 7:9, 1])
    np.testing.assert_array_equal(np.asarray(open_tiff(tmp_path / "a.tif", axes="TYX"))[:, 0, 0], array)
