"""Base class of the widgets: a runner with its panel, and their cleanup."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMessageBox, QPushButton, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.outcome import Finished, Outcome
from napari_decrappify.workers.running.runner import Runner

_STYLED_MS = 50  # after which napari has applied its style
_CLOSING = "A run is in progress, and closing the panel stops it. Close the panel?"


class RunWidget(QWidget):
    """Widget whose buttons start jobs; subclasses set `_panel`, and override `_update_buttons` and `_show_result`.

    A subclass that overrides `_command` has a button that copies the command line of a run.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the widget; napari passes it by this parameter name.
    name : str
        objectName of the widget.
    """

    _panel: RunPanel
    _laid_out: QTimer | None = None

    def __init__(self, napari_viewer: Any, name: str) -> None:
        super().__init__()
        # Timers of the widget end with it; a call of a function of a deleted widget would raise an error with PySide6.
        self._styled, self._laid_out = (self._timer(delay) for delay in (_STYLED_MS, 0))
        self.setObjectName(name)
        self._viewer = napari_viewer
        self._runner = Runner(self)

    def _connect_runner(self) -> None:
        """Connect the runner, after the panel, so that the texts of a result replace those of the panel."""
        self._runner.started.connect(self._update_buttons)
        self._runner.reported.connect(self._on_report)
        self._runner.ended.connect(self._on_end)
        if type(self)._command is not RunWidget._command:
            self._panel.offer_command()
            self._panel.command_clicked.connect(self._copy_command)

    def _on_report(self, item: Any) -> None:
        """Show an intermediate result; the panel shows strings."""

    def _on_end(self, outcome: Outcome) -> None:
        if isinstance(outcome, Finished):
            self._show_result(outcome.result)
        else:
            self._on_unfinished()
        self._update_buttons()

    def _show_result(self, result: Any) -> None:
        """Show the result of a job."""
        raise NotImplementedError

    def _on_unfinished(self) -> None:
        """Clean up after a run that was cancelled or failed."""

    def _update_buttons(self) -> None:
        """Enable the buttons that the choices allow."""
        raise NotImplementedError

    def _command(self) -> str:
        """Return the command line of a run with the current settings; raises DecrappifyError if there is none."""
        raise NotImplementedError

    def _copy_command(self) -> None:
        try:
            command = self._command()
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(command)
        self._panel.show_status(f"copied: {command}")

    def _image(self, layer: Any, axes: str | None = None) -> LayerImage | None:
        """Return a snapshot of a layer; None without a layer or after an error, which is shown in the status line."""
        if layer is None:
            return None
        try:
            return LayerImage.of(layer, axes)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return None

    def _release(self) -> None:
        """Disconnect from the viewer and release the resources of the jobs; called when the widget is closed."""

    @property
    def _is_busy(self) -> bool:
        """Whether closing the widget stops a run."""
        return self._runner.is_running

    def showEvent(self, event: QShowEvent | None) -> None:
        """Watch the close button of the dock."""
        super().showEvent(event)
        dock = self.parentWidget()
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        if dock is None:
            return
        self._styled.start()
        bar = dock.titleBarWidget()
        close = None if bar is None else bar.findChild(QPushButton, "QTitleBarCloseButton")
        if close is not None:
            close.installEventFilter(self)

    def event(self, event: QEvent | None) -> bool:
        """Set the least width of the dock when that of the controls changes, as when the style is applied."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest and self._laid_out is not None:
            self._laid_out.start()
        return bool(super().event(event))

    def _timer(self, delay: int) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
        timer.timeout.connect(self._set_least_width)
        return timer

    def _set_least_width(self) -> None:
        dock = self.parentWidget()
        if isinstance(dock, QDockWidget):
            dock.setMinimumWidth(dock.minimumSizeHint().width())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Request a confirmation before the close button of the dock stops a run."""
        is_release = event is not None and event.type() == QEvent.Type.MouseButtonRelease
        return is_release and self._is_busy and not confirmed(self, "Stop the run?", _CLOSING)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Cancel the run, and wait until it ends."""
        self._runner.stop()
        self._release()
        super().closeEvent(event)


def confirmed(parent: QWidget, title: str, question: str) -> bool:
    """Return whether the user answers a question with yes."""
    buttons = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
    answer = QMessageBox.question(parent, title, question, buttons, QMessageBox.StandardButton.No)
    return bool(answer == QMessageBox.StandardButton.Yes)
