"""Registry of the parts by their names in crappifier files."""

from __future__ import annotations

import copyreg
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from decrappify._common.checks import short, similar_names
from decrappify._common.registry import Registry
from decrappify.crappify.part import Part
from decrappify.errors import InputError

P = TypeVar("P", bound=Part)
_PARTS = Registry[type[Part]]("crappifier part")


def register_part(name: str) -> Callable[[type[P]], type[P]]:
    """Register the decorated class under a name for crappifier files, run files and the napari widget.

    The class is a frozen dataclass with the base `Part`, a default for each field, and a method ``apply``. Fields that
    are annotated with limits, such as `NonNegative`, may be ranges, and have sliders in napari. Registered parts are
    pickled by name and values, so that processes that load the same plugins can read them.

    Parameters
    ----------
    name : str
        New name, stored in the attribute ``name`` of the class.

    Returns
    -------
    callable
        A decorator, which returns the class.

    Raises
    ------
    InputError
        If the name is taken or not valid, or the class is not such a dataclass.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from decrappify.crappify import Crappifier
    >>> @register_part("doctest-invert")
    ... @dataclass(frozen=True)
    ... class Invert(Part):
    ...     def apply(self, signal, rng, times):
    ...         return 1 - signal
    >>> Crappifier.from_dict({"steps": [{"part": "doctest-invert"}]}).steps
    (Invert(probability=1.0),)
    >>> unregister_part("doctest-invert")
    """

    def register(kind: type[P]) -> type[P]:
        _check_part(name, kind)
        _PARTS.add(name, kind)
        kind.name = name
        copyreg.pickle(kind, _reduced)
        return kind

    return register


def unregister_part(name: str) -> None:
    """Remove a part; raise InputError if the name is unknown."""
    copyreg.dispatch_table.pop(_PARTS.get(name), None)
    _PARTS.remove(name)


def is_part(name: object) -> bool:
    """Return whether a part is known at present, without loading plugins."""
    return _PARTS.is_known(name)


def list_parts() -> dict[str, type[Part]]:
    """Return all parts by name, those of plugins last."""
    return dict(_PARTS.items())


def part_to_dict(part: Part) -> dict[str, Any]:
    """Return a part as plain values: ranges become lists, unset values are left out."""
    entry: dict[str, Any] = {"part": part.name}
    for key in (each.name for each in fields(part)):
        value = getattr(part, key)
        if value is None or (key == "probability" and value == 1):
            continue
        if isinstance(value, tuple):
            value = [part_to_dict(item) if isinstance(item, Part) else item for item in value]
        entry[key] = value
    return entry


def _reduced(part: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function and the argument that a pickled part is created from."""
    return part_from_dict, (part_to_dict(part),)


def part_from_dict(entry: Any) -> Part:
    """Create a part from the plain values of `part_to_dict`."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("part"), str):
        raise InputError(
            f"a crappifier step is {short(entry)}, expected a table with its name, such as part = 'gaussian'"
        )
    kind = _PARTS.get(entry["part"])
    known = [each.name for each in fields(kind)]
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key == "part":
            continue
        if key not in known:
            raise InputError(f"crappifier part {kind.name!r} has no setting {short(key)}; {did_you_mean(key, known)}")
        if key == "parts" and isinstance(value, list | tuple):
            value = tuple(part_from_dict(item) for item in value)
        values[key] = value
    return kind(**values)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message with the nearest known names, or all of them."""
    known = list(known)
    near = similar_names(name, known, 3, least=0.5)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"expected {', '.join(known)}"


def _check_part(name: str, kind: Any) -> None:
    """Raise InputError unless a class can be created from a crappifier file and degrade images."""
    where = f"crappifier part {name!r}"
    if not (inspect.isclass(kind) and issubclass(kind, Part)):
        raise InputError(f"{where} is {short(kind)}, expected a class with the base decrappify.crappify.Part")
    settings = getattr(kind, "__dataclass_params__", None)
    if "__dataclass_fields__" not in vars(kind) or not is_dataclass(kind) or not getattr(settings, "frozen", False):
        raise InputError(
            f"{where}: {kind.__name__} is not a frozen dataclass; write @dataclass(frozen=True) below @register_part"
        )
    without = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    if without:
        raise InputError(f"{where}: {kind.__name__}.{without[0]} has no default value; define one for every field")
    try:
        inspect.signature(kind.apply).bind("self", "signal", "rng", "times")
    except TypeError as error:
        raise InputError(f"{where}: apply cannot be called as apply(signal, rng, times): {error}") from error
    if kind.apply is Part.apply and kind.apply_color is Part.apply_color:
        raise InputError(f"{where}: {kind.__name__} has no method apply(signal, rng, times)")
