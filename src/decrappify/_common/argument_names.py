"""Arguments in messages, written for the interface in use: ``nan='fill'`` in Python, ``--nan fill`` as an option."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ArgumentNames:
    """Names and settings of arguments as in Python; subclasses for other interfaces override the methods."""

    def argument(self, name: str) -> str:
        """Return the name of an argument that the user set."""
        return name

    def setting(self, name: str, value: object) -> str:
        """Return how the user sets an argument to a value."""
        return f"{name}={value!r}"

    def has(self, name: str, value: object) -> bool:
        """Return whether the user can set an argument to a value."""
        return True


_names = ArgumentNames()  # per process: its threads raise errors of the same command


@contextmanager
def argument_names(names: ArgumentNames) -> Iterator[None]:
    """Use other argument names in the messages created within this context."""
    global _names
    before, _names = _names, names
    try:
        yield
    finally:
        _names = before


def argument(name: str) -> str:
    """Return the name of an argument that the user set.

    >>> f"{argument('tile_size')} is 0"
    'tile_size is 0'
    """
    return _names.argument(name)


def setting(name: str, value: object) -> str:
    """Return how the user sets an argument to a value.

    >>> f"pass {setting('nan', 'fill')}"
    "pass nan='fill'"
    """
    return _names.setting(name, value)


def pass_setting(name: str, value: object, *, otherwise: str) -> str:
    """Return the advice to pass an argument, or only the other advice if the user cannot set that argument.

    >>> pass_setting("nan", "fill", otherwise="repair the file")
    "pass nan='fill' or repair the file"
    """
    return f"pass {setting(name, value)} or {otherwise}" if _names.has(name, value) else otherwise
