"""Images for the pages of results: an enlarged detail, one panel per method, all with the contrast of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Array = NDArray[Any]

_LINE = 18
_GAP = 4


def save_panel(
    path: Path, images: Mapping[str, Array], *, detail: int = 96, side: int = 240, errors: float = 0.0
) -> str:
    """Write the panels side by side and return the Markdown link to the file.

    `images` are (Y, X). The last one is the reference: it determines the contrast and the position (the square of
    `detail` pixels with the highest variance). Images of lower resolution are shown with larger pixels. `errors` adds
    a second line of panels: image - reference, around mid-gray, with the contrast multiplied by it.
    """
    truth = list(images.values())[-1]
    detail = min(detail, *truth.shape) // 4 * 4
    y, x = _place(truth, detail)
    low, high = np.percentile(truth, [0.5, 99.8])
    lines = 2 if errors else 1
    canvas = Image.new("L", (len(images) * (side + _GAP) - _GAP, lines * side + (lines - 1) * _GAP + _LINE), 0)
    draw = ImageDraw.Draw(canvas)
    for index, (title, image) in enumerate(images.items()):
        factor = truth.shape[0] // image.shape[0]
        part = image[y // factor : (y + detail) // factor, x // factor : (x + detail) // factor]
        canvas.paste(_tile((part - low) / (high - low), side), (index * (side + _GAP), _LINE))
        if errors:
            error = (part - truth[y : y + detail, x : x + detail]) / (high - low)
            canvas.paste(_tile(0.5 + errors * error, side), (index * (side + _GAP), _LINE + side + _GAP))
        draw.text((index * (side + _GAP) + 3, 2), title, fill=255, font=ImageFont.load_default(12))
    canvas.save(path, optimize=True)
    return f"![{' | '.join(images)}](results/{path.name})"


def _tile(shown: Array, side: int) -> Image.Image:
    """Return an image with values 0 to 1 as a gray square."""
    gray = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(gray).resize((side, side), Image.Resampling.NEAREST)


def _place(image: Array, size: int) -> tuple[int, int]:
    """Return the upper left corner of the square with the highest variance, on multiples of 4 pixels."""
    from scipy.ndimage import uniform_filter

    wide = image.astype(np.float64)
    variance = uniform_filter(wide**2, size) - uniform_filter(wide, size) ** 2
    half = size // 2
    rows, columns = (max(1, length - size + 1) for length in image.shape)
    y, x = np.unravel_index(np.argmax(variance[half : half + rows, half : half + columns]), (rows, columns))
    return int(y) // 4 * 4, int(x) // 4 * 4
