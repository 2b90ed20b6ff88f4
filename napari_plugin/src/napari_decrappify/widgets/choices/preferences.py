"""Persistent settings of the widgets: latest choices, and recent models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QWidget

_RECENT = "recent_models"
_MOST_RECENT = 6


def settings() -> QSettings:
    """Open the settings file, one per user."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "decrappify", "napari")


def remember(widget: QWidget, key: str) -> None:
    """Restore the saved value of a control, and save each new value.

    Parameters
    ----------
    widget : QLineEdit, QComboBox, QCheckBox, QSpinBox, QDoubleSpinBox or QSlider
        A combo box is saved by its text; a text that is no longer in the box is ignored.
    key : str
        Settings key, such as ``"restore/device"``.
    """
    kept = settings().value(key)
    if isinstance(widget, QCheckBox):
        if kept is not None:
            widget.setChecked(str(kept).lower() == "true")
        widget.toggled.connect(lambda value: keep(key, bool(value)))
    elif isinstance(widget, QComboBox):
        if kept is not None and widget.findText(str(kept)) >= 0:
            widget.setCurrentText(str(kept))
        widget.currentTextChanged.connect(lambda value: keep(key, value))
    elif isinstance(widget, QLineEdit):
        if kept is not None:
            widget.setText(str(kept))
        widget.textChanged.connect(lambda value: keep(key, value))
    elif isinstance(widget, QAbstractSpinBox | QAbstractSlider):
        number: Any = widget
        _set_number(number, kept)
        number.valueChanged.connect(lambda value: keep(key, value))
    else:
        raise TypeError(f"a {type(widget).__name__} has no value to save")


def keep(key: str, value: Any) -> None:
    """Save one value."""
    settings().setValue(key, value)


def recall(key: str, default: str = "") -> str:
    """Return a saved value as text."""
    return str(settings().value(key, default))


def recent_models() -> list[Path]:
    """Return the recent model files, newest first, without files that no longer exist."""
    kept = settings().value(_RECENT) or []
    paths = [Path(text) for text in ([kept] if isinstance(kept, str) else kept)]
    return [path for path in paths if path.is_file()]


def add_recent_model(path: Path) -> None:
    """Add a model file as the most recent one."""
    path = Path(path).absolute()
    others = [other for other in recent_models() if other != path]
    settings().setValue(_RECENT, [str(item) for item in [path, *others][:_MOST_RECENT]])


def _set_number(widget: Any, kept: Any) -> None:
    try:
        number = float(str(kept))
    except ValueError:
        return  # nothing was saved, or the settings file was edited
    widget.setValue(number if isinstance(widget, QDoubleSpinBox) else round(number))
