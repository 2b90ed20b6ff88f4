"""Luma of one image with the chroma of another: OpenCV's integer YUV, bit for bit."""

from __future__ import annotations

import numpy as np

from decrappify.crappify.color import luma
from decrappify.errors import InputError
from decrappify.movie import Array

_BAND_PIXELS = 1 << 20  # processed at once: a dozen int32 planes of them use less than 64 MB, for images of any size
_BAND_BYTES = 64  # per pixel
_HALF = 8192  # in fixed-point numbers with 14 fractional bits


def gray_of(image: Array) -> Array:
    """Compute the gray levels of a color image, as Pillow's mode ``L`` does.

    Parameters
    ----------
    image : ndarray of uint8, (Y, X, 3)
        Red, green, blue.

    Returns
    -------
    ndarray of uint8, (Y, X)

    Examples
    --------
    >>> gray_of(np.array([[[255, 0, 0], [10, 10, 10]]], np.uint8))
    array([[76, 10]], dtype=uint8)
    """
    return luma(np.moveaxis(image, -1, 0))


def luma_of(image: Array) -> Array:
    """Compute Y of OpenCV's YUV: (..., 3) uint8 or uint16 to (...) int32 in the same gray levels.

    >>> luma_of(np.array([0, 255, 0], np.uint8)).item()
    150
    """
    red, green, blue = (image[..., channel].astype(np.int32) for channel in range(3))
    return _descale(4899 * red + 9617 * green + 1868 * blue)


def merge_luma(original: Array, color: Array) -> Array:
    """Combine the luma of the original with the chroma of a colored version of it.

    All arithmetic is that of OpenCV's ``COLOR_RGB2YUV`` and ``COLOR_YUV2RGB`` on uint8, to the last bit. A 16-bit
    original keeps its 16-bit luma: the 8-bit chroma is multiplied by 257 and added to it by the same formula. A sum
    beyond the range of the dtype is clipped; only there the luma differs by more than rounding.

    Parameters
    ----------
    original : ndarray of uint8 or uint16, (Y, X, 3)
        Red, green, blue; source of the luma.
    color : ndarray of uint8, (Y, X, 3)
        Red, green, blue; source of the chroma.

    Returns
    -------
    ndarray of the original's dtype, (Y, X, 3)

    Raises
    ------
    InputError
        For other shapes or dtypes.

    Examples
    --------
    >>> gray, red = np.full((1, 1, 3), 100, np.uint8), np.array([[[180, 60, 60]]], np.uint8)
    >>> merge_luma(gray, red)
    array([[[184,  64,  63]]], dtype=uint8)
    """
    _check(original, color)
    merged = np.empty_like(original, order="C")
    rows = max(1, _BAND_PIXELS // max(1, original.shape[1]))
    for start in range(0, original.shape[0], rows):
        band = slice(start, start + rows)
        _merge_band(original[band], color[band], merged[band])
    return merged


def _merge_band(original: Array, color: Array, merged: Array) -> None:
    full_scale = int(np.iinfo(original.dtype).max)
    step = full_scale // 255  # one 8-bit level in the original's levels: 1 or 257; all products below fit into int32
    luma, color_luma = luma_of(original), luma_of(color)
    u = _chroma(8061, color[..., 2], color_luma) * step
    v = _chroma(14369, color[..., 0], color_luma) * step
    for channel, offset in enumerate((18678 * v, -6472 * u - 9519 * v, 33292 * u)):
        merged[..., channel] = np.clip(luma + _descale(offset), 0, full_scale)


def _chroma(factor: int, channel: Array, luma: Array) -> Array:
    """Compute U - 128 or V - 128 of 8-bit colors."""
    shifted: Array = np.clip(_descale(factor * (channel.astype(np.int32) - luma) + (128 << 14)), 0, 255)
    return shifted - 128


def _descale(x: Array) -> Array:
    scaled: Array = (x + _HALF) >> 14
    return scaled


def merging_bytes(image: Array) -> int:
    """Return the memory that `merge_luma`, the stretched chroma and the encoded result need, without the original."""
    nbytes: int = 2 * image.nbytes + min(image.shape[0] * image.shape[1], _BAND_PIXELS) * _BAND_BYTES
    return nbytes


def _check(original: Array, color: Array) -> None:
    if original.ndim != 3 or original.shape[2] != 3 or original.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"original has shape {original.shape} and dtype {original.dtype}, expected (Y, X, 3) uint8 or uint16"
        )
    if color.shape != original.shape or color.dtype != np.uint8:
        raise InputError(
            f"color has shape {color.shape} and dtype {color.dtype}, expected {original.shape} uint8 to fit the "
            "original"
        )
