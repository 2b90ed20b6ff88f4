"""Estimate: a measured value with its standard error, its validity, and a note on what limits it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decrappify._common.checks import short
from decrappify.errors import InputError

_PLAIN = 1e7


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value.

    Attributes
    ----------
    value : float or None
        The value; None if the data do not determine it.
    error : float or None
        Standard error of the value; None if unknown.
    valid : bool
        Whether the value is known and the assumptions of its estimator hold in the data.
    note : str
        Reason why it is unknown or invalid, or a condition of the measurement.

    Examples
    --------
    >>> Estimate(2.2, 0.05).text(3), Estimate(4095.0, 0.0).text(3), unknown("no dark frames").text(3)
    ('2.2 ± 0.05', '4095', 'not determined')
    >>> Estimate(99.9712, 0.006).text(3), Estimate(2977.4, 138.0).text(3)
    ('99.971 ± 0.006', '2980 ± 140')
    """

    value: float | None
    error: float | None = None
    valid: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "error"):
            number = getattr(self, name)
            if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
                raise InputError(f"the {name} of an estimate is {short(number)}, expected a number")
            if number is not None and not math.isfinite(number):
                raise InputError(f"the {name} of an estimate is {number}, expected a finite number")
        if not isinstance(self.valid, bool) or not isinstance(self.note, str):
            raise InputError(f"an estimate has valid {short(self.valid)} and note {short(self.note)}")
        if self.value is None and self.valid:
            object.__setattr__(self, "valid", False)

    def text(self, digits: int = 3) -> str:
        """Return value and standard error as text; without an error that is None or 0.

        The value has at least `digits` significant digits, those that its error leaves, and 6 if it is exact.
        """
        if self.value is None:
            return "not determined"
        if self.error == 0:
            digits = 6
        elif self.error and self.value:
            digits = max(digits, math.floor(math.log10(abs(self.value))) - math.floor(math.log10(self.error)) + 1)
        value = plain(self.value, digits)
        return f"{value} ± {plain(self.error, 2)}" if self.error else value

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; unknown ones are left out."""
        known = {key: number for key in ("value", "error") if (number := getattr(self, key)) is not None}
        return known | {"valid": self.valid} | ({"note": self.note} if self.note else {})

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Estimate:
        """Create it from the plain values of `to_dict`."""
        unknown_keys = sorted(set(table) - {"value", "error", "valid", "note"})
        if unknown_keys:
            raise InputError(f"an estimate has no key {short(unknown_keys[0])}, expected value, error, valid, note")
        return cls(table.get("value"), table.get("error"), table.get("valid", True), table.get("note", ""))


def plain(value: float, digits: int) -> str:
    """Return a number with significant digits, in plain notation up to ten million.

    >>> plain(2977.4, 3), plain(43.7, 1), plain(6.3e-5, 2), plain(0.25, 3)
    ('2980', '40', '6.3e-05', '0.25')
    """
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < _PLAIN else text


def unknown(reason: str) -> Estimate:
    """Return an estimate without a value.

    >>> unknown("no dark frames").valid
    False
    """
    return Estimate(None, None, False, reason)
