"""Light: brightness and contrast of pictures, changed in logit space so that black and white stay what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from decrappify.crappify.part import Limits, Number, Part, Signal, Times

_EDGE = np.float32(1e-7)  # black and white have no logit; fastai stops here too


@dataclass(frozen=True, slots=True)
class Brightness(Part):
    """Brightness of a picture as fastai v1 changes it: a constant added to the logit of the signal.

    Signals are clipped to 0 ... 1.

    Attributes
    ----------
    change : float or range
        What middle grey becomes: 0.5 changes nothing, less is darker, more is brighter.
    """

    name: ClassVar[str] = "brightness"

    change: Annotated[Number, Limits(minimum=0.001, maximum=0.999)] = 0.5

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Brighten or darken each frame."""
        return relight(signal, change=self.value("change"))


@dataclass(frozen=True, slots=True)
class Contrast(Part):
    """Contrast of a picture as fastai v1 changes it: the logit of the signal multiplied; middle grey stays.

    Signals are clipped to 0 ... 1.

    Attributes
    ----------
    factor : float or range (log-uniform)
        1 changes nothing, less is flatter, more is harder.
    """

    name: ClassVar[str] = "contrast"

    factor: Annotated[Number, Limits(minimum=0.1, maximum=10, log=True)] = 1.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Flatten or harden each frame."""
        return relight(signal, factor=self.value("factor"))


def relight(signal: Signal, *, change: float = 0.5, factor: float = 1.0) -> Signal:
    """Change brightness, then contrast, of a float32 picture of any shape; the result lies in 0 ... 1.

    >>> relight(np.float32([0, 0.5, 1]), change=0.75).round(3)
    array([0.  , 0.75, 1.  ], dtype=float32)
    """
    inside = np.clip(signal, _EDGE, 1 - _EDGE)
    odds = (1 - inside) / inside
    odds *= np.float32((1 - change) / change)
    with np.errstate(over="ignore"):  # infinite odds are black
        if factor != 1:
            odds **= np.float32(factor)
        return np.asarray(1 / (1 + odds))
