"""Parsers of pixel size, interval and channels in the TIFF metadata of microscope programs, one function per program.

Each function takes the dictionary read by tifffile (its documented ``..._metadata`` properties) and returns the
values in it; sizes in micrometers, intervals in seconds, None or empty if absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from decrappify.io.formats.tiff.metadata.record import TiffMetadata
from decrappify.io.units import to_micrometers, to_seconds
from decrappify.movie import PixelSize

_NAMED_COLORS = {
    "red": "FF0000",
    "green": "00FF00",
    "blue": "0000FF",
    "cyan": "00FFFF",
    "magenta": "FF00FF",
    "yellow": "FFFF00",
    "gray": "FFFFFF",
    "grey": "FFFFFF",
    "white": "FFFFFF",
}


def read_lsm(lsm: Mapping[str, Any]) -> TiffMetadata:
    """Return the metadata of a Zeiss LSM file (``lsm_metadata``): voxel size in meters, interval, channel names.

    >>> read_lsm({"VoxelSizeX": 2e-7, "VoxelSizeY": 2e-7, "TimeIntervall": 1.5}).pixel_size_um
    (None, 0.2, 0.2)
    """
    interval = to_seconds(lsm.get("TimeIntervall"), "s") or median_step(lsm.get("TimeStamps"))
    channels = lsm.get("ChannelColors") or {}
    colors = ["".join(f"{int(part):02X}" for part in rgba[:3]) for rgba in channels.get("Colors") or ()]
    return TiffMetadata(
        pixel_size_um=_in_meters(*(lsm.get(f"VoxelSize{axis}") for axis in "ZYX")),
        frame_interval_s=interval,
        channel_names=[str(name) for name in channels.get("ColorNames") or ()],
        channel_colors=[color if color != "000000" else None for color in colors],
    )


def read_stk(stk: Mapping[str, Any]) -> TiffMetadata:
    """Return the metadata of a MetaMorph stack (``stk_metadata``, the UIC tags)."""
    unit = str(stk.get("CalibrationUnits") or "")
    calibrated = stk.get("SpatialCalibration", 1)
    x, y = (to_micrometers(stk.get(f"{axis}Calibration") if calibrated else None, unit) for axis in "XY")
    steps = np.abs(np.atleast_1d(np.asarray(stk.get("ZDistance", ()), float)))
    steps = steps[np.isfinite(steps) & (steps > 0)]
    created = stk.get("DatetimeCreated")
    if created is not None:
        times = np.asarray(created).astype("datetime64[us]").astype(float) / 1e6
    else:
        times = np.asarray(stk.get("TimeCreated", ()), float) / 1000
    settings = [
        entry.get("value")
        for entry in stk.get("PlaneProperty") or ()
        if isinstance(entry, Mapping) and entry.get("name") == "_IllumSetting_"
    ]
    names = list(dict.fromkeys(str(setting) for setting in settings if setting))
    if not names:
        wavelengths = dict.fromkeys(float(w) for w in np.atleast_1d(stk.get("Wavelengths", ())) if w)
        names = [f"{wavelength:g} nm" for wavelength in wavelengths]
    return TiffMetadata(
        pixel_size_um=(float(np.median(steps)) if steps.size else None, y, x),
        frame_interval_s=median_step(times),
        channel_names=names,
    )


def read_metaseries(pages: Sequence[Mapping[str, Any]]) -> TiffMetadata:
    """Return the metadata of a MetaXpress or MetaMorph TIFF file: the XML (``metaseries_metadata``) of some pages."""
    planes: list[Mapping[str, Any]] = [page.get("PlaneInfo") or {} for page in pages]
    info = planes[0] if planes else {}
    unit = str(info.get("spatial-calibration-units") or "")
    calibrated = info.get("spatial-calibration-state", True)
    x, y = (to_micrometers(info.get(f"spatial-calibration-{axis}") if calibrated else None, unit) for axis in "xy")
    names = list(dict.fromkeys(_metaseries_channel(plane) for plane in planes))
    return TiffMetadata(pixel_size_um=(None, y, x), channel_names=[name for name in names if name])


def read_fluoview(header: Mapping[str, Any]) -> TiffMetadata:
    """Return the metadata of an Olympus FluoView file (``fluoview_metadata``): resolution and unit per dimension."""
    sizes: dict[str, float | None] = {}
    interval = None
    for name, _, _, resolution, unit in header.get("Dimensions") or ():
        axis = str(name).upper()
        if axis in ("X", "Y", "Z"):
            sizes[axis] = to_micrometers(abs(resolution), str(unit))
        elif axis in ("T", "TIME"):
            interval = to_seconds(resolution, str(unit) or "s")
    return TiffMetadata(pixel_size_um=(sizes.get("Z"), sizes.get("Y"), sizes.get("X")), frame_interval_s=interval)


def read_andor(tags: Mapping[str, Any]) -> TiffMetadata:
    """Return the metadata of an Andor camera file (``andor_metadata``): the kinetic cycle time."""
    interval = tags.get("KineticCycleTime") or tags.get("AcquisitionCycleTime")
    return TiffMetadata(frame_interval_s=to_seconds(interval, "s"))


def read_fei(sections: Mapping[str, Any]) -> TiffMetadata:
    """Return the pixel size of an FEI or Thermo Fisher electron micrograph (``fei_metadata``), stated in meters."""
    ordered = [sections.get(name) for name in ("Scan", "EScan", "IScan")] + list(sections.values())
    for section in ordered:
        if isinstance(section, Mapping) and section.get("PixelWidth"):
            width = section["PixelWidth"]
            return TiffMetadata(pixel_size_um=_in_meters(None, section.get("PixelHeight", width), width))
    return TiffMetadata()


def read_sem(tags: Mapping[str, Any]) -> TiffMetadata:
    """Return the pixel size of a Zeiss electron micrograph (``sem_metadata``)."""
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        entry: Sequence[Any] = tags.get(key) or ()
        if len(entry) == 3:
            size = to_micrometers(entry[1], str(entry[2]))
            return TiffMetadata(pixel_size_um=(None, size, size))
    unnamed: Sequence[Any] = tags.get("") or ()
    size = to_micrometers(unnamed[3], "m") if len(unnamed) > 3 else None
    return TiffMetadata(pixel_size_um=(None, size, size))


def read_sis(tags: Mapping[str, Any]) -> TiffMetadata:
    """Return the metadata of an Olympus SIS file (``sis_metadata``): pixel size in meters, names of the bands."""
    bands = tags.get("Band")
    names = [str(band.get("BandName") or "") for band in bands] if isinstance(bands, list) else []
    return TiffMetadata(
        pixel_size_um=_in_meters(None, tags.get("pixelsizey"), tags.get("pixelsizex")),
        channel_names=names if all(names) else [],
    )


def read_tvips(header: Mapping[str, Any]) -> TiffMetadata:
    """Return the pixel size of a TVIPS electron micrograph (``tvips_metadata``), stated in nanometers."""
    x, y = (to_micrometers(header.get(f"PixelSize{axis}"), "nm") for axis in "XY")
    return TiffMetadata(pixel_size_um=(None, y, x))


def read_gatan(units: tuple[object, object], scales: tuple[object, object]) -> TiffMetadata:
    """Return the pixel size of an image that Gatan's DigitalMicrograph exported: units and scales along Y and X."""
    y, x = (to_micrometers(scale, str(unit or "")) for unit, scale in zip(units, scales, strict=True))
    return TiffMetadata(pixel_size_um=(None, y, x))


def read_svs(description: Mapping[str, Any]) -> TiffMetadata:
    """Return the pixel size of an Aperio slide: micrometers per pixel (MPP) in its description."""
    size = to_micrometers(description.get("MPP"), "um")
    return TiffMetadata(pixel_size_um=(None, size, size))


def median_step(times: object) -> float | None:
    """Return the median step of a series of times; None if it is not above 0.

    >>> median_step([0.0, 0.5, 1.0, 1.6]), median_step([3.0]), median_step(None)
    (0.5, None, None)
    """
    steps = np.diff(np.asarray(times if times is not None else (), float).ravel())
    step = float(np.median(steps)) if steps.size and np.isfinite(steps).all() else 0.0
    return step if step > 0 else None


def named_color(name: object) -> str | None:
    """Convert a color name to ``"RRGGBB"``, None if it is unknown.

    >>> named_color("Green"), named_color("infrared")
    ('00FF00', None)
    """
    return _NAMED_COLORS.get(str(name).strip().lower())


def _metaseries_channel(plane: Mapping[str, Any]) -> str:
    wavelength = plane.get("wavelength")
    return str(plane.get("_IllumSetting_") or plane.get("image-name") or (f"{wavelength:g} nm" if wavelength else ""))


def _in_meters(z: object, y: object, x: object) -> PixelSize:
    z, y, x = (to_micrometers(size, "m") for size in (z, y, x))
    return _rounded(z), _rounded(y), _rounded(x)


def _rounded(size: float | None) -> float | None:
    return None if size is None else float(f"{size:.12g}")  # 2e-7 m is 0.2 µm, not 0.19999999999999998
