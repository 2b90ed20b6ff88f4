"""Check of Blosc chunks before they are decoded.

The decoder of Blosc takes the length of its input from the header of the chunk, so that a truncated or damaged chunk is
read beyond its end, which may end the process. Header of Blosc 1: bytes 4 to 15 are three little-endian 32-bit numbers,
the decoded size, the block size and the encoded size
(https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Any

import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import ShardingCodec

_HEADER_BYTES = 16
_BYTES_PER_PIXEL = 32  # upper bound: 8 of the widest pixel, a filter that widens it, 16 of the index of a shard
_NAMES = ("blosc", "numcodecs.blosc")


def check_blosc(chunk: Any, max_bytes: int) -> None:
    """Raise ValueError if the header of a Blosc chunk does not agree with its length.

    Parameters
    ----------
    chunk : bytes-like
        Encoded chunk.
    max_bytes : int
        Largest plausible decoded size.

    Examples
    --------
    >>> check_blosc(bytes(7), 100)
    Traceback (most recent call last):
    ...
    ValueError: the Blosc chunk has 7 bytes, expected at least 16
    """
    with memoryview(chunk) as view:
        if view.nbytes < _HEADER_BYTES:
            raise ValueError(f"the Blosc chunk has {view.nbytes} bytes, expected at least {_HEADER_BYTES}")
        decoded, block, encoded = struct.unpack("<3I", view.cast("B")[4:_HEADER_BYTES])
        if encoded != view.nbytes:
            raise ValueError(f"the Blosc chunk has {view.nbytes} bytes, but its header states {encoded}")
    if decoded > max_bytes:
        raise ValueError(f"the Blosc chunk states {decoded} decoded bytes, expected at most {max_bytes}")
    if decoded and not 0 < block <= decoded:
        raise ValueError(f"the Blosc chunk states blocks of {block} bytes, expected 1 to {decoded}")


def with_checked_blosc(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return the array with every Blosc codec replaced by one that checks a chunk before it is decoded."""
    metadata: Any = array.metadata
    if metadata.zarr_format == 2:
        max_bytes = _max_bytes(array.chunks)
        compressor = _checked_v2(metadata.compressor, max_bytes)
        filters = metadata.filters and tuple(_checked_v2(codec, max_bytes) for codec in metadata.filters)
        if compressor is metadata.compressor and filters == metadata.filters:
            return array
        metadata = replace(metadata, compressor=compressor, filters=filters)
    else:
        codecs = _checked(metadata.codecs)
        if codecs == tuple(metadata.codecs):
            return array
        metadata = replace(metadata, codecs=codecs)
    return zarr.Array(zarr.AsyncArray(metadata, array.store_path, array.config))


def _max_bytes(chunk_shape: tuple[int, ...]) -> int:
    return _BYTES_PER_PIXEL * math.prod(chunk_shape) + 1024


@dataclass(frozen=True)
class _CheckedV2:
    """Blosc codec of Zarr 2 that checks a chunk before it is decoded."""

    codec: Any
    max_bytes: int
    codec_id = "blosc"

    def encode(self, buf: Any) -> Any:
        return self.codec.encode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        check_blosc(buf, self.max_bytes)
        return self.codec.decode(buf, out)

    def get_config(self) -> dict[str, Any]:
        return dict(self.codec.get_config())

    @classmethod
    def from_config(cls, config: Any) -> Any:  # required by zarr; what is read from a file is checked again
        from numcodecs import Blosc

        return Blosc.from_config(config)


def _checked_v2(codec: Any, max_bytes: int) -> Any:
    return _CheckedV2(codec, max_bytes) if getattr(codec, "codec_id", None) == "blosc" else codec


@dataclass(frozen=True)
class _CheckedV3(BytesBytesCodec):
    """Blosc codec of Zarr 3 that checks a chunk before it is decoded."""

    codec: Any
    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        return dict(self.codec.to_dict())

    def evolve_from_array_spec(self, array_spec: Any) -> _CheckedV3:
        return replace(self, codec=self.codec.evolve_from_array_spec(array_spec))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return int(self.codec.compute_encoded_size(input_byte_length, chunk_spec))

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        check_blosc(chunk_data.as_numpy_array(), _max_bytes(chunk_spec.shape))
        return await self.codec._decode_single(chunk_data, chunk_spec)

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return await self.codec._encode_single(chunk_data, chunk_spec)


def _checked(codecs: Any) -> tuple[Any, ...]:
    return tuple(
        replace(codec, codecs=_checked(codec.codecs), index_codecs=_checked(codec.index_codecs))
        if isinstance(codec, ShardingCodec)
        else _CheckedV3(codec)
        if codec.to_dict()["name"] in _NAMES
        else codec
        for codec in codecs
    )
