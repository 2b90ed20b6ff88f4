"""Lazy loading of the public names of a package (PEP 562), so that importing the package stays fast."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Create ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        The ``__name__`` of the package.
    modules : mapping of str to str
        The module of the package that defines each public name.

    Examples
    --------
    >>> get, names = lazy_names("decrappify", {"Movie": "movie"})
    >>> get("Movie").__name__, names()
    ('Movie', ['Movie'])
    """

    def get(name: str) -> Any:
        if name in modules:
            with _uncollected():
                return getattr(import_module(f"{package}.{modules[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted(modules)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the search for cyclic garbage, which takes a few percent of the time of importing torch."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
