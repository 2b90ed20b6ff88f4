"""Connections to servers: one client per process and kind of server, used in the event loop of zarr."""

from __future__ import annotations

import atexit
import os
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from zarr.core.sync import sync

from decrappify.errors import InputError, MissingExtraError
from decrappify.io.remote.address import Address
from decrappify.io.remote.attempts import Limits, repeated
from decrappify.io.remote.files import ByteRange, FileState, RemoteFiles

T = TypeVar("T")

LARGEST_DOCUMENT = 256 << 20  # bytes of a metadata document
_clients: dict[tuple[int, str], RemoteFiles] = {}
_limits = Limits()


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that runs in the event loop of zarr."""
    return sync(coroutine)


async def get(address: Address, part: ByteRange | None = None, largest: int = LARGEST_DOCUMENT) -> bytes | None:
    """Return the content of a file, or a part of it; None if the server answers that it does not exist."""
    files = _files(address)
    return await repeated(lambda: files.get(address, part, largest), str(address), _limits)


async def state(address: Address) -> FileState | None:
    """Return the state of a file; None if the server answers that it does not exist."""
    files = _files(address)
    return await repeated(lambda: files.state(address), str(address), _limits)


async def names(address: Address, *, deep: bool = False) -> set[str] | None:
    """Return the names in a folder, or with `deep` the paths of all files below; None if they cannot be listed."""
    files = _files(address)
    return await repeated(lambda: files.names(address, deep=deep), str(address), _limits)


def close_clients() -> None:
    """Close all connections of this process; the next request opens new ones, with the present environment."""
    for key in [key for key in _clients if key[0] == os.getpid()]:
        files = _clients.pop(key)
        with suppress(Exception):
            sync(files.close(), timeout=1)


def check_scheme(address: Address) -> None:
    """Raise InputError for an address of an unsupported kind, MissingExtraError if its client is not installed."""
    _files(address)


def _files(address: Address) -> RemoteFiles:
    kind = "http" if address.scheme in ("http", "https") else address.scheme
    key = os.getpid(), kind
    if key not in _clients:
        if not _clients:
            atexit.register(close_clients)
        _clients[key] = _new_files(kind, address)
    return _clients[key]


def _new_files(kind: str, address: Address) -> RemoteFiles:
    try:
        if kind == "http":
            from decrappify.io.remote.http import HttpFiles

            return HttpFiles(_limits)
        if kind == "s3":
            from decrappify.io.remote.s3 import S3Files

            return S3Files(_limits)
    except ImportError as error:
        name = (error.name or "a package").partition(".")[0]
        raise MissingExtraError(
            f'{address} cannot be read, as {name} is not installed; run pip install "decrappify[remote]"'
        ) from error
    raise InputError(
        f"{address} has the unsupported scheme {kind}, expected http, https or s3; copy the store to a disk and pass "
        "its path"
    )
