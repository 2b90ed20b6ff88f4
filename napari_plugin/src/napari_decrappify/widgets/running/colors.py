"""Colors of texts that are readable on the background of the theme."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

LEAST_CONTRAST = 4.5  # of texts, by the Web Content Accessibility Guidelines, level AA
_STEPS = 50


def contrast(one: QColor, other: QColor) -> float:
    """Return the contrast ratio of two opaque colors, 1 to 21.

    >>> contrast(QColor("black"), QColor("white"))
    21.0
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return round((light + 0.05) / (dark + 0.05), 6)


def readable(color: str, background: QColor, least: float = LEAST_CONTRAST) -> QColor:
    """Return a color darkened or lightened as little as needed for a contrast with the background.

    >>> readable("#ff6b6b", QColor("black")).name(), readable("#ff6b6b", QColor("white")).name()
    ('#ff6b6b', '#c25151')
    """
    target = QColor("black" if _luminance(background) > 0.18 else "white")
    wanted = QColor(color)
    for step in range(_STEPS + 1):
        found = _mixed(wanted, target, step / _STEPS)
        if contrast(found, background) >= least:
            return found
    return target


def background_of(widget: QWidget) -> QColor:
    """Return the background of a widget in the current theme."""
    return widget.palette().color(QPalette.ColorRole.Window)


def _mixed(color: QColor, other: QColor, share: float) -> QColor:
    pairs = zip(color.getRgb()[:3], other.getRgb()[:3], strict=True)
    return QColor(*(round(one + (two - one) * share) for one, two in pairs))


def _luminance(color: QColor) -> float:
    def linear(level: float) -> float:
        return level / 12.92 if level <= 0.04045 else float(((level + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(level) for level in (color.redF(), color.greenF(), color.blueF()))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
