"""Legend of a trust map, with the shares and the result in one line."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_decrappify.layers.results.trust import COLORS, LABELS, MEANINGS, TrustRecord
from napari_decrappify.widgets.running.forms import named

_SIDE = 14  # of a swatch, in pixels


class TrustLegend(QWidget):
    """Colors, shares and meanings of the labels, hidden until there is a map.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._verdict = named(QLabel(), f"{name}_verdict", "The trust map in one line")
        self._verdict.setWordWrap(True)
        self._verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._shares: dict[int, QLabel] = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        for number, value in enumerate(LABELS):
            swatch = QFrame()
            swatch.setFixedSize(_SIDE, _SIDE)
            swatch.setStyleSheet(f"background-color: {COLORS[value]};")
            self._shares[value] = named(QLabel(), f"{name}_{LABELS[value]}", MEANINGS[value])
            self._shares[value].setWordWrap(True)
            grid.addWidget(swatch, number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(self._shares[value], number, 1)
        grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._verdict)
        layout.addLayout(grid)
        self.show_record(None)

    @property
    def verdict(self) -> str:
        """The result in one line; empty without a map."""
        return self._verdict.text()

    def show_record(self, record: TrustRecord | None) -> None:
        """Show what a map found; None hides the legend."""
        self.setVisible(record is not None)
        if record is None:
            self._verdict.setText("")
            return
        self._verdict.setText(record.summary)
        for value, label in self._shares.items():
            share = record.shares.get(LABELS[value])
            text = "" if share is None else f" {_percent(share)}"
            label.setText(f"<b>{LABELS[value]}{text}</b>: {MEANINGS[value]}")


def _percent(share: float) -> str:
    """Return a share as text.

    >>> _percent(0.67), _percent(0.004), _percent(0.0)
    ('67 %', '0.4 %', '0 %')
    """
    if share == 0 or share >= 0.1:
        return f"{100 * share:.0f} %"
    return "< 0.01 %" if share < 1e-4 else f"{100 * share:.2g} %"
