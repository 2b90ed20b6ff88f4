"""Plots and images of a training run, painted with Qt only, in the colors of the viewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

_MARGIN = 4.0


@dataclass(frozen=True)
class Curve:
    """A line of a plot: label, points in order of x, color, and whether it is dashed."""

    label: str
    points: tuple[tuple[float, float], ...]
    color: str
    is_dashed: bool = False


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return about `count` round numbers from `low` to `high`.

    >>> ticks(0, 80), ticks(21.2, 24.1)
    ([0.0, 20.0, 40.0, 60.0, 80.0], [22.0, 23.0, 24.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = size * min((factor for factor in (1, 2, 5, 10) if factor * size >= rough), default=10)
    return [round(k * step, 10) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


class CurvePlot(QWidget):
    """Small plot of a few curves over the training step.

    Parameters
    ----------
    title : str
        Quantity with its unit.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self.curves: tuple[Curve, ...] = ()
        self.setMinimumSize(150, 130)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_curves(self, curves: Sequence[Curve]) -> None:
        """Set the curves; values that are not finite are left out."""
        self.curves = tuple(
            Curve(c.label, tuple(p for p in c.points if math.isfinite(p[1])), c.color, c.is_dashed) for c in curves
        )
        self.update()

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(190, 150)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint title, axes and curves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        text = self.palette().color(self.foregroundRole())
        painter.setPen(text)
        painter.drawText(QRectF(0, 0, self.width(), metrics.height()), Qt.AlignmentFlag.AlignHCenter, self._title)
        points = [point for curve in self.curves for point in curve.points]
        if not points:
            painter.setPen(_faded(text))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "no values yet")
            return
        self._paint(painter, metrics, text, points)

    def _paint(
        self, painter: QPainter, metrics: QFontMetricsF, text: QColor, points: list[tuple[float, float]]
    ) -> None:
        low, high = _padded(min(y for _, y in points), max(y for _, y in points))
        right = max(x for x, _ in points) or 1.0
        y_ticks, line = ticks(low, high), metrics.height()
        labels = [f"{tick:.6g}" for tick in y_ticks]
        left = _MARGIN + max(metrics.horizontalAdvance(label) for label in labels) + _MARGIN
        area = QRectF(left, 2.2 * line, self.width() - left - 2 * _MARGIN, self.height() - 3.6 * line)

        def place(x: float, y: float) -> QPointF:
            return QPointF(
                area.left() + area.width() * x / right, area.bottom() - area.height() * (y - low) / (high - low)
            )

        painter.setPen(QPen(_faded(text), 0.5))
        for tick in y_ticks:
            painter.drawLine(place(0, tick), place(right, tick))
        painter.setPen(_faded(text, 170))
        for tick, label in zip(y_ticks, labels, strict=True):
            box = QRectF(0, place(0, tick).y() - line / 2, left - _MARGIN, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, label)
        for tick in ticks(0, right, 3):
            label = f"{tick:.6g}"
            middle = place(tick, low).x()
            width = metrics.horizontalAdvance(label)
            start = min(max(middle - width / 2, 0.0), self.width() - width)
            painter.drawText(QPointF(start, area.bottom() + line), label)
        start = area.left()
        for curve in self.curves:
            painter.setPen(_pen(curve))
            painter.drawPolyline(QPolygonF([place(x, y) for x, y in curve.points]))
            if len(curve.points) == 1:
                painter.drawEllipse(place(*curve.points[0]), 2, 2)
            label = _with_value(curve)
            painter.drawText(QPointF(start, 1.95 * line), label)
            start += metrics.horizontalAdvance(label) + 3 * _MARGIN


class PatchStrip(QWidget):
    """Gray images side by side under their captions, all with the contrast of the last one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[tuple[str, QImage]] = []
        self.setMinimumHeight(110)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def captions(self) -> list[str]:
        """Captions of the images."""
        return [caption for caption, _ in self._images]

    def show_images(self, images: Sequence[tuple[str, NDArray[np.floating]]]) -> None:
        """Set the images as (caption, image (Y, X))."""
        low, high = np.percentile(images[-1][1], [0.5, 99.8])
        self._images = [(caption, _as_qimage(image, float(low), float(high))) for caption, image in images]
        self.update()

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(380, 150)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the images as large as possible."""
        painter = QPainter(self)
        metrics = QFontMetricsF(painter.font())
        text = self.palette().color(self.foregroundRole())
        if not self._images:
            painter.setPen(_faded(text))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "no validation patch yet")
            return
        count, line = len(self._images), metrics.height() + _MARGIN
        side = min((self.width() - (count - 1) * _MARGIN) / count, self.height() - line)
        left = (self.width() - count * side - (count - 1) * _MARGIN) / 2
        painter.setPen(text)
        for number, (caption, image) in enumerate(self._images):
            x = left + number * (side + _MARGIN)
            painter.drawText(QRectF(x, 0, side, line), Qt.AlignmentFlag.AlignHCenter, caption)
            painter.drawImage(QRectF(x, line, side, side), image)


def _with_value(curve: Curve) -> str:
    return f"{curve.label} {curve.points[-1][1]:.4g}" if curve.points else curve.label


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _faded(color: QColor, alpha: int = 110) -> QColor:
    return QColor(color.red(), color.green(), color.blue(), alpha)


def _pen(curve: Curve) -> QPen:
    pen = QPen(QColor(curve.color), 1.8)
    if curve.is_dashed:
        pen.setStyle(Qt.PenStyle.DashLine)
    return pen


def _as_qimage(image: NDArray[np.floating], low: float, high: float) -> QImage:
    level = (np.nan_to_num(image) - low) / max(high - low, 1e-12) * 255
    grey = np.ascontiguousarray(np.clip(level, 0, 255).astype(np.uint8))
    height, width = grey.shape
    return QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
