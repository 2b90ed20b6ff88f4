"""Addresses of remote stores, and their text without credentials."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

# A Path keeps one of the two slashes.
_ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]+)://|(https?|s3):/(?=[^/])")


def is_address(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a web address or the address of an S3 object.

    >>> is_address("https://host/a.ome.zarr"), is_address("s3:/bucket/a"), is_address("C:/a.zarr"), is_address("a.zarr")
    (True, True, False, False)
    """
    return _ADDRESS.match(os.fspath(path)) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a store or of a node or file in it; its text has no credentials.

    Attributes
    ----------
    scheme : str
        Such as ``https`` or ``s3``, lowercase.
    host : str
        Host and port, or bucket.
    path : str
        Path without slashes at its ends, as written in the address.
    user : str
        User name and password, as written in the address; may be empty.
    query : str
        Query string; may be empty. It is sent with every request, as a signature may apply to a whole folder.

    Examples
    --------
    >>> address = Address.parse("https://host/a.ome.zarr?sig=1") / "0"
    >>> str(address), address.request_url()
    ('https://host/a.ome.zarr/0', 'https://host/a.ome.zarr/0?sig=1')
    """

    scheme: str
    host: str
    path: str
    user: str = ""
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address in a text for which `is_address` is True."""
        scheme, _, rest = text.partition(":")
        parts = urlsplit(f"//{rest.lstrip('/')}")
        user, _, host = parts.netloc.rpartition("@")
        return cls(scheme.lower(), host, parts.path.strip("/"), user, parts.query)

    def __truediv__(self, key: str) -> Address:
        return replace(self, path="/".join(filter(None, (self.path, key.strip("/")))))

    def __str__(self) -> str:
        return "/".join(filter(None, (f"{self.scheme}://{self.host}", self.path)))

    def request_url(self) -> str:
        """Return the address as it is sent to a server."""
        user = f"{self.user}@" if self.user else ""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{user}{self.host}/{quote(self.path, safe='/%:@!$&+,;=~()*')}{query}"
