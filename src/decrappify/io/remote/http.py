"""Files of web servers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from fsspec.implementations.http import HTTPFileSystem
from yarl import URL

from decrappify.io.remote.address import Address
from decrappify.io.remote.attempts import Limits, Passing, Permanent
from decrappify.io.remote.files import ByteRange, FileState, check_size, checked_part

_ABSENT = (404, 410)
_PASSING = (408, 425, 429)
_DENIED = (401, 403, 407)
_NO_HEAD = (405, 501)
_BLOCK = 1 << 20
_ACCESS = (
    "pass credentials (a password in ~/.netrc, a header in FSSPEC_HTTPS, or the signature of the address), and check "
    "that the files may be read"
)


class HttpFiles:
    """Files of web servers; see `decrappify.io.remote.files.RemoteFiles`.

    The session is that of fsspec, so that its configuration (``FSSPEC_HTTP``, ``FSSPEC_HTTPS``) applies.

    Parameters
    ----------
    limits : Limits
        Times after which a request fails.
    """

    def __init__(self, limits: Limits) -> None:
        timeout = aiohttp.ClientTimeout(
            total=limits.request_s, sock_connect=limits.connect_s, sock_read=limits.silent_s
        )

        async def session(**options: Any) -> aiohttp.ClientSession:
            return aiohttp.ClientSession(**{"timeout": timeout, "trust_env": True, **options})

        self._system = HTTPFileSystem(asynchronous=True, skip_instance_cache=True, get_client=session)

    async def get(self, address: Address, part: ByteRange | None, largest: int) -> bytes | None:
        """Return the content of a file, or a part of it; None if it does not exist."""
        headers = {} if part is None else {"Range": part.header()}
        async with self._reply("GET", address, headers) as reply:
            if _is_absent(reply):
                return None
            is_coded = "Content-Encoding" in reply.headers
            size = None if is_coded else reply.content_length
            check_size(size or 0, largest)
            content = bytearray()
            async for block in reply.content.iter_chunked(_BLOCK):
                content += block
                check_size(len(content), largest)
            if size is not None and size != len(content):
                raise Passing(f"the server returned {len(content)} of {size} bytes")
            if part is None:
                if reply.status != 200:
                    raise Passing(f"the server returned a part of the file (status {reply.status})")
                return bytes(content)
            is_whole = reply.status == 200
            return checked_part(bytes(content), part, reply.headers.get("Content-Range"), is_whole=is_whole)

    async def state(self, address: Address) -> FileState | None:
        """Return the state of a file; None if it does not exist."""
        async with self._reply("HEAD", address, {}) as reply:
            if reply.status not in _NO_HEAD:
                return _state(reply, reply.content_length)
        async with self._reply("GET", address, {"Range": "bytes=0-0"}) as reply:
            total = reply.headers.get("Content-Range", "").rpartition("/")[2]
            is_part = reply.status == 206
            return _state(reply, (int(total) if total.isdecimal() else None) if is_part else reply.content_length)

    async def names(self, address: Address, *, deep: bool) -> set[str] | None:
        """Return None, as web servers do not list files in a standard way."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        if self._system._session is not None:
            await self._system._session.close()

    @asynccontextmanager
    async def _reply(self, method: str, address: Address, headers: dict[str, str]) -> AsyncIterator[Any]:
        """Yield the answer to a request; raise `Passing` or `Permanent` for failures."""
        options = dict(self._system.kwargs)
        headers = {"Accept-Encoding": "identity", **options.pop("headers", {}), **headers}
        options.setdefault("allow_redirects", True)
        try:
            session = await self._system.set_session()
            url = URL(address.request_url(), encoded=True)
            async with session.request(method, url, headers=headers, **options) as reply:
                if method == "GET" or reply.status not in _NO_HEAD:
                    _check_status(reply)
                yield reply
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as error:
            reason = "its certificate is not valid" if "CERTIFICATE" in str(error) else "the TLS connection failed"
            raise Permanent(reason, "check the address, the clock and the certificates of this computer") from error
        except (aiohttp.InvalidURL, aiohttp.TooManyRedirects, ValueError) as error:
            raise Permanent("the address or a redirection is not valid") from error
        except aiohttp.ClientConnectorError as error:
            found = (
                os.strerror(error.errno)
                if error.errno is not None and error.errno > 0
                else error.strerror or "unknown host"
            )
            raise Passing(f"no connection to {address.host} ({found})") from error
        except TimeoutError as error:
            raise Passing("the server did not answer in time") from error
        except aiohttp.ClientPayloadError as error:
            raise Passing("the server closed the connection before the end of the file") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Passing("the connection was broken, or the answer was not valid HTTP") from error


def _is_absent(reply: Any) -> bool:
    return reply.status in _ABSENT


def _state(reply: Any, size: int | None) -> FileState | None:
    if _is_absent(reply):
        return None
    return FileState.of(size, reply.headers.get("ETag"), reply.headers.get("Last-Modified"))


def _check_status(reply: Any) -> None:
    """Raise `Passing` or `Permanent` for a status other than success and absence."""
    status = reply.status
    if status in (200, 206) or status in _ABSENT:
        return
    found = f"status {status} ({reply.reason})" if reply.reason else f"status {status}"
    if status in _PASSING or status >= 500:
        asked = reply.headers.get("Retry-After", "")
        raise Passing(f"the server answered with {found}", float(asked) if asked.isdecimal() else 0.0)
    if status in _DENIED:
        raise Permanent(f"access was denied, {found}", _ACCESS)
    if status == 416:
        raise Permanent(f"a chunk is shorter than its index states, {found}", "check that the store is not damaged")
    raise Permanent(f"the server answered with {found}, expected 200")
