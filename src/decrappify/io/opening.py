"""The system's own errors while a file is opened, such as names that are too long, as one line each."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from decrappify.checks import short
from decrappify.errors import DecrappifyError, FormatError


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn errors of the system that no reader expects into a FormatError.

    A document of a store may name a file by any text, and the system refuses some of these with errors of their own.
    """
    try:
        yield
    except DecrappifyError:
        raise
    except OSError as error:
        if error.errno == errno.ENOMEM:  # a limit of the machine
            raise
        which = "" if error.filename in (None, str(path)) else f" ({short(error.filename)})"
        raise FormatError(
            f"{path} cannot be opened: {error.strerror or short(error)}{which}; check the name, and copy it again"
        ) from error
