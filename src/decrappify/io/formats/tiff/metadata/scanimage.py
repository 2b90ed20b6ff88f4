"""Parser of ScanImage metadata: page order, frame rate, field of view and channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from decrappify.io.formats.tiff.metadata.record import TiffMetadata
from decrappify.io.formats.tiff.metadata.vendors import named_color
from decrappify.io.units import to_micrometers, to_seconds

_OLDER = {  # keys of ScanImage 3 (state.) and 4 to the keys of current versions
    "SI.hRoiManager.scanFrameRate": ("state.acq.frameRate", "SI4.scanFrameRate", "SI5.scanFrameRate"),
    "SI.hChannels.channelSave": ("SI4.channelsSave", "SI5.channelsSave"),
    "SI.hStackManager.numSlices": ("state.acq.numberOfZSlices", "SI4.stackNumSlices", "SI5.stackNumSlices"),
    "SI.hStackManager.framesPerSlice": ("state.acq.numberOfFrames", "SI4.acqNumFrames", "SI5.acqNumFrames"),
    "SI.hStackManager.stackZStepSize": ("state.acq.zStepSize", "SI4.stackZStepSize", "SI5.stackZStepSize"),
    "SI.hFastZ.numVolumes": ("SI4.fastZNumVolumes", "SI5.fastZNumVolumes"),
}


def scanimage_settings(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings under the keys of current versions (``SI.hChannels.channelSave`` and so on).

    Parameters
    ----------
    words : mapping
        ``scanimage_metadata["FrameData"]`` of tifffile, or its ``matlabstr2py`` of the Software tag or description.
    """
    settings = {str(key).removeprefix("scanimage."): value for key, value in words.items()}
    for key, older in _OLDER.items():
        found = next((settings[name] for name in older if name in settings), None)
        if key not in settings and found is not None:
            settings[key] = found
    if "SI.hChannels.channelSave" not in settings and "state.acq.frameRate" in settings:
        saved = [number for number in range(1, 5) if settings.get(f"state.acq.savingChannel{number}")]
        settings["SI.hChannels.channelSave"] = saved
    return settings


def scanimage_layout(settings: Mapping[str, Any], n_pages: int) -> tuple[str, tuple[int, ...]]:
    """Return the axes and shape of the pages, slowest first; channels are interleaved.

    If the last time point is incomplete, the product of the shape exceeds `n_pages`.

    >>> scanimage_layout({"SI.hChannels.channelSave": [1, 2]}, 40)
    ('TC', (20, 2))
    >>> fast_z = {"SI.hStackManager.numSlices": 5, "SI.hFastZ.enable": True, "SI.hStackManager.framesPerSlice": 1}
    >>> scanimage_layout(fast_z, 30)
    ('TZC', (6, 5, 1))
    """
    n_c = max(1, len(_channels(settings)))
    planes = math.ceil(n_pages / n_c)
    slices = _number(settings, "SI.hStackManager.actualNumSlices") or _number(settings, "SI.hStackManager.numSlices")
    repeats = _number(settings, "SI.hStackManager.framesPerSlice")
    flyback = _number(settings, "SI.hFastZ.numDiscardFlybackFrames") if settings.get("SI.hFastZ.enable") else 0
    if slices <= 1:
        return "TC", (planes, n_c)
    if flyback and planes % slices and planes % (slices + flyback) == 0:
        slices += flyback  # the frames of the flyback are in the file
    if repeats > 1 and planes <= slices * repeats:
        return "ZTC", (slices, repeats, n_c)
    if repeats > 1:  # volumes of slices of several frames would need more axes
        return "TC", (planes, n_c)
    return "TZC", (math.ceil(planes / slices), slices, n_c)


def read_scanimage(settings: Mapping[str, Any], axes: str, height: int, width: int) -> TiffMetadata:
    """Return the metadata of a recording with the page order `axes` and this size in pixels."""
    volumes = axes.startswith("TZ")
    rate = _float(settings, "SI.hRoiManager.scanVolumeRate") if volumes else None
    if not rate:
        rate = _float(settings, "SI.hRoiManager.scanFrameRate")
        slices = _number(settings, "SI.hStackManager.numSlices") or 1
        rate = rate / slices if rate and volumes else rate
    averaged = _float(settings, "SI.hScan2D.logAverageFactor") or 1.0
    step = _float(settings, "SI.hStackManager.stackZStepSize")
    y = x = None
    corners = np.asarray(settings.get("SI.hRoiManager.imagingFovUm", ()), dtype=object)
    if corners.ndim == 2 and corners.shape[1] == 2:
        extent = np.ptp(corners.astype(float), axis=0)
        y, x = to_micrometers(extent[1] / height, "um"), to_micrometers(extent[0] / width, "um")
    saved = _channels(settings)
    names = _listed(settings.get("SI.hChannels.channelName"))
    colors = _listed(settings.get("SI.hChannels.channelMergeColor"))
    return TiffMetadata(
        pixel_size_um=(to_micrometers(abs(step) if step else None, "um") if "Z" in axes else None, y, x),
        frame_interval_s=to_seconds(averaged / rate if rate else None, "s"),
        channel_names=[str(names[number - 1]) if 0 < number <= len(names) else f"Channel {number}" for number in saved],
        channel_colors=[named_color(colors[number - 1]) if 0 < number <= len(colors) else None for number in saved],
    )


def _channels(settings: Mapping[str, Any]) -> list[int]:
    saved = _listed(settings.get("SI.hChannels.channelSave"))
    flat = [number for entry in saved for number in _listed(entry)]
    return [int(number) for number in flat if isinstance(number, int | float)]


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _float(settings: Mapping[str, Any], key: str) -> float | None:
    value = settings.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None  # type: ignore[arg-type]


def _number(settings: Mapping[str, Any], key: str) -> int:
    return int(_float(settings, key) or 0)
