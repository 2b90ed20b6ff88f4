"""Panel of a run: run and cancel buttons, progress bar with the time left, and status line."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_decrappify.widgets.running.colors import background_of, readable
from napari_decrappify.widgets.running.forms import button, named
from napari_decrappify.workers.running.outcome import Failed, Finished, Outcome, Stopped
from napari_decrappify.workers.running.progress import Step
from napari_decrappify.workers.running.runner import Runner

_ERROR = "#ff6b6b"


class RunPanel(QWidget):
    """Controls of one runner, updated by its signals.

    The panel shows progress, reported texts, errors and cancellation. The widget shows results, and copies the command
    line of a run if it calls `offer_command`.

    Parameters
    ----------
    runner : Runner
        Source of progress and outcome.
    name : str
        Prefix of the objectNames: ``<name>_run``, ``<name>_cancel``, ``<name>_command``,
        ``<name>_progress``, ``<name>_status``.
    text, tooltip : str
        Text and tooltip of the run button, such as ``"Restore"``.
    cancel_text, cancel_tooltip : str
        Text and tooltip of the cancel button.
    after_cancel : str
        End of the status line after a cancellation: what is kept.
    """

    run_clicked = Signal()
    command_clicked = Signal()

    def __init__(
        self,
        runner: Runner,
        name: str,
        text: str,
        tooltip: str,
        *,
        cancel_text: str = "Cancel",
        cancel_tooltip: str,
        after_cancel: str,
    ) -> None:
        super().__init__()
        self._runner, self._cancel_text, self._after_cancel = runner, cancel_text, after_cancel
        self._may_run, self._tooltip, self._reason = True, tooltip, ""
        self.run = button(f"{name}_run", text, tooltip)
        self.cancel = button(f"{name}_cancel", cancel_text, cancel_tooltip)
        self.cancel.setEnabled(False)
        self.command = button(
            f"{name}_command", "Copy command", "Copy the command line of the run with these settings, for a terminal"
        )
        self.command.hide()
        self.bar = named(QProgressBar(), f"{name}_progress", "Progress of the run")
        self.status = named(QLabel(), f"{name}_status", "State of the run, and its result")
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)  # wrapped lines
        self.status.setSizePolicy(policy)
        self._lay_out()
        self._connect()
        self._show_bar(None)

    @property
    def text(self) -> str:
        """Text of the status line."""
        return self.status.text()

    @property
    def is_error(self) -> bool:
        """Whether the status line is an error."""
        return bool(self.status.property("is_error"))

    def show_status(self, text: str, *, is_error: bool = False) -> None:
        """Set the status line."""
        self.status.setProperty("is_error", is_error)
        self._color_status()
        self.status.setText(text)

    def show_error(self, text: str) -> None:
        """Set the status line to an error."""
        self.show_status(text, is_error=True)

    def offer_command(self) -> None:
        """Show the button that copies the command line, and emits `command_clicked`."""
        self.command.show()

    def changeEvent(self, event: QEvent | None) -> None:
        """Adapt the color of an error to the theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._color_status()

    def allow(self, may_run: bool, reason: str = "") -> None:
        """Set whether the choices allow a run; if so, the run button is enabled while no run is active.

        Parameters
        ----------
        may_run : bool
            Whether a run is possible.
        reason : str
            Why it is not; shown in the status line until it is.
        """
        self._may_run = may_run
        self.run.setEnabled(may_run and not self._runner.is_running)
        self.run.setToolTip(f"{self._tooltip}; not possible: {reason}" if reason else self._tooltip)
        if self._runner.is_running:
            return
        if reason or self.text == self._reason:
            self.show_status(reason)
        self._reason = reason

    def reset(self) -> None:
        """Clear the status line and the bar, whose run was of other choices, unless a run is active."""
        if not self._runner.is_running:
            self.show_status(self._reason)
            self._show_bar(None)

    def _color_status(self) -> None:
        style = f"color: {readable(_ERROR, background_of(self)).name()};" if self.is_error else ""
        if self.status.styleSheet() != style:
            self.status.setStyleSheet(style)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run, 2)
        buttons.addWidget(self.cancel, 1)
        buttons.addWidget(self.command)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)

    def _connect(self) -> None:
        self.run.clicked.connect(lambda: self.run_clicked.emit())
        self.cancel.clicked.connect(self._on_cancel)
        self.command.clicked.connect(lambda: self.command_clicked.emit())
        runner = self._runner
        runner.started.connect(self._on_started)
        runner.progressed.connect(self._on_progress)
        runner.reported.connect(self._on_report)
        runner.ended.connect(self._on_end)

    def _on_started(self) -> None:
        self.run.setEnabled(False)
        self.cancel.setEnabled(True)
        self.bar.setRange(0, 0)  # busy until the first step
        self.show_status("starting …")

    def _on_progress(self, step: Step) -> None:
        self._show_bar(step)
        if self.cancel.isEnabled():
            self.show_status(step.text())

    def _on_report(self, item: Any) -> None:
        if isinstance(item, str):
            self.show_status(item)

    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.cancel.setText("Stopping …")
        self._runner.cancel()

    def _on_end(self, outcome: Outcome) -> None:
        self.cancel.setEnabled(False)
        self.cancel.setText(self._cancel_text)
        self.allow(self._may_run)
        if self.bar.maximum() == 0:  # no step
            self._show_bar(Step(1, 1, "", "") if isinstance(outcome, Finished) else None)
        match outcome:
            case Stopped():
                self.show_status(f"{outcome.text()}; {self._after_cancel}")
            case Failed():
                self.show_error(outcome.message)

    def _show_bar(self, step: Step | None) -> None:
        done, total = (0, 1) if step is None else (step.done, step.total)
        if self.bar.maximum() != total:  # each of these calls repaints immediately
            self.bar.setRange(0, total)
        self.bar.setValue(done)
