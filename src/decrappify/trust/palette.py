"""Colors of the labels, the same in reports, figures and napari."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from decrappify.trust.evaluation import Label

LABEL_COLORS: Mapping[Label, str] = MappingProxyType(
    {Label.CONFIRMED: "#009e73", Label.UNTESTABLE: "#f0e442", Label.CONTRADICTED: "#d55e00"}
)
"""Color of each label as hexadecimal RGB: of the palette of Okabe and Ito, distinct for color-blind readers."""


def label_rgb(label: Label) -> tuple[int, int, int]:
    """Return the color of a label as red, green and blue from 0 to 255.

    >>> label_rgb(Label.CONFIRMED)
    (0, 158, 115)
    """
    red, green, blue = bytes.fromhex(LABEL_COLORS[label][1:])
    return red, green, blue
