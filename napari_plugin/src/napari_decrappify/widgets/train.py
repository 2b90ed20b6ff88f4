"""Train widget: training images, crappifier with live preview, training time, and curves of the run."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QGroupBox, QTabWidget, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.commands.train import train_command
from napari_decrappify.widgets.choices.preferences import add_recent_model
from napari_decrappify.widgets.running.forms import named, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.widgets.training.calibration import CalibrationPage
from napari_decrappify.widgets.training.crappifier_controls import CrappifierControls
from napari_decrappify.widgets.training.crappifier_preview import CrappifierPreview
from napari_decrappify.widgets.training.images import TrainingImages
from napari_decrappify.widgets.training.options import TrainingOptions
from napari_decrappify.widgets.training.progress import TrainingProgress
from napari_decrappify.workers.models.train import Trained, TrainSettings, Validated, train_model
from napari_decrappify.workers.names import create_folder
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.outcome import Outcome
from napari_decrappify.workers.running.progress import clock
from napari_decrappify.workers.running.warm_up import warm_up

_CALIBRATE, _PROGRESS = 1, 2  # pages


class TrainWidget(RunWidget):
    """Widget to train a model on images degraded by a crappifier.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "train")
        self._images = TrainingImages(napari_viewer, "train")
        self._crappifier = CrappifierControls("train_crappifier")
        self._preview = CrappifierPreview(napari_viewer, self._crappifier, "train")
        self._options = TrainingOptions("train")
        self._progress = TrainingProgress("train")
        self._calibration = CalibrationPage(napari_viewer, self._images, "train_calibration")
        self._calibration.follow(self)
        self._panel = RunPanel(
            self._runner,
            "train",
            "Train",
            "Train a model, and add it to the list of the Restore widget",
            cancel_text="Stop",
            cancel_tooltip="Stop now and keep the best model so far",
            after_cancel="the run was stopped before its first step, and no model was saved",
        )
        self._lay_out()
        self._images.chosen.connect(self._on_images)
        self._options.changed.connect(self._update_buttons)
        self._calibration.calibrated.connect(self._crappifier.choose)
        self._preview.failed.connect(self._panel.show_error)
        self._crappifier.failed.connect(self._panel.show_error)
        self._panel.run_clicked.connect(self._start)
        self._connect_runner()
        self._on_images()
        warm_up(training=True)

    def _lay_out(self) -> None:
        self._degradation = degradation = QGroupBox("Degradation (crappifier)")
        inner = QVBoxLayout(degradation)
        inner.addWidget(self._crappifier)
        inner.addWidget(self._preview)
        setup = QWidget()
        groups = QVBoxLayout(setup)
        groups.setContentsMargins(0, 4, 0, 0)
        for group in (self._images, degradation, self._options):
            groups.addWidget(group)
        groups.addStretch(1)
        self._tabs = named(QTabWidget(), "train_tabs", "Setup and progress of the training run")
        self._tabs.addTab(scrolled(setup), "Setup")
        self._tabs.addTab(self._calibration, "Calibrate")
        self._tabs.addTab(scrolled(self._progress), "Progress")
        self._tabs.currentChanged.connect(lambda index: self._panel.setVisible(index != _CALIBRATE))
        layout = QVBoxLayout(self)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self._panel)

    def _on_images(self) -> None:
        self._preview.follow(self._images.first_layer)
        self._update_buttons()

    def _update_buttons(self) -> None:
        reason = "no training images; tick a layer, or choose a folder" if self._images.is_empty else ""
        reason = reason or ("" if self._options.is_complete else "no name of the model; enter one")
        self._panel.allow(not reason, reason)
        self._degradation.setEnabled(not self._images.is_pairs)

    def _settings(self) -> TrainSettings:
        """Return the values of the controls; raises InputError if the axes of a layer are not valid."""
        return TrainSettings(
            images=self._images.images(),
            source=self._images.folder,
            crappifier=None if self._images.is_pairs else self._crappifier.crappifier,
            **self._options.values(),
        )

    def _command(self) -> str:
        settings = self._settings()
        create_folder(settings.folder)
        return train_command(settings)[0]

    def _start(self) -> None:
        try:
            settings = self._settings()
            create_folder(settings.folder)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        self._progress.clear()
        self._tabs.setCurrentIndex(_PROGRESS)
        self._runner.start(train_model, settings)

    def _on_report(self, item: Any) -> None:
        if isinstance(item, Validated):
            self._progress.show_validation(item)

    @property
    def _is_busy(self) -> bool:
        return super()._is_busy or self._calibration.is_busy

    def _on_end(self, outcome: Outcome) -> None:
        super()._on_end(outcome)
        self._options.refresh()  # a stopped run can be continued, and a new model can be fine-tuned

    def _show_result(self, trained: Trained) -> None:
        add_recent_model(trained.model)
        warning = f". Warning: {trained.warning}" if trained.warning else ""
        early = f" of {trained.planned_steps}" if trained.steps < trained.planned_steps else ""
        self._panel.show_status(
            f"trained {trained.steps}{early} steps in {clock(trained.seconds)}; best validation PSNR "
            f"{trained.psnr:.2f} dB at step {trained.best_step} (degraded images {trained.psnr_source:.2f} dB, best "
            f"Gaussian {trained.psnr_gaussian:.2f} dB); "
            f"{trained.model} is in the list of the Restore widget{warning}",
            is_error=bool(warning),
        )

    def _release(self) -> None:
        self._preview.stop()
        self._calibration.stop()
        self._images.disconnect_viewer()
