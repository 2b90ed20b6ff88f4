"""Brightness and contrast of images, changed in logit space so that black and white are preserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from decrappify.crappify.part import Limits, Number, Part, Signal, Times
from decrappify.crappify.registry import register_part

_EDGE = np.float32(1e-7)  # black and white have no logit; same limit as in fastai


@register_part("brightness")
@dataclass(frozen=True, slots=True)
class Brightness(Part):
    """Brightness change of fastai v1: a constant added to the logit of the signal.

    Signals are clipped to 0 ... 1.

    Attributes
    ----------
    change : float or range
        New value of middle gray: 0.5 changes nothing, less is darker, more is brighter.
    """

    change: Annotated[Number, Limits(minimum=0.001, maximum=0.999)] = 0.5

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Change the brightness of each frame."""
        return relight(signal, change=self.value("change"))


@register_part("contrast")
@dataclass(frozen=True, slots=True)
class Contrast(Part):
    """Contrast change of fastai v1: the logit of the signal multiplied; middle gray is preserved.

    Signals are clipped to 0 ... 1.

    Attributes
    ----------
    factor : float or range (log-uniform)
        1 changes nothing, below 1 reduces, above 1 increases the contrast.
    """

    factor: Annotated[Number, Limits(minimum=0.1, maximum=10, log=True)] = 1.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Change the contrast of each frame."""
        return relight(signal, factor=self.value("factor"))


def relight(signal: Signal, *, change: float = 0.5, factor: float = 1.0) -> Signal:
    """Change brightness, then contrast, of a float32 image of any shape; the result is within 0 ... 1.

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
