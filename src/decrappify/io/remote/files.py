"""Interface of the servers of remote files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from decrappify.io.remote.address import Address
from decrappify.io.remote.attempts import Passing, Permanent

_CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Part of a file.

    Attributes
    ----------
    start : int
        First byte; negative for the last bytes of a file.
    stop : int or None
        End; None for the end of the file.
    """

    start: int
    stop: int | None = None

    def header(self) -> str:
        """Return the value of the header ``Range``."""
        if self.start < 0:
            return f"bytes={self.start}"
        return f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}"

    def part_of(self, content: bytes) -> bytes:
        """Return the range of a whole file."""
        return content[self.start : self.stop]


@dataclass(frozen=True, slots=True)
class FileState:
    """State of a remote file.

    Attributes
    ----------
    size : int or None
        Bytes; None if the server does not state them.
    version : str or None
        Size with the entity tag or modification time; None if the server states neither of them.
    """

    size: int | None
    version: str | None

    @classmethod
    def of(cls, size: int | None, tag: object, modified: object) -> FileState:
        """Return the state from the values of an answer; each may be None."""
        return cls(size, f"{size}-{tag}-{modified}" if tag or modified else None)


class RemoteFiles(Protocol):
    """Files of one kind of server; used in the event loop of zarr only.

    The methods raise `Passing` and `Permanent`, for `decrappify.io.remote.attempts.repeated`. Only an answer that a
    file does not exist counts as its absence.
    """

    async def get(self, address: Address, part: ByteRange | None, largest: int) -> bytes | None:
        """Return the content of a file of at most `largest` bytes, or a part of it; None if it does not exist."""

    async def state(self, address: Address) -> FileState | None:
        """Return the state of a file; None if it does not exist."""

    async def names(self, address: Address, *, deep: bool) -> set[str] | None:
        """Return the names in a folder, or with `deep` the paths of all files below; None if they cannot be listed."""

    async def close(self) -> None:
        """Close the connections."""


def checked_part(content: bytes, part: ByteRange, content_range: str | None, *, is_whole: bool) -> bytes:
    """Return the requested part from an answer to a request of a part.

    Parameters
    ----------
    content : bytes
        The answer.
    part : ByteRange
        Requested part.
    content_range : str or None
        Value of the header ``Content-Range``.
    is_whole : bool
        Whether the answer is the whole file, as from servers without support of ranges.

    Raises
    ------
    Passing
        If the answer is another part, which would be decoded as wrong pixels.
    """
    if is_whole:
        return part.part_of(content)
    found = _CONTENT_RANGE.match(content_range or "")
    if found is None:
        raise Passing(f"the server returned a part of the file without stating which ({content_range or 'no range'})")
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    starts = first == part.start if part.start >= 0 else total is None or first == max(0, total + part.start)
    ends = {end - 1 for end in (part.stop, total) if end is not None}
    if not starts or (ends and last not in ends) or len(content) != last - first + 1:
        raise Passing(
            f"the server returned {len(content)} bytes as {content_range}, expected the range {part.header()[6:]}"
        )
    return content


def check_size(found: int, largest: int) -> None:
    """Raise Permanent if a file is larger than its content can be."""
    if found > largest:
        raise Permanent(
            f"the file has {found} bytes or more, expected at most {largest}", "check that the store is not damaged"
        )
