"""Objects in S3 buckets, of Amazon and of compatible servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from decrappify.io.remote.address import Address
from decrappify.io.remote.attempts import Limits, Passing, Permanent
from decrappify.io.remote.files import ByteRange, FileState, check_size, checked_part

_BLOCK = 1 << 20
_OFF = ("", "0", "false", "no", "off")
_ACCESS = (
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (FSSPEC_S3_ANON=true for a public bucket), and "
    "check that the objects exist and may be read"
)
_REGION = "set AWS_DEFAULT_REGION to the region of the bucket, and AWS_ENDPOINT_URL for servers other than Amazon's"
_PASSING_CODES = ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling")


class S3Files:
    """Objects in S3 buckets; see `decrappify.io.remote.files.RemoteFiles`.

    Options are those of s3fs and botocore: ``AWS_*`` and ``FSSPEC_S3_*`` in the environment, and their files. Without
    credentials, requests are anonymous.

    Parameters
    ----------
    limits : Limits
        Times after which a request fails.
    """

    def __init__(self, limits: Limits) -> None:
        from s3fs import S3FileSystem

        times = {"connect_timeout": limits.connect_s, "read_timeout": limits.silent_s}
        self._system = S3FileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={**times, "retries": {"total_max_attempts": 1}},
        )
        self._system.retries = 1
        self._longest_s = limits.request_s
        if isinstance(self._system.anon, str):  # from the environment
            self._system.anon = self._system.anon.lower() not in _OFF

    async def get(self, address: Address, part: ByteRange | None, largest: int) -> bytes | None:
        """Return the content of an object, or a part of it; None if it does not exist."""
        options = {} if part is None else {"Range": part.header()}
        with _failures(address):
            try:
                reply = await self._call("get_object", address, **options)
            except FileNotFoundError as error:
                _check_bucket(error, address)
                return None
            size = int(reply["ContentLength"])
            check_size(size, largest)
            content = bytearray()
            try:
                async with asyncio.timeout(self._longest_s):
                    while block := await reply["Body"].read(_BLOCK):
                        content += block
                        check_size(len(content), largest)
            finally:
                reply["Body"].close()
        if size != len(content):
            raise Passing(f"the server returned {len(content)} of {size} bytes")
        if part is None:
            return bytes(content)
        is_whole = reply["ResponseMetadata"].get("HTTPStatusCode") == 200
        return checked_part(bytes(content), part, reply.get("ContentRange"), is_whole=is_whole)

    async def state(self, address: Address) -> FileState | None:
        """Return the state of an object; None if it does not exist."""
        with _failures(address):
            try:
                reply = await self._call("head_object", address)
            except FileNotFoundError as error:
                _check_bucket(error, address)
                return None
        return FileState.of(int(reply["ContentLength"]), reply.get("ETag"), reply.get("LastModified"))

    async def names(self, address: Address, *, deep: bool) -> set[str] | None:
        """Return the names in a folder; None if listing is denied."""
        folder = f"{address.host}/{address.path}".strip("/")
        with _failures(address):
            try:
                await self._session()
                found = await self._system._lsdir(folder, refresh=True, delimiter="" if deep else "/")
            except PermissionError:
                return None
            except FileNotFoundError as error:
                _check_bucket(error, address)
                return set()
        return {entry["name"].removeprefix(f"{folder}/").strip("/") for entry in found}

    async def close(self) -> None:
        """Close the connections."""
        if self._system._s3 is not None:
            await self._system._s3.close()

    async def _call(self, method: str, address: Address, **options: Any) -> Any:
        await self._session()
        return await self._system._call_s3(method, Bucket=address.host, Key=address.path, **options)

    async def _session(self) -> None:
        """Open the session, anonymously if no credentials are set."""
        await self._system.set_session()
        if not self._system.anon and await self._system.session.get_credentials() is None:
            self._system.anon = True
            await self.close()
            await self._system.set_session(refresh=True)


def _response(error: BaseException) -> dict[str, Any]:
    """Return the answer of the server that caused an error, empty without an answer."""
    found = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return found if isinstance(found, dict) else {}


def _check_bucket(error: FileNotFoundError, address: Address) -> None:
    """Raise Permanent if a bucket is absent, which s3fs reports as an absent object."""
    if _response(error).get("Error", {}).get("Code") == "NoSuchBucket":
        raise Permanent(f"the bucket {address.host} does not exist", f"check its name; {_REGION}") from error


@contextmanager
def _failures(address: Address) -> Iterator[None]:
    """Raise `Passing` or `Permanent` for errors of s3fs and botocore."""
    import aiohttp
    from botocore import exceptions as boto

    try:
        yield
    except (Passing, Permanent):
        raise
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound) as error:
        raise Permanent("the credentials are incomplete", _ACCESS) from error
    except boto.SSLError as error:
        raise Permanent("its certificate is not valid", "check the endpoint and the certificates") from error
    except boto.EndpointConnectionError as error:
        raise Passing("no connection to the server") from error
    except (boto.ConnectTimeoutError, boto.ReadTimeoutError, TimeoutError) as error:
        raise Passing("the server did not answer in time") from error
    except (boto.HTTPClientError, boto.ResponseParserError, aiohttp.ClientError, ConnectionError) as error:
        raise Passing("the connection was broken, or the answer was not valid") from error
    except boto.ParamValidationError as error:
        raise Permanent(f"{address} is not a valid bucket and key", "pass s3://BUCKET/KEY.ome.zarr") from error
    except (boto.BotoCoreError, boto.ClientError, OSError, ValueError) as error:
        raise _failure(error) from error


def _failure(error: Exception) -> Passing | Permanent:
    answer = _response(error)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = answer.get("Error", {}).get("Code") or type(error).__name__
    found = f"{code} (status {status})" if status and str(status) != code else f"status {status}" if status else code
    if status in (408, 425, 429) or (status or 0) >= 500 or code in _PASSING_CODES:
        return Passing(f"the server answered with {found}")
    if status in (401, 403) or isinstance(error, PermissionError):
        return Permanent(f"access was denied, {found}", _ACCESS)
    if status in (301, 307, 400):
        return Permanent(f"the server answered with {found}", _REGION)
    return Permanent(f"the server answered with {found}")
