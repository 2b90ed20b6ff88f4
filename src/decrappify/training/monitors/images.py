"""Files of patches: PNG for photographs, float32 TIFF in network units for microscopy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from decrappify.io.images.decoding import read_image
from decrappify.movie import Array
from decrappify.normalization import IMAGENET

_MEAN = np.array(IMAGENET.mean, np.float32)[:, None, None]
_STD = np.array(IMAGENET.std, np.float32)[:, None, None]


def as_image(image: Tensor, *, is_color: bool) -> Array:
    """Convert an image (C, Y, X) in network units for display: a photograph to uint8 (3, Y, X), others unchanged."""
    values: Array = image.detach().float().cpu().numpy()
    if not is_color:
        return values
    levels: Array = np.clip(np.rint((values * _STD + _MEAN) * 255), 0, 255).astype(np.uint8)
    return levels


def write_patch(path: Path, image: Tensor, *, is_color: bool) -> None:
    """Write an image (C, Y, X) in network units as ``path.png`` (photographs) or ``path.tif``."""
    pixels = as_image(image, is_color=is_color)
    if is_color:
        from PIL import Image

        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(path.with_suffix(".png"))
    else:
        import tifffile

        tifffile.imwrite(path.with_suffix(".tif"), pixels, photometric="minisblack", metadata={"axes": "CYX"})


def read_patch(path: Path) -> Array:
    """Read a file of `write_patch`: float32 (C, Y, X) in network units."""
    if path.suffix == ".png":
        values = read_image(path).astype(np.float32) / 255
        return np.asarray((values - _MEAN) / _STD, np.float32)
    import tifffile

    image = np.asarray(tifffile.imread(path), np.float32)
    return image if image.ndim == 3 else image[None]
