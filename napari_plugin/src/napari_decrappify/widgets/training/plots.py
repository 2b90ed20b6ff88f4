"""Plots of a training run, painted by Qt in the colors of the viewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_decrappify.widgets.running.colors import background_of, readable

_MARGIN = 4.0
READABLE = 170  # opacity, of 255, of texts of less importance


@dataclass(frozen=True)
class Curve:
    """Curve of a plot: label, points in order of x, color, and whether it is dashed."""

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
    """Small plot of a few curves, such as over the training step; x begins at 0.

    Parameters
    ----------
    title : str
        Quantity with its unit.
    has_values : bool
        Whether the last value of each curve is next to its label.
    """

    def __init__(self, title: str, *, has_values: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._has_values = title, has_values
        self.curves: tuple[Curve, ...] = ()
        self.setMinimumSize(150, 130)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_curves(self, curves: Sequence[Curve]) -> None:
        """Set the curves; values that are not finite are omitted."""
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
            painter.setPen(faded(text, READABLE))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "no values yet")
            return
        self._paint(painter, metrics, text, points)

    def _paint(
        self, painter: QPainter, metrics: QFontMetricsF, text: QColor, points: list[tuple[float, float]]
    ) -> None:
        low, high = _padded(min(y for _, y in points), max(y for _, y in points))
        right = max(x for x, _ in points) or 1.0
        y_ticks, line = ticks(low, high), metrics.height()
        left = 2 * _MARGIN + max(metrics.horizontalAdvance(f"{tick:.6g}") for tick in y_ticks)
        area = QRectF(left, 2.2 * line, self.width() - left - 2 * _MARGIN, self.height() - 3.6 * line)
        axes = _Axes(area, right, low, high)
        self._paint_y_axis(painter, axes, y_ticks, line, text)
        self._paint_x_axis(painter, axes, metrics)
        start = area.left()
        for curve in self.curves:
            painter.setPen(_pen(curve, background_of(self)))
            painter.drawPolyline(QPolygonF([axes.point(x, y) for x, y in curve.points]))
            if len(curve.points) == 1:
                painter.drawEllipse(axes.point(*curve.points[0]), 2, 2)
            label = _with_value(curve) if self._has_values else curve.label
            painter.drawText(QPointF(start, 1.95 * line), label)
            start += metrics.horizontalAdvance(label) + 3 * _MARGIN

    def _paint_y_axis(
        self, painter: QPainter, axes: _Axes, y_ticks: Sequence[float], line: float, text: QColor
    ) -> None:
        painter.setPen(QPen(faded(text), 0.5))
        for tick in y_ticks:
            painter.drawLine(axes.point(0, tick), axes.point(axes.right, tick))
        painter.setPen(faded(text, READABLE))
        for tick in y_ticks:
            box = QRectF(0, axes.point(0, tick).y() - line / 2, axes.area.left() - _MARGIN, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{tick:.6g}")

    def _paint_x_axis(self, painter: QPainter, axes: _Axes, metrics: QFontMetricsF) -> None:
        for tick in ticks(0, axes.right, 3):
            label = f"{tick:.6g}"
            width = metrics.horizontalAdvance(label)
            start = min(max(axes.point(tick, axes.low).x() - width / 2, 0.0), self.width() - width)
            painter.drawText(QPointF(start, axes.area.bottom() + metrics.height()), label)


@dataclass(frozen=True)
class _Axes:
    """Area of the curves, and the values at its edges; x begins at 0."""

    area: QRectF
    right: float
    low: float
    high: float

    def point(self, x: float, y: float) -> QPointF:
        area = self.area
        share = (y - self.low) / (self.high - self.low)
        return QPointF(area.left() + area.width() * x / self.right, area.bottom() - area.height() * share)


def _with_value(curve: Curve) -> str:
    return f"{curve.label} {curve.points[-1][1]:.4g}" if curve.points else curve.label


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def faded(color: QColor, alpha: int = 110) -> QColor:
    """Return a color with transparency."""
    return QColor(color.red(), color.green(), color.blue(), alpha)


def _pen(curve: Curve, background: QColor) -> QPen:
    pen = QPen(readable(curve.color, background), 1.8)
    if curve.is_dashed:
        pen.setStyle(Qt.PenStyle.DashLine)
    return pen
