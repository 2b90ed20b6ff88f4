"""Registry of components by name: networks, losses, metrics, crappifier parts and presets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from decrappify._common.checks import nearest, short
from decrappify._common.plugins import HINT, load_plugins
from decrappify.errors import InputError

T = TypeVar("T")
_NAME = re.compile(r"\w[\w+-]*")


class Registry(Generic[T]):
    """Components of one kind by name.

    Plugins are loaded if a name is not found, and before the names are listed.

    Parameters
    ----------
    kind : str
        The kind of component for messages, such as ``"network"``.
    modules : mapping of str to str, optional
        Names of built-in components and the modules that register them, which are imported at the first use of such a
        name, or when another name is not found.
    reserved : iterable of str, optional
        Names with another meaning, which cannot be registered; listed first.

    Examples
    --------
    >>> tools = Registry[type]("tool")
    >>> tools.add("whole", int)
    >>> tools.get("whole"), tools.names()
    (<class 'int'>, ['whole'])
    """

    def __init__(self, kind: str, *, modules: Mapping[str, str] | None = None, reserved: Iterable[str] = ()) -> None:
        self._kind, self._modules, self._reserved = kind, dict(modules or {}), tuple(reserved)
        self._components: dict[str, T] = {}
        self._origins: dict[str, set[tuple[str, str]]] = {}

    def add(self, name: str, component: T, *, origin: Any = None) -> None:
        """Register a component; the same definition may be run again, as in a notebook, and replaces the earlier one.

        Parameters
        ----------
        name : str
            New name.
        component : object
            The component.
        origin : class or function, optional
            The definition, if it is not the component itself.

        Raises
        ------
        InputError
            If the name is not valid or is registered already.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(
                f"{self._kind} name {short(name)} is not valid; use letters, digits, hyphens and underscores"
            )
        definition = component if origin is None else origin
        origins = _origins(definition)
        module = self._modules.get(name, getattr(definition, "__module__", None))
        is_known = name in self._reserved or (
            name in self._components and not (origins & self._origins.get(name, set()))
        )
        if is_known or module != getattr(definition, "__module__", None):
            raise InputError(f"{self._kind} {name!r} is registered already; choose another name")
        self._components[name], self._origins[name] = component, origins

    def get(self, name: str) -> T:
        """Return the component of a name.

        Raises
        ------
        InputError
            If the name is unknown.
        """
        self.check(name)
        if name not in self._components:
            import_module(self._modules[name])
        return self._components[name]

    def check(self, name: str) -> None:
        """Raise InputError if a name is unknown, without importing the module of a built-in component."""
        if not self.is_known(name):
            self._load()
        if not self.is_known(name):
            known = self.names()
            near = nearest(name, known) if isinstance(name, str) else ""
            text = f"unknown {self._kind} {short(name)}{near or ', expected one of ' + ', '.join(known)}"
            raise InputError(f"{text}{' If' if near else '; if'}{HINT.removeprefix('if')}")

    def is_known(self, name: object) -> bool:
        """Return whether a name is registered, without loading plugins."""
        return isinstance(name, str) and (name in self._components or name in self._modules or name in self._reserved)

    def names(self) -> list[str]:
        """Return all names: reserved and built-in ones first, then those of plugins."""
        load_plugins()
        return list(dict.fromkeys([*self._reserved, *self._modules, *self._components]))

    def items(self) -> list[tuple[str, T]]:
        """Return the names and components, without those that are only reserved."""
        self._load()
        return [(name, self.get(name)) for name in self.names() if name not in self._reserved]

    def _load(self) -> None:
        """Import the built-in components and the plugins."""
        for module in dict.fromkeys(self._modules.values()):
            import_module(module)
        load_plugins()

    def remove(self, name: str) -> None:
        """Remove a component; raise InputError if the name is unknown."""
        self.get(name)
        del self._components[name], self._origins[name]


def _origins(definition: Any) -> set[tuple[str, str]]:
    """Return the module and the file of a class or function, each with its name; empty for lambdas and instances."""
    name = getattr(definition, "__qualname__", "<unnamed>")
    if name.endswith(">"):
        return set()
    module = str(getattr(definition, "__module__", ""))
    code = getattr(definition, "__code__", None)
    file = getattr(sys.modules.get(module), "__file__", None) if code is None else code.co_filename
    return {(module, name)} | ({(os.path.realpath(file), name)} if file else set())
