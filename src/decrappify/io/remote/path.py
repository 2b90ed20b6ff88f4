"""Paths in remote stores, with the part of the interface of `pathlib.Path` that the reader of OME-Zarr uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from decrappify.io.remote.address import Address, is_address

_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


class RemotePath(os.PathLike[str]):
    """A node or file of a remote store; its text has no query string and no password.

    Parameters
    ----------
    address : str or Address
        With its query string, which is sent with every request.

    Examples
    --------
    >>> path = RemotePath("https://host/cells.ome.zarr?token=1")
    >>> path / "0", (path / "0").name, path.suffix
    (RemotePath('https://host/cells.ome.zarr/0'), '0', '.zarr')
    """

    def __init__(self, address: str | Address) -> None:
        self.address = Address.parse(address) if isinstance(address, str) else address

    def __truediv__(self, key: str) -> RemotePath:
        return RemotePath(self.address / key)

    def __str__(self) -> str:
        return str(self.address)

    def __fspath__(self) -> str:
        return str(self.address)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    @property
    def name(self) -> str:
        """Last part of the path; the host or bucket without a path."""
        return self.address.path.rpartition("/")[2] or self.address.host

    @property
    def suffix(self) -> str:
        """Suffix of the name, with a dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """Folder of the file or node."""
        return RemotePath(replace(self.address, path=self.address.path.rpartition("/")[0]))

    def relative_to(self, other: Location) -> PurePosixPath:
        """Return the path below another one of the same store."""
        return PurePosixPath(self.address.path).relative_to(_path_of(other))

    def exists(self) -> bool:
        """Return whether this is a Zarr group or array."""
        return self.is_dir()

    def is_dir(self) -> bool:
        """Return whether this is a Zarr group or array."""
        return any((self / name).is_file() for name in _DOCUMENTS)

    def is_file(self) -> bool:
        """Return whether a file exists; raise RemoteError if the server does not answer that."""
        from decrappify.io.remote import client

        return client.wait_for(client.state(self.address)) is not None

    def read_bytes(self) -> bytes:
        """Return the content of a file; raise FileNotFoundError if the server answers that it does not exist."""
        from decrappify.io.remote import client

        content = client.wait_for(client.get(self.address))
        if content is None:
            raise FileNotFoundError(f"{self} does not exist")
        return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content of a text file; errors as for `read_bytes`."""
        return self.read_bytes().decode(encoding)

    def iterdir(self) -> Iterator[RemotePath]:
        """Iterate over the files and nodes of a folder; without a listing, over its nodes 0, 1, 2, ..."""
        from decrappify.io.remote import client

        found = client.wait_for(client.names(self.address))
        if found is not None:
            yield from (self / name for name in sorted(found) if name)
            return
        number = 0
        while (node := self / str(number)).is_dir():
            yield node
            number += 1


Location: TypeAlias = Path | RemotePath


def _path_of(path: Location) -> PurePosixPath:
    return PurePosixPath(path.address.path if isinstance(path, RemotePath) else path)


def location(path: str | os.PathLike[str]) -> Location:
    """Return the Path of a file on a disk, the RemotePath of an address.

    >>> location("cells.tif").name, location("s3://bucket/cells.ome.zarr?token=1")
    ('cells.tif', RemotePath('s3://bucket/cells.ome.zarr'))
    """
    if isinstance(path, RemotePath):
        return path
    return RemotePath(os.fspath(path)) if is_address(path) else Path(path)
