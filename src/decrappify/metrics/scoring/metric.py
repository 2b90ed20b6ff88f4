"""One metric: its names, unit and direction, the function that computes it, and the format of its values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal

from decrappify._common.checks import check_whole
from decrappify.errors import InputError
from decrappify.limits.components import component_errors, is_built_in
from decrappify.metrics.quantities import QUANTITIES, Quantities

Direction = Literal["higher", "lower"] | float | None
TABLES = ("scorecard", "report")
_MINUS, _DASH, _INFINITY = "−", "–", "∞"
_CODES: dict[Direction, str] = {"higher": "high", "lower": "low", 1.0: "one", 0.0: "zero", None: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Definition of a metric; the source of scorecard, benchmark report, napari table and documentation.

    Attributes
    ----------
    key : str
        Name in Python and in result files, such as ``"psnr"``.
    label, unit : str
        Name and unit in tables.
    direction : {"higher", "lower"}, float or None
        Better values: higher ones, lower ones, or those near a number; None if undefined.
    meaning : str
        What the metric measures, in one phrase.
    function : callable
        Returns the value, or None if the metric is not defined. Its parameters are names of `QUANTITIES`, such as
        ``restored`` and ``reference``; the metric is omitted if one of them is missing.
    section : str
        Heading in the report.
    digits : int
        Decimals in tables.
    exponent : bool
        Whether a value that rounds to 0 is written with an exponent.
    tables : tuple of {"scorecard", "report"}
        Tables that contain the metric.
    limit : str
        Text for an infinite value that is the limit of the method, such as "not resolvable"; such values are empty in
        result files. By default infinity is a number.
    """

    key: str
    label: str
    unit: str = ""
    direction: Direction
    meaning: str
    function: Callable[..., float | None] = field(repr=False)
    section: str = "Other"
    digits: int = 2
    exponent: bool = False
    tables: tuple[str, ...] = TABLES
    limit: str = ""
    needs: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Check the fields and read the needs from the function's parameters."""
        needs = tuple(inspect.signature(self.function).parameters)
        unknown = [name for name in needs if name not in QUANTITIES]
        if unknown:
            raise InputError(
                f"metric {self.key!r} needs {unknown[0]!r}, which is not measured; "
                f"its function can have the parameters {', '.join(QUANTITIES)}"
            )
        if not (isinstance(self.key, str) and self.key.isidentifier()):
            raise InputError(
                f"metric key {self.key!r} is not valid; use letters, digits and underscores, such as 'psnr'"
            )
        if not set(self.tables) <= set(TABLES):
            raise InputError(f"metric {self.key!r} has tables {self.tables!r}; choose from {', '.join(TABLES)}")
        direction = self.direction
        if not (direction in ("higher", "lower", None) or isinstance(direction, int | float)):
            raise InputError(
                f"metric {self.key!r} has direction {direction!r}; choose 'higher', 'lower', a number or None"
            )
        check_whole(0, **{f"digits of metric {self.key!r}": self.digits})
        object.__setattr__(self, "needs", needs)

    @property
    def title(self) -> str:
        """Label and unit.

        >>> from decrappify.metrics import get_metric
        >>> get_metric("psnr").title, get_metric("tde").title
        ('PSNR dB', 'TDE')
        """
        return f"{self.label} {self.unit}".rstrip()

    @property
    def better(self) -> str:
        """Direction in result files: "high", "low", "one", "zero", another number, or ""."""
        return _CODES.get(self.direction, str(self.direction))

    @property
    def direction_text(self) -> str:
        """Direction in words, such as "higher is better"; empty if there is none."""
        if self.direction is None:
            return ""
        return f"{self.direction} is better" if isinstance(self.direction, str) else f"{self.direction:g} is ideal"

    @property
    def interpretation(self) -> str:
        """Direction and meaning in one line."""
        return "; ".join(part for part in (self.direction_text, self.meaning) if part)

    def compute(self, quantities: Quantities) -> float | None:
        """Return the value, or None if a quantity is missing or the metric is not defined.

        Raises
        ------
        InputError
            If the function of a registered metric raises an error, or returns a value that is not a number.
        """
        arguments = [quantities.get(name) for name in self.needs]
        if any(argument is None for argument in arguments):
            return None
        with nullcontext() if is_built_in(self.function) else component_errors("metric", self.key):
            value = self.function(*arguments)
            return None if value is None else float(value)

    def best(self, values: Mapping[str, float]) -> str | None:
        """Return the name of the best value; None without a direction or with fewer than two values.

        >>> from decrappify.metrics import get_metric
        >>> get_metric("tdr").best({"a": 0.7, "b": 1.1}), get_metric("noise_sigma").best({"a": 1.0, "b": 2.0})
        ('b', None)
        """
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        if self.direction is None or len(known) < 2:
            return None
        if isinstance(self.direction, str):
            return (max if self.direction == "higher" else min)(known, key=lambda name: known[name])
        ideal = self.direction
        return min(known, key=lambda name: abs(known[name] - ideal))

    def is_improvement(self, difference: float) -> bool:
        """Return whether a change of the value by `difference` is an improvement."""
        return difference > 0 if self.direction == "higher" else difference < 0

    def format(self, value: float | None) -> str:
        """Return a value as text.

        >>> from decrappify.metrics import get_metric
        >>> get_metric("psnr").format(31.4159), get_metric("ssim").format(0.98765), get_metric("psnr").format(None)
        ('31.42', '0.9877', '–')
        >>> get_metric("frc_px").format(math.inf)
        'not resolvable'
        """
        if self.limit and value is not None and math.isinf(value):
            return self.limit
        return format_number(value, self.digits, exponent=self.exponent)

    def exported(self, value: float) -> float | None:
        """Return a value for result files: None for NaN, and for the limit of the method.

        >>> from decrappify.metrics import get_metric
        >>> get_metric("frc_px").exported(math.inf), get_metric("psnr").exported(math.inf)
        (None, inf)
        """
        return None if math.isnan(value) or (self.limit and math.isinf(value)) else value


def format_number(value: float | None, digits: int = 2, *, exponent: bool = False) -> str:
    """Return a number as text: a dash for None and NaN, ∞ for infinity, an exponent for small values with `exponent`.

    >>> format_number(float("-inf")), format_number(-2.5, 3), format_number(0.00001, 4, exponent=True)
    ('−∞', '−2.500', '1.0e−05')
    """
    if value is None or math.isnan(value):
        return _DASH
    if math.isinf(value):
        return _INFINITY if value > 0 else _MINUS + _INFINITY
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = f"{value:.1e}" if value != 0 and exponent else f"{0:.{digits}f}"
    return text.replace("-", _MINUS)


def format_change(value: float, metric: Metric) -> str:
    """Return a difference of two values as text, with its sign."""
    return ("+" if value > 0 and not (metric.limit and math.isinf(value)) else "") + metric.format(value)


def documentation_table(metrics: tuple[Metric, ...]) -> list[str]:
    """Return the metrics as lines of a Markdown table."""
    lines = ["| Metric | Key | Unit | Better | Meaning |", "| --- | --- | --- | --- | --- |"]
    for metric in metrics:
        better = metric.direction_text.removesuffix(" is better")
        lines.append(f"| {metric.label} | `{metric.key}` | {metric.unit} | {better} | {metric.meaning} |")
    return lines
