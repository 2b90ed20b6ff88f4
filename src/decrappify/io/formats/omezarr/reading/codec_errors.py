"""Reasons of errors of the codecs of Zarr chunks, in plain words."""

from __future__ import annotations

import re

from decrappify._common.checks import reason

_CODECS = ("Blosc", "Zstd", "LZ4", "gzip")
_CLUTTER = re.compile(r"^Error -\d+ while decompressing data: ()|\bb'([^']*)'")
_CODE = re.compile(r"error\b.*:\s*(-\d+)$", re.IGNORECASE)


def codec_reason(error: BaseException) -> str:
    """Return why a chunk cannot be decoded.

    >>> codec_reason(RuntimeError("error during blosc decompression: -1"))
    'Blosc reports error -1'
    >>> codec_reason(ValueError("Stored and computed checksum do not match. Stored: b'1'. Computed: b'2'."))
    'their checksum does not match'
    >>> codec_reason(ValueError("cannot reshape array of size 3 into shape (1,64,64)"))
    'they have another number of pixels than the chunk'
    >>> codec_reason(RuntimeError("Zstd decompression error: b'Data corruption detected'"))
    'Zstd decompression error: Data corruption detected'
    >>> codec_reason(IndexError("index 5 is out of bounds"))
    'they do not have the structure of a chunk'
    """
    text = str(error)
    if "checksum" in text:
        return "their checksum does not match"
    if "reshape" in text or "buffer size must be a multiple" in text:
        return "they have another number of pixels than the chunk"
    code, codec = _CODE.search(text), next((name for name in _CODECS if name.lower() in text.lower()), None)
    if code is not None and codec is not None:
        return f"{codec} reports error {code[1]}"
    if isinstance(error, AttributeError | IndexError | KeyError | ArithmeticError | AssertionError | TypeError):
        return "they do not have the structure of a chunk"
    return _CLUTTER.sub(r"\1\2", reason(error))
