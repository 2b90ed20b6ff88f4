"""Strip of gray images with captions, painted by Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QFontMetricsF, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_decrappify.widgets.training.plots import READABLE, faded

_MARGIN = 4.0
_CENTERED = Qt.AlignmentFlag.AlignCenter.value | Qt.TextFlag.TextWordWrap.value


class PatchStrip(QWidget):
    """Gray images side by side under their captions, all with the contrast of the last one.

    Parameters
    ----------
    empty : str
        Text without images.
    """

    def __init__(self, empty: str = "no validation patch yet", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._empty = empty
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
            painter.setPen(faded(text, READABLE))
            painter.drawText(self.rect(), _CENTERED, self._empty)
            return
        count, line = len(self._images), metrics.height() + _MARGIN
        side = min((self.width() - (count - 1) * _MARGIN) / count, self.height() - line)
        left = (self.width() - count * side - (count - 1) * _MARGIN) / 2
        painter.setPen(text)
        for number, (caption, image) in enumerate(self._images):
            x = left + number * (side + _MARGIN)
            painter.drawText(QRectF(x, 0, side, line), Qt.AlignmentFlag.AlignHCenter, caption)
            painter.drawImage(QRectF(x, line, side, side), image)


def _as_qimage(image: NDArray[np.floating], low: float, high: float) -> QImage:
    level = (np.nan_to_num(image) - low) / max(high - low, 1e-12) * 255
    gray = np.ascontiguousarray(np.clip(level, 0, 255).astype(np.uint8))
    height, width = gray.shape
    return QImage(gray.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
