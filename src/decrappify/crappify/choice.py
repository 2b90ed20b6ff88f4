"""Choice of one of several parts, once per setting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify.crappify.part import Part, Signal, Times
from decrappify.crappify.registry import register_part
from decrappify.errors import InputError


@register_part("one_of")
@dataclass(frozen=True, slots=True)
class OneOf(Part):
    """Exactly one of `parts`, all equally likely.

    Attributes
    ----------
    parts : tuple of Part
        The alternatives; all have the same down-sampling factor.
    """

    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.parts, Iterable) or not all(isinstance(part, Part) for part in self.parts):
            raise InputError(f"one_of: parts is {short(self.parts)}, expected a list of parts")
        object.__setattr__(self, "parts", tuple(self.parts))
        if len({part.scale for part in self.parts}) != 1:
            raise InputError(
                f"one_of: the parts have the down-sampling factors {[part.scale for part in self.parts]}, "
                "expected at least one part and the same factor in all"
            )
        if any(part.probability != 1 for part in self.parts):
            raise InputError("one_of: an alternative has a separate probability; pass it to one_of instead")
        Part.__post_init__(self)

    @property
    def scale(self) -> int:
        """Down-sampling factor along Y and X."""
        return self.parts[0].scale

    @property
    def color(self) -> bool:
        """Return whether any alternative needs color images."""
        return any(part.color for part in self.parts)

    @property
    def is_fixed(self) -> bool:
        """Return whether all parameters are fixed, so that only the noise is random."""
        return self.probability == 1 and len(self.parts) == 1 and self.parts[0].is_fixed

    def fixed(self, rng: np.random.Generator) -> Part:
        """Choose an alternative and draw its ranges."""
        return self.parts[int(rng.integers(len(self.parts)))].fixed(rng)

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Apply the only alternative."""
        return self._chosen().apply(signal, rng, times)

    def apply_color(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Apply the only alternative to color images."""
        return self._chosen().apply_color(signal, rng, times)

    def _chosen(self) -> Part:
        if len(self.parts) != 1:
            raise InputError(f"one_of: still a choice of {counted(len(self.parts), 'part')}; call fixed(rng) first")
        return self.parts[0]
