"""Checks shared by the configurations: types of TOML values, ranges, unknown keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from decrappify._common.checks import nearest, short
from decrappify.errors import InputError

_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


def check_types(settings: Any) -> None:
    """Check the plain fields of a frozen dataclass against their annotations; an integer is accepted for a float.

    Raises
    ------
    InputError
        If a field has another type; the message contains the field and the expected type.
    """
    for field in fields(settings):
        annotation, _, optional = str(field.type).partition(" | ")
        value = getattr(settings, field.name)
        if annotation not in _TYPES or (optional == "None" and value is None):
            continue
        if not isinstance(value, _TYPES[annotation]) or (isinstance(value, bool) and annotation != "bool"):
            raise InputError(f"{field.name} is {short(value)}, expected a value of type {annotation}")
        if annotation == "float":
            try:
                object.__setattr__(settings, field.name, float(cast("float", value)))
            except OverflowError as error:
                raise InputError(f"{field.name} is {short(value)}, expected a number below 1e308") from error


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise InputError if a number is outside [low, high]."""
    if not low <= value <= high or value == math.inf:
        span = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
        raise InputError(f"{name} is {short(value)}, expected a number {span}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputError if a value is not one of the choices."""
    if value not in choices:
        raise InputError(f"{name} is {short(value)}, expected one of {', '.join(choices)}")


_SET_ELSEWHERE = {
    "n_frames": "the setting n_frames of the training",
    "scale": "the factor of the crappifier or of the pairs",
}


def check_network_settings(name: str, settings: Any) -> None:
    """Raise InputError unless `settings` are a table of settings of a network, without its name."""
    if not isinstance(settings, Mapping):
        raise InputError(f"{name} is {short(settings)}, expected a table")
    if "name" in settings:
        raise InputError(f"{name} has a key 'name', but the network is selected by another setting; remove the key")
    for key, source in _SET_ELSEWHERE.items():
        if key in settings:
            raise InputError(f"{name} has a key {short(key)}, which is {source}; remove the key")


def check_keys(values: Mapping[str, Any], kind: type, where: str) -> None:
    """Raise InputError, with the most similar field name, for a key that is not a field of the dataclass `kind`."""
    known = [field.name for field in fields(kind)]
    for key in values:
        if key not in known:
            hint = nearest(key, known, f"; known keys: {', '.join(known)}")
            raise InputError(f"unknown key {short(key)} in {where}{hint}")
