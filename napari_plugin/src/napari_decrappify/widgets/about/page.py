"""Page of the Restore widget about the selected model: estimate, check on the layer, and card."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout

from decrappify.batch import RunEstimate
from decrappify.errors import DecrappifyError, InputError
from napari_decrappify.commands.movies import check_command
from napari_decrappify.widgets.about.card import card_html
from napari_decrappify.widgets.choices.model import ModelChoice
from napari_decrappify.widgets.choices.noise import NoiseChoice
from napari_decrappify.widgets.running.forms import button, form, named
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.widgets.training.patch_strip import PatchStrip
from napari_decrappify.workers.models.check import Checked, CheckSettings, check_model, estimate_run
from napari_decrappify.workers.movies.restore import RestoreSettings
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.progress import clock

_INCOMPLETE = "no layer or no model; choose both on the page Restore"
_CAPTIONS = ("80 % of the light", "Gaussian", "restored")


class ModelPage(RunWidget):
    """Page about the model that is selected in a widget.

    Parameters
    ----------
    widget : RunWidget
        The widget that contains the page.
    name : str
        Prefix of the objectNames.
    model : callable
        Returns the combo box of the models.
    choices : callable
        Returns the settings of a run with the present choices of the widget; None if they are incomplete.
    """

    def __init__(
        self,
        widget: RunWidget,
        name: str,
        model: Callable[[], ModelChoice],
        choices: Callable[[], RestoreSettings | None],
    ) -> None:
        super().__init__(None, name)
        self._model, self._choices = model, choices
        widget.installEventFilter(self._runner)
        self._create_controls(name)
        layout = QVBoxLayout(self)
        fields = form()
        fields.addRow("Noise", self._noise)
        layout.addWidget(self._estimate)
        layout.addLayout(fields)
        for part in (self._panel, self._details, self._images, self._card):
            layout.addWidget(part)
        layout.addStretch(1)
        self._estimate.clicked.connect(self._start_estimate)
        self._panel.run_clicked.connect(self._start_check)
        model().model_changed.connect(self.refresh)
        self._connect_runner()
        self._clear()

    @property
    def is_busy(self) -> bool:
        """Whether a check or an estimate is running."""
        return self._runner.is_running

    def stop(self) -> None:
        """Cancel a running job; for a widget that closes."""
        self._runner.stop()

    def refresh(self) -> None:
        """Show the card of the selected model, if the page is visible, and remove results of other choices."""
        if self.isVisible():
            self._show_card()
        if not self.is_busy:
            self._clear()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show the card of the selected model."""
        super().showEvent(event)
        self._show_card()
        self._update_buttons()

    def _create_controls(self, name: str) -> None:
        self._estimate = button(
            f"{name}_estimate", "Estimate time and disk space", "Measure the speed of one tile of the selected run"
        )
        self._noise = NoiseChoice(name)
        self._panel = RunPanel(
            self._runner,
            name,
            "Check on the layer",
            "Hold out a part of the photons of the layer, and test whether the model predicts them better than the "
            "best Gaussian filter; half a minute on a processor core",
            cancel_tooltip="Stop after the current region",
            after_cancel="nothing was stated on the model",
        )
        self._details = _text(f"{name}_details", "Parts of the check")
        self._images = named(PatchStrip(), f"{name}_images", "One region: a part of the light, filtered and restored")
        self._images.setFixedHeight(126)
        self._card = _text(f"{name}_card", "Card of the model")
        self._card.setTextFormat(Qt.TextFormat.RichText)

    def _clear(self) -> None:
        self._panel.reset()
        self._details.hide()
        self._images.hide()

    def _show_card(self) -> None:
        box, size = self._model(), None
        try:
            settings = self._choices()
            size = None if settings is None else settings.image.pixel_size_um[2]
        except DecrappifyError:  # the card is also shown for a layer that the model cannot restore
            pass
        self._card.setText(card_html(box.header, box.path, size))

    def _start_estimate(self) -> None:
        settings = self._complete_choices()
        if settings is not None:
            self._runner.start(estimate_run, settings)

    def _start_check(self) -> None:
        settings = self._complete_choices()
        if settings is not None:
            self._runner.start(check_model, CheckSettings(run=settings, noise=self._noise.path))

    def _command(self) -> str:
        settings = self._choices()
        if settings is None:
            raise InputError(_INCOMPLETE)
        checked = CheckSettings(run=settings, noise=self._noise.path)
        network = self._model().header.get("architecture", {})
        return check_command(checked, n_frames=int(network.get("n_frames", 1)))

    def _complete_choices(self) -> RestoreSettings | None:
        """Return the choices and remove earlier results; state what is missing if they are incomplete."""
        try:
            settings = self._choices()
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return None
        if settings is None:
            self._panel.show_error(_INCOMPLETE)
        else:
            self._clear()
        return settings

    def _update_buttons(self) -> None:
        self._estimate.setEnabled(not self._runner.is_running)
        self._panel.allow(True)

    def _show_result(self, result: Checked | RunEstimate) -> None:
        if isinstance(result, RunEstimate):
            self._panel.show_status(result.text(), is_error=not result.fits)
            return
        check = result.check
        is_bad = check.verdict == "worse"
        text = f"{check.summary}. {result.advice} (checked in {clock(result.seconds)})"
        self._panel.show_status(text, is_error=is_bad)
        lines = [f"<b>{label}</b>: {words}" for label, words in check.lines()[:-1]]
        self._details.setText("<br>".join(lines))
        self._details.show()
        if check.held_out is not None and check.held_out.example:
            part, restored, filtered = check.held_out.example
            self._images.show_images(list(zip(_CAPTIONS, (part, filtered, restored), strict=True)))
            self._images.show()

    def _release(self) -> None:
        """Do nothing: the page has no connections to the viewer."""


def _text(name: str, tooltip: str) -> QLabel:
    label = named(QLabel(), name, tooltip)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    label.setSizePolicy(policy)
    return label
