"""Watermark: an optional small text in the image that states that its colors were predicted by AI."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from decrappify.movie import Array

TEXT = "AI-colorized"
_HEIGHT = 0.05  # of the image height
_SMALLEST = 9  # smallest readable type height in pixels


def add_watermark(image: Array, text: str = TEXT) -> Array:
    """Write a text into the lower left corner of a copy: white with a dark outline, readable on any background.

    Parameters
    ----------
    image : ndarray of uint8 or uint16, (Y, X, 3)
        The image; not changed.
    text : str
        The text; about 5 % of the image height, smaller if it would not fit into the width.

    Returns
    -------
    ndarray of the same shape and dtype

    Examples
    --------
    >>> marked = add_watermark(np.zeros((200, 300, 3), np.uint8))
    >>> bool(marked[150:, :150].any()), bool(marked[:150].any())
    (True, False)
    """
    ink, cover = _stamp(image.shape[0], image.shape[1], text)
    marked = image.copy()
    full_scale = np.iinfo(image.dtype).max
    corner = marked[image.shape[0] - ink.shape[0] :, : ink.shape[1]]
    corner[...] = np.rint(corner * (1 - cover) + ink * full_scale)
    return marked


@lru_cache(maxsize=8)
def _stamp(height: int, width: int, text: str) -> tuple[Array, Array]:
    """Draw the overlay of the lower left corner: white ink and opacity, both 0 to 1, (h, w, 1)."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(_SMALLEST, round(_HEIGHT * height))
    while True:
        font = ImageFont.load_default(size)
        rim = max(1, size // 12)
        left, top, right, bottom = (round(side) for side in font.getbbox(text, stroke_width=rim))
        margin = size // 2
        if right - left + 2 * margin <= width or size <= 4:
            break
        size = max(4, min(size - 1, size * width // (right - left + 2 * margin)))
    box = (min(width, right - left + 2 * margin), min(height, bottom - top + 2 * margin))
    place = (margin - left, box[1] - margin - bottom)
    layers = []
    for stroke_width in (0, rim):
        layer = Image.new("L", box)
        ImageDraw.Draw(layer).text(place, text, fill=255, font=font, stroke_width=stroke_width)
        layers.append(np.asarray(layer, np.float32)[..., None] / 255)
    ink, cover = layers
    return ink, np.maximum(ink, cover)
