"""Log messages of tifffile, collected while it reads a file."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from decrappify.errors import FormatError

_SYSTEM_ERROR = re.compile(r"raised \w+Error\((\d+), ")
_MOST_MESSAGES = 50_000


class _TooManyMessages(BaseException):  # not an Exception: tifffile logs those and continues
    """Exception that ends a call of tifffile."""


@contextmanager
def tifffile_messages(path: Path) -> Iterator[list[str]]:
    """Collect the log messages of tifffile; this package reports the state of the file in one line instead.

    Parameters
    ----------
    path : Path
        The file, for messages.

    Raises
    ------
    FormatError
        If there are too many messages for a recording; tifffile might continue for minutes.
    OSError
        If the system could not read a file; tifffile only logs this, and skips the pages.
    """
    log = logging.getLogger("tifffile")
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        if len(messages) > _MOST_MESSAGES:
            raise _TooManyMessages
        return False

    log.addFilter(keep)
    try:
        with np.errstate(all="ignore"):  # a damaged file may cause divisions by zero
            yield messages
    except _TooManyMessages as error:
        raise FormatError(
            f"{path} is damaged: tifffile found more than {_MOST_MESSAGES} errors in it; copy it again"
        ) from error
    finally:
        log.removeFilter(keep)
    for number in (int(found[1]) for found in map(_SYSTEM_ERROR.search, messages) if found):
        if number != errno.ENOENT:  # a missing file of a set has a separate message
            raise OSError(number, os.strerror(number))
