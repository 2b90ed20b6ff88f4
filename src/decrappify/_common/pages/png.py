"""Grayscale, palette and color images as PNG, and PNG as data URL."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
THUMBNAIL = 160  # pixels of the longer side; at most 26 kB, as noise does not compress
_READ = 8 * THUMBNAIL  # pixels of the longer side from which a thumbnail is computed
_BLUE, _WHITE, _RED = (33, 82, 172), (250, 250, 250), (178, 24, 33)


def gray_png(image: Array, low: float, high: float) -> bytes:
    """Return a (Y, X) image as 8-bit PNG, `low` black and `high` white."""
    return _png(_scaled(image, low, high))


def palette_png(image: Array, low: float, high: float, palette: Array) -> bytes:
    """Return a (Y, X) image as PNG with a palette (256, 3) uint8 from `low` to `high`."""
    return _png(_scaled(image, low, high), palette)


def rgb_png(image: Array) -> bytes:
    """Return a (Y, X, 3) uint8 image as PNG."""
    from PIL import Image

    return _encoded(Image.fromarray(image, "RGB"))


def diverging() -> Array:
    """Return a palette from blue over white to red, (256, 3) uint8."""
    at = np.linspace(-1, 1, 256)[:, None]
    ends = np.where(at < 0, np.array(_BLUE), np.array(_RED))
    share = np.abs(at) ** 0.8
    return np.asarray(np.rint(ends * share + np.array(_WHITE) * (1 - share)), dtype=np.uint8)


def thumbnail_png(image: Array) -> bytes:
    """Return a small PNG of an image, (Y, X) with its own contrast or (Y, X, 3) uint8.

    >>> header = thumbnail_png(np.zeros((400, 800)))[16:24]
    >>> int.from_bytes(header[:4]), int.from_bytes(header[4:])
    (160, 80)
    """
    from PIL import Image

    step = -(-max(image.shape[:2]) // _READ)
    part = image[::step, ::step]
    if part.ndim == 2:
        finite = part[np.isfinite(part)].astype(np.float64)
        low, high = np.percentile(finite, (0.5, 99.8)) if finite.size else (0.0, 1.0)
        part = _scaled(np.nan_to_num(part), low, high if high > low else low + 1)
    shown = Image.fromarray(np.ascontiguousarray(part))
    longer = max(shown.size)
    factor = max(1, THUMBNAIL // longer) if longer <= THUMBNAIL else THUMBNAIL / longer
    width, height = (max(1, round(length * factor)) for length in shown.size)
    shown = shown.resize((width, height), Image.Resampling.BOX)
    return _encoded(shown if shown.mode == "L" else shown.quantize(256))


def data_url(png: bytes) -> str:
    """Return a PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _scaled(image: Array, low: float, high: float) -> Array:
    share = (image.astype(np.float64) - low) / (high - low)
    return np.asarray(np.rint(255 * np.clip(share, 0, 1)), dtype=np.uint8)


def _png(levels: Array, palette: Array | None = None) -> bytes:
    from PIL import Image

    image = Image.fromarray(levels, "L")
    if palette is not None:
        image = Image.frombytes("P", image.size, levels.tobytes())
        image.putpalette(palette.ravel().tolist())
    return _encoded(image)


def _encoded(image: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG", optimize=True)
    return data.getvalue()
