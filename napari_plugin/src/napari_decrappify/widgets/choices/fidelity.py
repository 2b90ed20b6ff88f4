"""Control of the fidelity of a NoGAN model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QWidget

from decrappify.model import has_fidelity
from napari_decrappify.widgets.running.forms import named


class FidelityChoice(QDoubleSpinBox):
    """Number from 0 (GAN phase) to 1 (pretrained), visible only for models that contain both sets of weights.

    Parameters
    ----------
    name : str
        objectName of the box.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(
            self,
            name,
            "Fidelity of a NoGAN model: 0 is the checkpoint of its GAN phase with the most realistic texture, 1 the "
            "generator before it, closest to the data; use 1 for measurements",
        )
        self.setRange(0.0, 1.0)
        self.setSingleStep(0.1)
        self.setDecimals(2)
        self._header: Mapping[str, Any] = {}
        self._form: QFormLayout | None = None

    @property
    def fidelity(self) -> float | None:
        """Fidelity for `decrappify`; None for models with one set of weights."""
        return round(self.value(), 2) if has_fidelity(self._header) else None

    def add_to(self, form: QFormLayout) -> None:
        """Add the control to a form as a row, invisible until a model with a fidelity is chosen."""
        self._form = form
        form.addRow("Fidelity", self)
        self._show()

    def follow(self, header: Mapping[str, Any]) -> None:
        """Show or hide the control for a model, given its header; another model starts with its default."""
        if header != self._header:
            self._header = header
            self.setValue(0.0)
        self._show()

    def _show(self) -> None:
        is_shown = has_fidelity(self._header)
        self.setVisible(is_shown)
        label = None if self._form is None else self._form.labelForField(self)
        if label is not None:
            label.setVisible(is_shown)
