"""Writers of photographs as PNG, JPEG and TIFF, with their metadata and a note on the coloring."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._version import __version__
from decrappify.errors import FormatError, InputError
from decrappify.io.images.photographs import ARTIST, CAMERA, COPYRIGHT, DATE, DESCRIPTION, MAKER, Photograph
from decrappify.io.store.outputs import atomic_output
from decrappify.movie import Array
from decrappify.movie.casting import as_uint8

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})

_SOFTWARE = 0x0131
_PNG_NAMES = {
    DESCRIPTION: "Description",
    _SOFTWARE: "Software",
    MAKER: "Make",
    CAMERA: "Model",
    DATE: "Creation Time",
    ARTIST: "Author",
    COPYRIGHT: "Copyright",
}


def write_photograph(path: Path, photograph: Photograph, statement: str, *, overwrite: bool = False) -> Path:
    """Write a photograph as PNG, JPEG or TIFF by its suffix, under a temporary name first.

    Parameters
    ----------
    path : Path
        A path that ends in .png, .jpg, .jpeg, .tif or .tiff.
    photograph : Photograph
        JPEG has 8 bits and no transparency: deeper pixels are rounded, transparent ones raise an error.
    statement : str
        How it was created; appended to the description of the original.
    overwrite : bool
        Whether `path` may be replaced.

    Raises
    ------
    FormatError
        If the suffix is not supported.
    InputError
        If the format cannot store the photograph.
    OutputExistsError, OutputError
        If `path` exists and `overwrite` is False, or cannot be written.
    """
    check_writable(path)
    earlier = photograph.tags.get(DESCRIPTION, "")
    described = f"{earlier}; {statement}" if earlier else statement
    photograph = replace(
        photograph, tags=photograph.tags | {DESCRIPTION: described, _SOFTWARE: f"decrappify {__version__}"}
    )
    kind = path.suffix.lower()
    write = _write_png if kind == ".png" else _write_jpeg if kind in (".jpg", ".jpeg") else _write_tiff
    if write is _write_jpeg and photograph.alpha is not None:
        photograph = _opaque(path, photograph)
    with atomic_output(path, overwrite=overwrite) as partial:
        write(partial, photograph)
    return path


def check_writable(path: Path) -> None:
    """Raise FormatError if the suffix is not supported."""
    if path.suffix.lower() not in WRITABLE:
        raise FormatError(f"{path} has an unsupported image format; supported: .png, .jpg and .tif")


def _opaque(path: Path, photograph: Photograph) -> Photograph:
    if photograph.alpha is not None and (photograph.alpha < np.iinfo(photograph.alpha.dtype).max).any():
        raise InputError(f"{path} cannot store the transparency of the image; write a .png or .tif")
    return replace(photograph, alpha=None)


def _with_alpha(photograph: Photograph) -> Array:
    if photograph.alpha is None:
        return photograph.pixels
    return np.concatenate([photograph.pixels, photograph.alpha[..., None]], axis=2)


def _write_png(path: Path, photograph: Photograph) -> None:
    import imagecodecs

    chunks = []
    if photograph.icc_profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(photograph.icc_profile)))
    if photograph.dpi:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in photograph.dpi), 1)))
    chunks += [_png_text(_PNG_NAMES[tag], text) for tag, text in photograph.tags.items()]
    encoded = imagecodecs.png_encode(_with_alpha(photograph))
    header = 8 + 25  # signature and IHDR, after which all of these chunks are allowed
    with path.open("wb") as file:
        file.write(encoded[:header])
        for kind, content in chunks:
            file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
        file.write(memoryview(encoded)[header:])


def _png_text(name: str, text: str) -> tuple[bytes, bytes]:
    try:
        return b"tEXt", name.encode() + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", name.encode() + b"\0\0\0\0\0" + text.encode()


def _write_jpeg(path: Path, photograph: Photograph) -> None:
    from PIL import Image

    exif = Image.Exif()
    for tag, text in photograph.tags.items():
        exif[tag] = text.encode()
    options: dict[str, Any] = {"dpi": tuple(map(round, photograph.dpi))} if photograph.dpi else {}
    Image.fromarray(as_uint8(photograph.pixels)).save(
        path,
        quality=95,
        subsampling=0,  # subsampled chroma would blur the predicted colors
        exif=exif,
        icc_profile=photograph.icc_profile,
        comment=photograph.tags[DESCRIPTION].encode(),
        **options,
    )


def _write_tiff(path: Path, photograph: Photograph) -> None:
    import tifffile

    dpi: dict[str, Any] = {"resolution": photograph.dpi, "resolutionunit": "INCH"} if photograph.dpi else {}
    tifffile.imwrite(
        path,
        _with_alpha(photograph),
        photometric="rgb",
        extrasamples=None if photograph.alpha is None else ["unassalpha"],
        compression="zlib",
        predictor=True,
        rowsperstrip=max(1, (1 << 20) // photograph.pixels[0].nbytes),
        description=photograph.tags[DESCRIPTION].encode(),
        software=photograph.tags[_SOFTWARE],
        iccprofile=photograph.icc_profile,
        extratags=[
            (tag, 2, 0, photograph.tags[tag].encode(), True)  # type 2: text
            for tag in (MAKER, CAMERA, DATE, ARTIST, COPYRIGHT)
            if tag in photograph.tags
        ],
        metadata=None,
        **dpi,
    )
