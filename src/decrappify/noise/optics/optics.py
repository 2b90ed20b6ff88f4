"""Optics: the blur, sampling and line jitter of a microscope relative to good images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from decrappify._common.checks import short
from decrappify.crappify import BinDown, Blur, LineJitter, Part, SampleDown
from decrappify.errors import InputError
from decrappify.noise.estimate import Estimate, unknown

_UNMEASURED = unknown("not measured")
_WHOLE = 0.05  # relative distance of a scale factor to an integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """Degradations other than noise; each has a standard error and a validity flag, and no value if not determined.

    Attributes
    ----------
    blur : Estimate
        Standard deviation of the Gaussian blur in pixels of the low images.
    scale_factor : Estimate
        Size of a pixel of the low images, in pixels of the good ones.
    line_jitter : Estimate
        Standard deviation of the shifts of scanned rows in pixels of the low images.
    bidirectional_offset : Estimate
        Offset between odd and even rows of a bidirectional scan in pixels of the low images.
    """

    blur: Estimate = _UNMEASURED
    scale_factor: Estimate = _UNMEASURED
    line_jitter: Estimate = _UNMEASURED
    bidirectional_offset: Estimate = _UNMEASURED

    @property
    def is_scanned(self) -> bool:
        """Return whether rows are shifted, which only point scanners do."""
        return self.line_jitter.value is not None or self.bidirectional_offset.value is not None

    @property
    def scale(self) -> int:
        """Down-sampling factor of `parts`: the scale factor if it is an integer, else 1."""
        factor = self.scale_factor.value or 1.0
        whole = max(1, round(factor))
        return whole if abs(factor / whole - 1) <= _WHOLE else 1

    def parts(self) -> list[Part]:
        """Return the parts that simulate the measured values: blur, down-sampling, line jitter.

        A camera integrates the light of a pixel (`BinDown`); a point scanner, which is known by its shifted rows,
        samples points (`SampleDown`).
        """
        parts: list[Part] = []
        if self.blur.value:
            parts.append(Blur(sigma=self.blur.value * self.scale))
        if self.scale > 1:
            parts.append(SampleDown(factor=self.scale) if self.is_scanned else BinDown(factor=self.scale))
        if self.is_scanned:
            jitter, offset = self.line_jitter.value or 0.0, self.bidirectional_offset.value or 0.0
            parts.append(LineJitter(sigma=jitter, bidirectional=offset))
        return parts

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for TOML."""
        return {name: one.to_dict() for name, one in self.estimates().items()}

    def estimates(self) -> dict[str, Estimate]:
        """Return all quantities by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_dict(cls, table: Any) -> Optics:
        """Create it from the plain values of `to_dict`."""
        known = {one.name for one in fields(cls)}
        if not isinstance(table, Mapping):
            raise InputError(f"optics is {short(table)}, expected a table of {', '.join(sorted(known))}")
        for name, value in table.items():
            if name not in known:
                raise InputError(f"optics has no key {short(name)}, expected {', '.join(sorted(known))}")
            if not isinstance(value, Mapping):
                raise InputError(f"{name} is {short(value)}, expected a table with value, error, valid and note")
        return cls(**{name: Estimate.from_dict(value) for name, value in table.items()})
