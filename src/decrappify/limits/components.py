"""One-line errors of losses and metrics that other packages register."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from decrappify._common.plugins import error_line, plugin_line
from decrappify.errors import DecrappifyError, InputError
from decrappify.limits.reached import is_out_of_memory
from decrappify.limits.threads import is_thread_limit

_OWN = "decrappify."


def is_built_in(function: Any) -> bool:
    """Return whether a function or class is defined in this package."""
    return str(getattr(function, "__module__", "")).startswith(_OWN)


@contextmanager
def component_errors(kind: str, name: str) -> Iterator[None]:
    """Convert an error in a registered component to InputError with the name of the component.

    Errors of this package, and those that mean insufficient memory or threads, are not converted.

    Parameters
    ----------
    kind, name : str
        The kind of component, such as ``"loss"``, and its name in the registry.

    Examples
    --------
    >>> with component_errors("loss", "own"):
    ...     raise ValueError("no target")
    Traceback (most recent call last):
    decrappify.errors.InputError: loss 'own' failed: ValueError: no target
    """
    try:
        yield
    except DecrappifyError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_thread_limit(error):
            raise
        raise InputError(f"{kind} {name!r} failed: {plugin_line(error) or error_line(error)}") from error
