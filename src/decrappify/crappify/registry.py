"""Registry of all parts by their names in crappifier files. A new part is one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from decrappify._common.checks import short, similar_names
from decrappify.crappify.artifacts import Bleaching, Jpeg, Text
from decrappify.crappify.choice import OneOf
from decrappify.crappify.color import FilmNoise, Grey
from decrappify.crappify.light import Brightness, Contrast
from decrappify.crappify.noise import Gaussian, Poisson, PoissonGaussian, SaltAndPepper, Speckle
from decrappify.crappify.optics import Airy, Blur
from decrappify.crappify.part import Part
from decrappify.crappify.sampling import BinDown, LineJitter, SampleDown
from decrappify.errors import InputError

PARTS: dict[str, type[Part]] = {
    part.name: part
    for part in (
        Gaussian,
        Poisson,
        PoissonGaussian,
        SaltAndPepper,
        Speckle,
        Blur,
        Airy,
        BinDown,
        SampleDown,
        LineJitter,
        Jpeg,
        Text,
        Bleaching,
        Brightness,
        Contrast,
        Grey,
        FilmNoise,
        OneOf,
    )
}


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


def part_from_dict(entry: Any) -> Part:
    """Create a part from the plain values of `part_to_dict`."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("part"), str):
        raise InputError(f"a crappifier step is {short(entry)}, needs a table with its name, such as part = 'gaussian'")
    kind = PARTS.get(entry["part"])
    if kind is None:
        raise InputError(f"unknown crappifier part {short(entry['part'])}; {did_you_mean(entry['part'], PARTS)}")
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
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known)}"
