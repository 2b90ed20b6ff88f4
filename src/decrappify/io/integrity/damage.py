"""Conversion of parser exceptions on damaged files into FormatError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from decrappify._common.checks import reason
from decrappify.errors import DecrappifyError, FormatError
from decrappify.limits.reached import raise_if_limit


@contextmanager
def damage_errors(
    what: str,
    advice: str,
    before: Callable[[], object] | None = None,
    why: Callable[[Exception], str] = reason,
) -> Iterator[None]:
    """Raise FormatError for any error of a parser; errors of this package and of reached limits keep their type.

    The libraries that read TIFF, Zarr, CZI and images do not validate the content of a file: a zero, a huge number or a
    value of another type in it can raise any kind of exception.

    Parameters
    ----------
    what : str
        Start of the message: the file or frame, and that it cannot be read. Also used for a reached limit, which is
        not damage.
    advice : str
        Remedy for damage.
    before : callable, optional
        Called first if an error occurs; may raise an error with a better explanation.
    why : callable
        Returns the reason for the message from the error of the parser.

    Examples
    --------
    >>> with damage_errors("a.tif cannot be read", "copy it again"):
    ...     1 / 0
    Traceback (most recent call last):
    ...
    decrappify.errors.FormatError: a.tif cannot be read (unexpected content, ZeroDivisionError); copy it again
    """
    try:
        yield
    except (DecrappifyError, Warning):  # a warning turned into an error does not mean damage
        if before is not None:
            before()
        raise
    except Exception as error:
        if before is not None:
            before()
        raise_if_limit(error, f"reading a file ({what})")
        raise FormatError(f"{what} ({why(error)}); {advice}") from error
