"""Conversion of system errors on opening a file, such as a name that is too long, into one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from decrappify._common.checks import short
from decrappify.errors import DecrappifyError, FormatError
from decrappify.io.remote.path import Location


@contextmanager
def reading_errors(path: Location) -> Iterator[None]:
    """Raise FormatError for system errors that readers do not handle.

    A metadata document may contain any string as a file name; the system rejects some of these with unusual errors.
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
