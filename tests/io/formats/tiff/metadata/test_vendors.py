"""Pixel size, frame interval and channel names from the metadata of microscope programs."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.io.formats.tiff.tiff_files import (
    MM_SUMMARY,
    imagej_text,
    mm_planes,
    nd_planes,
    pages_with,
    ramp,
    write_lsm,
    write_mmstack,
    write_ndtiff,
    write_stk,
)
from tifffile import TIFF

import decrappify as dc
from decrappify.errors import FormatError
from decrappify.io.formats.tiff.metadata import vendors
from decrappify.io.formats.tiff.metadata.micromanager import position_names, read_micromanager
from decrappify.io.formats.tiff.metadata.record import TiffMetadata, merged
from decrappify.io.formats.tiff.metadata.scanimage import read_scanimage, scanimage_layout, scanimage_settings
from decrappify.io.formats.tiff.open import open_tiff

STACK = ramp(6, 10, 12)


def test_lsm_sizes_interval_and_channel_names_are_read(tmp_path: Path) -> None:
    pixels = ramp(3, 3, 6, 7)
    sizes = {"VoxelSizeX": 2e-7, "VoxelSizeY": 2.5e-7, "VoxelSizeZ": 1e-6, "TimeIntervall": 1.5}
    path = write_lsm(tmp_path / "a.lsm", pixels, names=["Ch1-T1", "Ch2-T2", "ChD"], **sizes)
    movie = dc.open_movie(path)
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((1.0, 0.25, 0.2), 1.5)
    assert movie.channel_names == ("Ch1-T1", "Ch2-T2", "ChD")
    assert movie.channel_colors == ("00FF00", "FF0000", "0000FF")
    np.testing.assert_array_equal(np.asarray(movie)[:, :, 0], pixels)
    assert len(dc.scenes(path)) == 1  # the thumbnails are not scenes


def test_lsm_time_stamps_are_used_if_the_interval_is_0() -> None:
    assert vendors.read_lsm({"TimeIntervall": 0.0, "TimeStamps": np.array([5.0, 7.0, 9.1])}).frame_interval_s == 2.05


@pytest.mark.parametrize(
    ("step", "interval", "shape", "size_z", "seconds"),
    [(0.0, 2.0, (4, 1, 1, 5, 6), None, 2.0), (0.5, 0.0, (1, 1, 4, 5, 6), 0.5, None)],
)
def test_metamorph_stack_is_a_movie_or_a_z_stack(
    tmp_path: Path, step: float, interval: float, shape: tuple[int, ...], size_z: float | None, seconds: float | None
) -> None:
    pixels = ramp(4, 5, 6)
    movie = open_tiff(write_stk(tmp_path / "a.stk", pixels, unit="um", size=0.1625, step=step, interval=interval))
    assert movie.shape == shape
    assert movie.pixel_size_um == (size_z, 0.1625, 0.1625)
    assert movie.frame_interval_s == seconds
    assert movie.channel_names == ("525 nm",)
    np.testing.assert_array_equal(np.asarray(movie).reshape(pixels.shape), pixels)


def test_metamorph_without_calibration_has_a_channel_name_only() -> None:
    plane = [{"name": "_IllumSetting_", "flags": 0, "value": "GFP"}]
    stk = {"PlaneProperty": plane, "SpatialCalibration": 0, "XCalibration": 1.0, "CalibrationUnits": "um"}
    found = vendors.read_stk(stk)
    assert (found.channel_names, found.pixel_size_um) == (["GFP"], (None, None, None))


def metaxpress_xml(number: int, setting: str, unit: str = "um") -> str:
    time = datetime(2024, 5, 6, 7, 8, 9) + timedelta(seconds=3 * number)
    properties = {
        ("spatial-calibration-state", "bool"): "on",
        ("spatial-calibration-x", "float"): "0.325",
        ("spatial-calibration-y", "float"): "0.33",
        ("spatial-calibration-units", "string"): unit,
        ("_IllumSetting_", "string"): setting,
        ("acquisition-time-local", "time"): time.strftime("%Y%m%d %H:%M:%S.%f"),
    }
    entries = "".join(f'<prop id="{key}" type="{kind}" value="{value}"/>' for (key, kind), value in properties.items())
    return f"<MetaData><PlaneInfo>{entries}</PlaneInfo></MetaData>"


def test_metaxpress_calibration_setting_and_times_are_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number, page in enumerate(STACK):
            writer.write(
                page, metadata=None, software="MetaSeries", description=metaxpress_xml(number, "DAPI"),
                contiguous=False,
            )  # fmt: skip
    movie = open_tiff(tmp_path / "a.tif")
    assert movie.pixel_size_um == (None, 0.33, 0.325)
    assert (movie.frame_interval_s, movie.channel_names) == (3.0, ("DAPI",))


SCANIMAGE = """SI.VERSION_MAJOR = 2021
SI.hChannels.channelSave = [1;2]
SI.hChannels.channelName = {'GCaMP' 'tdTomato' 'Channel 3' 'Channel 4'}
SI.hChannels.channelMergeColor = {'green' 'red' 'red' 'red'}
SI.hRoiManager.scanFrameRate = 30
SI.hRoiManager.scanVolumeRate = 10
SI.hRoiManager.imagingFovUm = [-60 -50;60 -50;60 50;-60 50]
SI.hStackManager.framesPerSlice = 1
SI.hStackManager.numSlices = %d
SI.hStackManager.stackZStepSize = 4
SI.hFastZ.enable = true
SI.hScan2D.logAverageFactor = 1"""


def test_scanimage_channels_are_interleaved(tmp_path: Path) -> None:
    path = pages_with(tmp_path / "a.tif", STACK.astype(np.int16), None, software=SCANIMAGE % 1)
    movie = open_tiff(path)
    assert (movie.shape, movie.dtype) == ((3, 2, 1, 10, 12), np.int16)
    assert movie.channel_names == ("GCaMP", "tdTomato")
    assert movie.channel_colors == ("00FF00", "FF0000")
    assert movie.frame_interval_s == pytest.approx(1 / 30)
    assert movie.pixel_size_um == (None, 10.0, 10.0)
    np.testing.assert_array_equal(movie.frame(2, 1), STACK[5])


def test_scanimage_volumes_are_frames_of_slices(tmp_path: Path) -> None:
    pixels = ramp(12, 10, 12).astype(np.int16)
    movie = open_tiff(pages_with(tmp_path / "a.tif", pixels, None, software=SCANIMAGE % 3))
    assert movie.shape == (2, 2, 3, 10, 12)
    assert (movie.frame_interval_s, movie.pixel_size_um) == (0.1, (4.0, 10.0, 10.0))
    np.testing.assert_array_equal(movie.frame(1, 0, 2), pixels[10])


def test_aborted_scanimage_recording_keeps_its_channels(tmp_path: Path) -> None:
    path = pages_with(tmp_path / "a.tif", STACK[:5].astype(np.int16), None, software=SCANIMAGE % 1)
    with pytest.warns(UserWarning, match=r"1 of 6 planes was not recorded \(frame 2: channel 1\)"):
        movie = open_tiff(path)
    assert (movie.shape[:2], movie.missing) == ((3, 2), {(2, 1, 0)})


def test_scanimage_layout_of_older_versions_and_repeats() -> None:
    older = scanimage_settings(
        {"state.acq.frameRate": 2.0, "state.acq.savingChannel1": 1, "state.acq.savingChannel3": 1}
    )
    assert scanimage_layout(older, 10) == ("TC", (5, 2))
    assert read_scanimage(older, "TCYX", 10, 10).frame_interval_s == 0.5
    assert read_scanimage(older, "TCYX", 10, 10).channel_names == ["Channel 1", "Channel 3"]
    four = scanimage_settings({"scanimage.SI4.channelsSave": [1, 2], "scanimage.SI4.scanFrameRate": 15.0})
    assert scanimage_layout(four, 7) == ("TC", (4, 2))
    repeats = {"SI.hStackManager.numSlices": 3, "SI.hStackManager.framesPerSlice": 4, "SI.hChannels.channelSave": 1}
    assert scanimage_layout(repeats, 12) == ("ZTC", (3, 4, 1))
    flyback = {"SI.hFastZ.enable": True, "SI.hFastZ.numDiscardFlybackFrames": 1, "SI.hStackManager.numSlices": 3}
    assert scanimage_layout(flyback, 8) == ("TZC", (2, 4, 1))


@pytest.mark.parametrize(("interval_ms", "seconds"), [(0.0, 0.5), (2500.0, 2.5)])
def test_micromanager_summary_and_elapsed_times_are_read(tmp_path: Path, interval_ms: float, seconds: float) -> None:
    summary = MM_SUMMARY | {"Interval_ms": interval_ms}
    movie = open_tiff(write_mmstack(tmp_path / "rec_1_MMStack_Pos0.tif", mm_planes(), summary, step_ms=500))
    assert movie.shape == (3, 2, 1, 5, 6)
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((0.5, 0.16, 0.16), seconds)
    assert movie.channel_names == ("DAPI", "GFP")
    assert movie.channel_colors == ("0000FF", "00FF00")
    np.testing.assert_array_equal(movie.frame(2, 1), mm_planes()[1, 0, 2, 0])


def test_micromanager_values_may_be_wrapped_with_their_type() -> None:
    found = read_micromanager({"z-step_um": {"type": "DOUBLE", "scalar": -0.25}}, {"PixelSizeUm": 0.1}, {}, 0)
    assert found.pixel_size_um == (0.25, 0.1, 0.1)
    assert position_names({"StagePositions": [{"Label": {"type": "STRING", "scalar": "B3"}}]}, 1) == ["B3"]


def test_ndtiff_opens_by_file_and_by_folder(tmp_path: Path) -> None:
    path = write_ndtiff(tmp_path / "run_1", nd_planes(), {"PixelSize_um": 0.16}, step_ms=400)
    for source in (path, path.parent):
        movie = dc.open_movie(source)
        assert movie.shape == (3, 2, 1, 5, 6)
        assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, 0.16, 0.16), 0.4)
        assert (movie.channel_names, movie.name) == (("DAPI", "GFP"), source.name)
        np.testing.assert_array_equal(movie.frame(1, 1), nd_planes()[("time", 1), ("channel", "GFP")])
    path.unlink()
    with pytest.raises(FormatError, match=r"run_1 contains an NDTiff index but not the files that it lists"):
        dc.open_movie(path.parent)


def test_fluoview_resolution_per_dimension_is_read(tmp_path: Path) -> None:
    record = np.zeros(1, np.dtype(TIFF.MM_HEADER))
    sizes = [("X", 12, 0.2, "um"), ("Y", 10, 0.25, "um"), ("Z", 3, 1.5, "um"), ("T", 2, 4.0, "s")]
    record["ImageName"] = "cells"
    for number in range(10):
        name, size, resolution, unit = sizes[number] if number < len(sizes) else ("", 1, 0.0, "")
        record["Dimensions"][0, number] = (name.encode(), size, 0.0, resolution, unit.encode())
    packed = record.tobytes()
    tags = [(34361, 1, len(packed), packed, True), (34362, 12, 8, struct.pack("<8d", *range(8)), True)]
    path = pages_with(tmp_path / "a.tif", STACK, None, extratags=tags)
    movie = open_tiff(path)
    assert movie.shape == (2, 1, 3, 10, 12)
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((1.5, 0.25, 0.2), 4.0)


TAGS: dict[str, tuple[list[tuple[Any, ...]], tuple[float | None, ...], float | None]] = {
    "andor": (
        [(4864, 4, 1, 1, True), (4878, 12, 1, 0.125, True)], (None, None, None), 0.125
    ),
    "fei": (
        [(34682, 2, 0, "[Scan]\r\nPixelWidth=4e-09\r\nPixelHeight=5e-09\r\n", True)], (None, 0.005, 0.004), None
    ),
    "zeiss sem": (
        [(34118, 2, 0, "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 2.5 nm\r\n", True)], (None, 0.0025, 0.0025), None
    ),
    "gatan": (
        [
            (65003, 2, 0, "nm", True), (65004, 2, 0, "nm", True), (65009, 12, 1, 0.5, True),
            (65010, 12, 1, 0.25, True),
        ],
        (None, 0.0005, 0.00025), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", TAGS)
def test_tags_of_cameras_and_electron_microscopes_are_read(tmp_path: Path, program: str) -> None:
    tags, size, interval = TAGS[program]
    movie = open_tiff(pages_with(tmp_path / "a.tif", STACK[:1], None, extratags=tags))
    assert movie.pixel_size_um == pytest.approx(size)
    assert movie.frame_interval_s == interval


def test_olympus_sis_pixel_size_and_bands_are_read(tmp_path: Path) -> None:
    path = pages_with(tmp_path / "a.tif", STACK[:1], None, extratags=[(33560, 4, 1, 8, True)])
    with tifffile.TiffFile(path) as file:
        field = file.pages.first.tags[33560].offset + 8
    with path.open("r+b") as file:
        at = file.seek(0, 2)
        head = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 0, 0, 1, 0, 120, b"cells", 1)
        entry = struct.pack("<hhI", 1, 1, at + len(head) + 8)
        file.write(head + entry + struct.pack("<10xhdd8xd2x34s32s", -6, 0.32, 0.32, 20.0, b"cam", b"") + bytes(9))
        file.seek(field)
        file.write(struct.pack("<I", at))
    assert open_tiff(path).pixel_size_um == pytest.approx((None, 0.32, 0.32))
    bands = [{"BandName": "DAPI", "LUT": []}, {"BandName": "GFP", "LUT": []}]
    assert vendors.read_sis({"Band": bands}).channel_names == ["DAPI", "GFP"]


def test_aperio_microns_per_pixel_are_read(tmp_path: Path) -> None:
    description = "Aperio Image Library v11.2.1 \r\n64x48 [0,0 64x48] (16x16) -> 64x48|AppMag = 20|MPP = 0.4990"
    tifffile.imwrite(
        tmp_path / "a.svs", ramp(48, 64, 3).astype(np.uint8), tile=(16, 16), photometric="rgb", metadata=None,
        description=description,
    )  # fmt: skip
    assert open_tiff(tmp_path / "a.svs").pixel_size_um == (None, 0.499, 0.499)


def test_tifffile_dictionaries_of_other_programs_are_read() -> None:
    assert vendors.read_sem({"": (0, 0, 0, 3e-9)}).pixel_size_um == pytest.approx((None, 0.003, 0.003))
    assert vendors.read_tvips({"PixelSizeX": 2.0, "PixelSizeY": 4.0}).pixel_size_um == (None, 0.004, 0.002)
    assert vendors.read_fei({"EScan": {"PixelWidth": 1e-9, "PixelHeight": 1e-9}}).pixel_size_um[1] == 0.001
    assert vendors.read_fei({}) == vendors.read_sem({}) == vendors.read_sis({}) == TiffMetadata()


@pytest.mark.parametrize(
    ("dots", "unit", "number", "size"),
    [
        (62500, "um", 3, 0.16),  # Micro-Manager: pixels per centimeter, but the unit is micrometers
        (50000, "micron", 3, 0.2),
        (10, "um", 3, 0.1),  # pixels per micrometer, but the resolution unit is centimeters: 1 mm is not plausible
        (10, "um", 2, 0.1),  # the same with inches
        (158750, "um", 2, 0.16),
        (10, "um", 1, 0.1),  # as ImageJ writes it
        (0.02, "nm", 3, 0.05),
        (1e6, "nm", 3, 0.01),
        (20000, "cm", 3, 0.5),
        (10, "mm", 1, 100.0),
        (72, "um", 2, 1 / 72),
    ],
)
def test_imagej_unit_with_a_resolution_unit(tmp_path: Path, dots: float, unit: str, number: int, size: float) -> None:
    text = imagej_text(images=6, frames=6, unit=unit, finterval=2)
    path = pages_with(tmp_path / "a.tif", STACK, text, resolution=(dots, dots), resolutionunit=number)
    movie = open_tiff(path)
    assert movie.pixel_size_um == pytest.approx((None, size, size))
    assert movie.frame_interval_s == 2.0


def test_imagej_axes_of_other_units_and_slice_labels_are_read(tmp_path: Path) -> None:
    text = {"axes": "TCYX", "unit": "um", "yunit": "nm", "zunit": "mm", "spacing": 0.002, "Labels": ["DAPI", "GFP"] * 3}
    tifffile.imwrite(
        tmp_path / "a.tif", STACK.reshape(3, 2, 10, 12), imagej=True, resolution=(10, 0.01), metadata=text
    )  # fmt: skip
    movie = open_tiff(tmp_path / "a.tif")
    assert movie.pixel_size_um == pytest.approx((2.0, 0.1, 0.1))
    assert movie.channel_names == ("DAPI", "GFP")


def test_merged_takes_each_item_from_the_first_that_has_it() -> None:
    first = TiffMetadata(pixel_size_um=(None, 0.1, 0.1), unitless_spacing={"T": 2.0})
    second = TiffMetadata(pixel_size_um=(0.5, 9.0, 9.0), frame_interval_s=3.0, channel_names=["a"])
    found = merged(first, second)
    assert (found.pixel_size_um, found.frame_interval_s, found.channel_names) == ((0.5, 0.1, 0.1), 3.0, ["a"])


def test_real_micromanager_and_imagej_files_with_ambiguous_units_are_read(real_data: Path) -> None:
    folder = real_data / "awkward"
    recording = dc.open_movie(folder / "micromanager" / "one_position" / "rec_1_MMStack_Pos0.ome.tif")
    assert (recording.pixel_size_um, recording.frame_interval_s) == ((None, 0.16, 0.16), 2.5)
    assert recording.channel_names == ("DAPI", "GFP")
    expected = np.load(folder / "micromanager" / "one_position" / "truth.npz")["pos0"]
    np.testing.assert_array_equal(np.asarray(recording)[:, :, 0], expected)
    assert dc.open_movie(folder / "tiff" / "cm_um.tif").pixel_size_um == (None, 0.2, 0.2)
