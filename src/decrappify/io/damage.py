"""The one handler of what parsers raise for damaged files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from decrappify.checks import reason
from decrappify.errors import DecrappifyError, FormatError
from decrappify.limits.reached import raise_if_limit


@contextmanager
def damage_errors(what: str, advice: str, before: Callable[[], object] | None = None) -> Iterator[None]:
    """Turn every error of a parser into one FormatError; errors of this package and of reached limits keep their kind.

    The libraries that read TIFF, Zarr, CZI and pictures trust what a file states: a zero, a huge number or a value of
    another type in it ends in any kind of exception, deep inside them.

    Parameters
    ----------
    what : str
        Subject of the message: the file, or a frame of it, and that it cannot be read. It must be true of a reached
        limit, too, which is not damage.
    advice : str
        What to do about damage.
    before : callable, optional
        Called first when something fails; may raise an error that explains it better.

    Examples
    --------
    >>> with damage_errors("a.tif cannot be read", "copy it again"):
    ...     1 / 0
    Traceback (most recent call last):
    ...
    decrappify.errors.FormatError: a.tif cannot be read (a value of the wrong kind, ZeroDivisionError); copy it again
    """
    try:
        yield
    except (DecrappifyError, Warning):  # a warning that was made an error is not damage
        if before is not None:
            before()
        raise
    except Exception as error:
        if before is not None:
            before()
        raise_if_limit(error, f"reading a file ({what})")
        raise FormatError(f"{what} ({reason(error)}); {advice}") from error
