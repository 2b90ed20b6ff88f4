"""Conversion of the length and time units of image files to micrometers and seconds."""

from __future__ import annotations

import math
import re

_MICROMETERS = {
    ("km", "kilometer"): 1e9,
    ("m", "meter"): 1e6,
    ("cm", "centimeter"): 1e4,
    ("mm", "millimeter"): 1e3,
    ("µm", "um", "micron", "micrometer"): 1.0,
    ("nm", "nanometer"): 1e-3,
    ("å", "angstrom", "ångström"): 1e-4,
    ("pm", "picometer"): 1e-6,
    ("in", "inch", "inche"): 25400.0,
}
_SECONDS = {
    ("d", "day"): 86400.0,
    ("h", "hr", "hour"): 3600.0,
    ("min", "minute"): 60.0,
    ("s", "sec", "second"): 1.0,
    ("ms", "msec", "millisecond"): 1e-3,
    ("µs", "us", "usec", "microsecond"): 1e-6,
    ("ns", "nsec", "nanosecond"): 1e-9,
}
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_MICROMETERS_PER = {name: size for names, size in _MICROMETERS.items() for name in names}
_SECONDS_PER = {name: size for names, size in _SECONDS.items() for name in names}


def to_micrometers(value: object, unit: str | None) -> float | None:
    r"""Convert a length to micrometers; None if the value or the unit ("pixel", "", None) is not a physical size.

    >>> to_micrometers(65, "nm"), to_micrometers(0.1, "\\u00B5m"), to_micrometers(1, "pixel")
    (0.065, 0.1, None)
    >>> to_micrometers(5, "\\u00C5"), to_micrometers(5, "\u212b")
    (0.0005, 0.0005)
    """
    return _convert(value, unit, _MICROMETERS_PER)


def to_seconds(value: object, unit: str | None) -> float | None:
    """Convert a duration to seconds; None if the value or the unit is not a time.

    >>> to_seconds(250, "ms"), to_seconds(2, "minutes"), to_seconds(1, None)
    (0.25, 120.0, None)
    """
    return _convert(value, unit, _SECONDS_PER)


def _convert(value: object, unit: str | None, factors: dict[str, float]) -> float | None:
    factor = factors.get(_plain(unit or ""))
    if factor is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number) or number <= 0:
        return None
    # 65 nm is 0.065 µm, while 65 * 1e-3 is 0.06500000000000000222: divide by the integer instead.
    converted = number * factor if factor >= 1 else number / round(1 / factor)
    return converted if 0 < converted < math.inf else None


def _plain(unit: str) -> str:
    unit = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), unit.strip().rstrip("\0"))  # as ImageJ writes letters
    unit = unit.replace("μ", "µ").replace("\u212b", "å")
    unit = unit.lower().replace("metre", "meter").rstrip(".")
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") else unit
