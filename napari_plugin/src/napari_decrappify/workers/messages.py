"""One-line error messages for users, with details in the log."""

from __future__ import annotations

import logging

from decrappify.errors import DecrappifyError

logger = logging.getLogger("napari_decrappify")


def one_line(error: BaseException) -> str:
    r"""Return a one-line message for an exception.

    >>> one_line(ValueError("first line\n  second line"))
    'ValueError: first line; details are in the log'
    """
    from decrappify.restoration import is_out_of_memory

    if isinstance(error, DecrappifyError):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return "out of memory: close other programs, or choose another device or a smaller part of the movie"
    if isinstance(error, ImportError):
        return f"{error}; install what is missing, for example with pip install 'decrappify[napari]'"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    return f"{type(error).__name__}: {first}; details are in the log"


def log_error(error: BaseException) -> str:
    """Log the traceback and return the one-line message."""
    line = one_line(error)
    logger.error(line, exc_info=error)
    return line
