"""Errors for arguments that moved into an options object, such as `InferenceOptions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from decrappify.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


def moved_arguments(places: Mapping[str, str], *, name: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Create a decorator that raises InputError, with the new spelling, for former arguments of a function.

    Parameters
    ----------
    places : mapping of str to str
        New spelling of each former argument.
    name : str
        Name in the message; by default that of the function.

    Examples
    --------
    >>> @moved_arguments({"tile_size": "inference=InferenceOptions(tile_size=...)"})
    ... def restore(movie, *, inference=None):
    ...     return movie
    >>> restore("cells.czi", tile_size=256)
    Traceback (most recent call last):
    decrappify.errors.InputError: restore has no argument tile_size; pass inference=InferenceOptions(tile_size=...)
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def checked(*arguments: P.args, **named: P.kwargs) -> R:
            for former in named:
                if former in places:
                    shown = name or function.__name__
                    raise InputError(f"{shown} has no argument {former}; pass {places[former]}")
            return function(*arguments, **named)

        return checked

    return decorate


def moved_into(value: str, *names: str) -> dict[str, str]:
    """Return the new spelling of arguments that are now fields of an options object.

    >>> moved_into("options=RestorationOptions", "nan")
    {'nan': 'options=RestorationOptions(nan=...)'}
    """
    return {name: f"{value}({name}=...)" for name in names}
