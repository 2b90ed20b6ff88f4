"""Names of napari's units, and factors between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any


def unit_names(units: Sequence[Any] | None, count: int) -> list[str]:
    """Return the names of the units of a layer; ``"pixel"`` if missing.

    >>> unit_names(None, 2), unit_names(["second", "um", "um"], 3)
    (['pixel', 'pixel'], ['second', 'um', 'um'])
    """
    if units is None or isinstance(units, str) or len(units) != count:
        return [units if isinstance(units, str) else "pixel"] * count
    return [str(unit) for unit in units]


@cache
def factor_to(unit: str, target: str) -> float | None:
    """Return the factor from `unit` to `target`; None for incompatible units, such as pixel and micrometer.

    >>> factor_to("nanometer", "micrometer"), factor_to("pixel", "micrometer")
    (0.001, None)
    """
    import pint

    application: Any = pint.get_application_registry
    registry = application()
    try:
        return float(registry.Quantity(1, unit).to(target).magnitude)
    except (pint.DimensionalityError, pint.UndefinedUnitError):
        return None
