"""A read-only Zarr store of remote files: only an answer that a file does not exist counts as its absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NoReturn

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from decrappify.io.remote import client
from decrappify.io.remote.address import Address
from decrappify.io.remote.files import ByteRange, FileState

_AT_ONCE = 16  # requests for the states of files


class RemoteStore(Store):
    """Files below an address.

    zarr's own store of fsspec accepts answers of another length or range than requested.

    Parameters
    ----------
    address : Address
        Root of the store.

    Attributes
    ----------
    largest : int
        Largest accepted file in bytes.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, address: Address) -> None:
        super().__init__(read_only=True)
        self.address, self.largest = address, client.LARGEST_DOCUMENT

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteStore) and self.address == other.address

    def __repr__(self) -> str:
        return f"RemoteStore({str(self.address)!r})"

    def with_read_only(self, read_only: bool = False) -> RemoteStore:
        """Return this store."""
        return self

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the content of one file, None if the server answers that it does not exist."""
        content = await client.get(self.address / key, _part(byte_range), self.largest)
        return None if content is None else prototype.buffer.from_bytes(content)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of files."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Return whether a file exists."""
        return await client.state(self.address / key) is not None

    async def getsize(self, key: str) -> int:
        """Return the size of a file; it is read if the server does not state its size."""
        found = await client.state(self.address / key)
        if found is not None and found.size is not None:
            return found.size
        content = await client.get(self.address / key, None, self.largest)
        if content is None:
            raise FileNotFoundError(key)
        return len(content)

    async def states(self, keys: Sequence[str]) -> list[FileState | None]:
        """Return the states of files, None for an absent one."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(key: str) -> FileState | None:
            async with slots:
                return await client.state(self.address / key)

        return list(await asyncio.gather(*map(one, keys)))

    async def stored_keys(self) -> set[str] | None:
        """Return the keys of all files; None if the server does not list them."""
        return await client.names(self.address, deep=True)

    async def set(self, key: str, value: Buffer) -> NoReturn:
        """Raise an error, as remote stores are only read."""
        raise NotImplementedError("remote stores are only read")

    async def delete(self, key: str) -> NoReturn:
        """Raise an error, as remote stores are only read."""
        raise NotImplementedError("remote stores are only read")

    def list(self) -> AsyncIterator[str]:
        """Raise an error: `stored_keys` lists files where a server can."""
        raise NotImplementedError("use stored_keys")

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Raise an error, as for `list`."""
        raise NotImplementedError("use stored_keys")

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Raise an error, as for `list`."""
        raise NotImplementedError("use stored_keys")


def _part(request: Any) -> ByteRange | None:
    if isinstance(request, RangeByteRequest):
        return ByteRange(request.start, request.end)
    if isinstance(request, OffsetByteRequest):
        return ByteRange(request.offset)
    if isinstance(request, SuffixByteRequest):
        return ByteRange(-request.suffix)
    return None
