"""Integers of 9 to 15 bits, and signed integers that ImageJ stores as unsigned ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from decrappify.movie import Array

_SIGNED: dict[int, tuple[float, np.dtype[Any]]] = {
    1: (-128.0, np.dtype(np.int8)),
    2: (-32768.0, np.dtype(np.int16)),
}
_SIGNED_FORMAT = 2  # of the tag SampleFormat
_UNCALIBRATED = 20  # values of ImageJ's "cf" from this one on mean "uncalibrated"


def signed_depth(page: Any) -> int | None:
    """Return the bit depth of a page of signed integers of 9 to 15 bits; None for any other page.

    tifffile has no dtype for them: this function sets it to unpack them as unsigned integers.
    """
    bits = page.bitspersample
    if page.sampleformat != _SIGNED_FORMAT or not isinstance(bits, int) or not 8 < bits < 16:
        return None
    page.dtype = page._dtype = np.dtype(np.uint16)
    return bits


def use_whole_words(page: Any) -> None:
    """Set tifffile to read samples of 9 to 15 bits from 16-bit words, if a page stores them that way.

    The TIFF specification packs such samples without gaps; several camera programs write one per 16-bit word with a
    BitsPerSample of 10, 12 or 14. Only the number of stored bytes distinguishes the two.
    """
    if not isinstance(page.bitspersample, int) or not 8 < page.bitspersample < 16 or page.compression != 1:
        return
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    width, length = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
    length = min(length, page.imagelength) if not page.is_tiled else length
    if page.databytecounts and page.databytecounts[0] >= width * length * samples * 2:
        page.bitspersample = 16


def extended_sign(values: Array, bits: int) -> Array:
    """Return signed integers of `bits` bits that were unpacked without their sign.

    >>> extended_sign(np.array([1, 0xFFF], np.uint16), 12).tolist()
    [1, -1]
    """
    unused = 16 - bits
    extended: Array = (values.astype(np.uint16) << unused).view(np.int16) >> unused
    return extended


def signed_dtype(imagej: Mapping[str, Any], dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the signed dtype of values that ImageJ stores as unsigned ones with an offset; None for any other file.

    ImageJ has no signed integers: it stores value + 32768 and states the inverse as the line ``c0=-32768``, ``c1=1``.
    """
    if dtype.kind != "u" or dtype.itemsize not in _SIGNED:
        return None
    offset, signed = _SIGNED[dtype.itemsize]
    return signed if [imagej.get(key) for key in ("cf", "c0", "c1")] == [0, offset, 1] else None


def shifted_back(values: Array, signed: np.dtype[Any]) -> Array:
    """Convert stored unsigned values to the signed ones that ImageJ displays.

    >>> shifted_back(np.array([0, 32768], np.uint16), np.dtype(np.int16)).tolist()
    [-32768, 0]
    """
    middle = values.dtype.type(1 << (8 * values.dtype.itemsize - 1))
    signed_values: Array = (values ^ middle).view(signed)
    return signed_values


def calibration(imagej: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return ImageJ's calibration of gray levels; None if absent or the identity.

    Returns
    -------
    dict or None
        ``function`` (ImageJ's number), ``coefficients`` and ``unit``.
    """
    function = imagej.get("cf")
    if not isinstance(function, int) or not 0 <= function < _UNCALIBRATED:
        return None
    coefficients = [imagej[key] for key in ("c0", "c1", "c2", "c3", "c4") if isinstance(imagej.get(key), int | float)]
    if not coefficients or (function == 0 and [float(c) for c in coefficients] == [0.0, 1.0]):
        return None
    return {"function": function, "coefficients": coefficients, "unit": str(imagej.get("vunit") or "")}
