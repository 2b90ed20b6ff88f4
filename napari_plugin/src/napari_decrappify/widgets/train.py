"""Train widget: training images, a crappifier with live preview, training time, and curves of the run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGroupBox,
    QLabel,
    QLineEdit,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.crappified import (
    Crappified,
    CrappifiedLayer,
    CrappifyPreviewer,
    CrappifyRequest,
    right_half,
)
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.visible import current_position, visible_region
from napari_decrappify.widgets.choices import DeviceChoice, LayerChoice
from napari_decrappify.widgets.crappifier_controls import CrappifierControls
from napari_decrappify.widgets.forms import button, form, named, row, scrolled
from napari_decrappify.widgets.layer_ticks import LayerTicks, is_good
from napari_decrappify.widgets.plots import Curve, CurvePlot, PatchStrip
from napari_decrappify.widgets.run_panel import RunPanel
from napari_decrappify.widgets.settings import add_recent_model, remember
from napari_decrappify.workers.progress import clock
from napari_decrappify.workers.restore import safe_name
from napari_decrappify.workers.runner import Runner, warm_up
from napari_decrappify.workers.task import Task
from napari_decrappify.workers.train import N_FRAMES, NETWORKS, Trained, TrainRequest, Validated, run_training

_SOURCES = ("layers in the viewer", "files in a folder")
_PREVIEW_DELAY_MS = 120
_RESTORED, _DEGRADED, _LOSS = "#4fc3f7", "#9e9e9e", "#ffb74d"


class TrainWidget(QWidget):
    """Widget to train a model on images degraded by a crappifier.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by napari, by this name; source of the layers.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.setObjectName("train")
        self._viewer = napari_viewer
        self._runner = Runner(self)
        self._preview_runner = Runner(self)
        self._previewer = CrappifyPreviewer()
        self._crappified = CrappifiedLayer(napari_viewer)
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(_PREVIEW_DELAY_MS)
        self._make_controls()
        self._lay_out()
        self._remember()
        self._connect()
        self._on_source()
        warm_up()

    # Controls

    def _make_controls(self) -> None:
        self._source = named(QComboBox(), "train_source", "Where the good images are")
        self._source.addItems(_SOURCES)
        self._source.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._layers = LayerTicks(self._viewer, "train_layers", "Tick the good images to learn from")
        self._folder = named(QLineEdit(), "train_folder", "A folder of movies or stills: CZI, TIFF, OME-Zarr, films")
        self._folder.setPlaceholderText("folder of good images")
        self._browse = button("train_browse", "…", "Choose the folder of good images")
        self._browse.setMaximumWidth(36)
        self._crappifier = CrappifierControls("train_crappifier")
        self._live = named(
            QCheckBox("preview on"), "train_live", "Crappify the right half of what the canvas shows of this layer"
        )
        self._preview_layer = LayerChoice(
            self._viewer, "train_preview_layer", "The layer on which the crappifier is shown", accepts=is_good
        )
        self._n_frames = named(
            QComboBox(), "train_n_frames", "Frames that the model looks at to predict the middle one; 1 for stills"
        )
        self._n_frames.addItems([str(count) for count in N_FRAMES])
        self._n_frames.setCurrentText("3")
        self._minutes = named(
            QDoubleSpinBox(), "train_minutes", "How long to train; the speed is measured first, Stop ends it earlier"
        )
        self._minutes.setRange(0.05, 10_000)
        self._minutes.setDecimals(2)
        self._minutes.setValue(10)
        self._network = named(
            QComboBox(), "train_network", "Size of the network: larger ones learn more and are slower"
        )
        self._network.addItems(NETWORKS)
        self._device = DeviceChoice("train_device")
        self._name = named(QLineEdit("my-model"), "train_name", "Name of the model; numbered where it is taken")
        self._models = named(
            QLineEdit(str(Path.home() / "decrappify-models")), "train_models", "The folder that gets the model"
        )
        self._browse_models = button("train_browse_models", "…", "Choose the folder for models")
        self._browse_models.setMaximumWidth(36)
        self._loss = named(CurvePlot("training loss"), "train_loss", "Loss of the training steps; should fall")
        self._psnr = named(
            CurvePlot("validation PSNR (dB)"), "train_psnr", "Quality on images kept out of the training; should rise"
        )
        self._patches = named(
            PatchStrip(), "train_patches", "A part of an image that was kept out of the training, restored just now"
        )
        self._panel = RunPanel(
            self._runner,
            "train",
            "Train",
            "Train a model; it appears in the Restore list when done",
            cancel_text="Stop",
            cancel_tooltip="Stop now and keep the best model so far",
        )

    def _lay_out(self) -> None:
        self._tabs = named(QTabWidget(), "train_tabs", "What to train, and how it goes")
        self._tabs.addTab(scrolled(self._setup_page()), "set up")
        self._tabs.addTab(self._progress_page(), "progress")
        layout = QVBoxLayout(self)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self._panel)

    def _setup_page(self) -> QWidget:
        folder = QWidget()
        folder.setLayout(row(self._folder, self._browse))
        self._where = QStackedWidget()
        self._where.addWidget(self._layers)
        self._where.addWidget(folder)
        self._where.setFixedHeight(self._layers.height())
        images = QGroupBox("good images")
        inner = QVBoxLayout(images)
        inner.addWidget(self._source)
        inner.addWidget(self._where)
        degradation = QGroupBox("how they are made bad")
        inner = QVBoxLayout(degradation)
        inner.addWidget(self._crappifier)
        live = row(self._live, self._preview_layer)
        live.setStretch(1, 1)
        inner.addLayout(live)
        model = QGroupBox("model")
        fields = form()
        fields.addRow("frames", row(self._n_frames, QLabel("network"), self._network))
        fields.addRow("time", row(self._minutes, QLabel("minutes")))
        fields.addRow("device", self._device)
        fields.addRow("name", self._name)
        fields.addRow("saved in", row(self._models, self._browse_models))
        QVBoxLayout(model).addLayout(fields)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 4, 0, 0)
        for group in (images, degradation, model):
            layout.addWidget(group)
        layout.addStretch(1)
        return page

    def _progress_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.addWidget(self._psnr, 1)
        layout.addWidget(self._loss, 1)
        layout.addWidget(self._patches, 1)
        return page

    def _remember(self) -> None:
        for control, key in (
            (self._source, "source"),
            (self._folder, "folder"),
            (self._live, "live"),
            (self._n_frames, "n_frames"),
            (self._minutes, "minutes"),
            (self._network, "network"),
            (self._device, "device"),
            (self._name, "name"),
            (self._models, "models"),
        ):
            remember(control, f"train/{key}")

    def _connect(self) -> None:
        self._source.currentIndexChanged.connect(lambda _: self._on_source())
        self._layers.ticks_changed.connect(self._update_buttons)
        self._folder.textChanged.connect(lambda _: self._update_buttons())
        self._name.textChanged.connect(lambda _: self._update_buttons())
        self._browse.clicked.connect(lambda: self._choose_folder(self._folder, "Folder of good images"))
        self._browse_models.clicked.connect(lambda: self._choose_folder(self._models, "Folder for models"))
        self._crappifier.changed.connect(self._schedule_preview)
        self._preview_layer.layer_changed.connect(self._schedule_preview)
        self._live.toggled.connect(self._on_live)
        self._preview_timer.timeout.connect(self._start_preview)
        self._preview_runner.succeeded.connect(self._show_preview)
        self._preview_runner.failed.connect(lambda line: self._panel.say(line, is_error=True))
        self._panel.run_clicked.connect(self._start)
        self._runner.reported.connect(self._on_report)
        self._runner.succeeded.connect(self._on_success)
        self._runner.finished.connect(self._update_buttons)
        self._viewer.dims.events.current_step.connect(self._schedule_preview)
        self._schedule_preview()

    # Updates after a choice

    def _on_source(self) -> None:
        self._where.setCurrentIndex(self._source.currentIndex())
        self._update_buttons()

    def _update_buttons(self) -> None:
        has_images = bool(self._folder.text().strip()) if self._source.currentIndex() else bool(self._layers.layers)
        self._panel.allow(has_images and bool(self._name.text().strip()))

    def _choose_folder(self, box: QLineEdit, title: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, title, box.text())
        if folder:
            box.setText(folder)

    # Preview of the crappifier

    def _on_live(self, is_on: bool) -> None:
        if is_on:
            self._schedule_preview()
        else:
            self._crappified.remove()

    def _schedule_preview(self, _: Any = None) -> None:
        if self._live.isChecked():
            self._preview_timer.start()

    def _start_preview(self) -> None:
        layer = self._preview_layer.layer
        if layer is None or not self._live.isChecked() or self._viewer.dims.ndisplay != 2:
            return
        if self._preview_runner.is_running:
            self._preview_timer.start()
            return
        try:
            image = LayerImage.of(layer)
            position = current_position(self._viewer, layer, image.axes)
            rows, columns = right_half(*visible_region(layer, image))
            request = CrappifyRequest(
                image=image,
                crappifier=self._crappifier.crappifier,
                t=position.get("T", 0),
                c=position.get("C", 0),
                z=position.get("Z", 0),
                rows=rows,
                columns=columns,
            )
        except DecrappifyError as error:
            self._panel.say(str(error), is_error=True)
            return
        self._preview_runner.start(partial(_run_preview, previewer=self._previewer, request=request))

    def _show_preview(self, crappified: Crappified) -> None:
        if self._live.isChecked():
            self._crappified.show(crappified)

    # Train

    def _start(self) -> None:
        try:
            request = self._request()
            request.folder.mkdir(parents=True, exist_ok=True)
        except DecrappifyError as error:
            self._panel.say(str(error), is_error=True)
            return
        except OSError as error:
            self._panel.say(
                f"{self._models.text()} cannot hold models: {error.strerror}; choose another folder", is_error=True
            )
            return
        for plot in (self._loss, self._psnr):
            plot.show_curves([])
        self._tabs.setCurrentIndex(1)
        self._runner.start(partial(run_training, request=request))

    def _request(self) -> TrainRequest:
        from_folder = self._source.currentIndex() == 1
        return TrainRequest(
            images=() if from_folder else tuple(LayerImage.of(layer) for layer in self._layers.layers),
            source=Path(self._folder.text().strip()).expanduser() if from_folder else None,
            crappifier=self._crappifier.crappifier,
            n_frames=int(self._n_frames.currentText()),
            minutes=self._minutes.value(),
            network=self._network.currentText(),
            device=self._device.device,
            name=safe_name(self._name.text()),
            folder=Path(self._models.text()).expanduser(),
        )

    def _on_report(self, item: Any) -> None:
        if isinstance(item, Validated):
            self._show_validation(item)
        elif isinstance(item, str):
            self._panel.say(item)

    def _show_validation(self, item: Validated) -> None:
        def points(key: str) -> tuple[tuple[float, float], ...]:
            return tuple((line["step"], line[key]) for line in item.log)

        self._psnr.show_curves(
            [
                Curve("restored", points("psnr"), _RESTORED),
                Curve("degraded", points("psnr_source"), _DEGRADED, is_dashed=True),
            ]
        )
        self._loss.show_curves([Curve("loss", points("loss"), _LOSS)])
        self._patches.show_images(list(zip(("degraded", "restored", "good"), item.patch, strict=True)))

    def _on_success(self, trained: Trained) -> None:
        add_recent_model(trained.model)
        early = f" of {trained.planned_steps}" if trained.steps < trained.planned_steps else ""
        self._panel.say(
            f"trained {trained.steps}{early} steps in {clock(trained.seconds)}; best at step {trained.best_step}: "
            f"{trained.psnr:.2f} dB, degraded images have {trained.psnr_source:.2f} dB; "
            f"{trained.model} is in the Restore list"
        )

    # Closing

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Stop the run, and wait for its end."""
        self._preview_timer.stop()
        for runner in (self._runner, self._preview_runner):
            runner.stop()
        self._previewer.close()
        self._layers.disconnect_viewer()
        self._preview_layer.disconnect_viewer()
        self._viewer.dims.events.current_step.disconnect(self._schedule_preview)
        super().closeEvent(event)


def _run_preview(task: Task, previewer: CrappifyPreviewer, request: CrappifyRequest) -> Crappified:
    return previewer.run(task, request)
