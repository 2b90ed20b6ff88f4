"""Trust widget: what the raw data confirm of a result that was restored before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QLabel, QVBoxLayout

from decrappify.errors import InputError
from decrappify.trust import trust_path
from napari_decrappify.commands.movies import trust_command
from napari_decrappify.layers.image import METADATA
from napari_decrappify.widgets.choices.layer import LayerChoice, is_image, is_source
from napari_decrappify.widgets.choices.noise import NoiseChoice
from napari_decrappify.widgets.running.forms import form, named
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.widgets.trust.legend import TrustLegend
from napari_decrappify.widgets.trust.shown import show_trust, trust_of
from napari_decrappify.workers.movies.trust import Trusted, TrustSettings, map_trust
from napari_decrappify.workers.running.progress import clock

_HELP = (
    "Compares a restored movie with the raw data, pixel by pixel, with the noise of the camera. In the status bar of "
    "napari, the label under the pointer is shown; the layer with the detection limit is hidden at first."
)


class TrustWidget(RunWidget):
    """Widget that computes or opens the trust map of a restored layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "trust")
        self._restored = LayerChoice(
            napari_viewer, "trust_restored", "Result of the Restore widget, or a restored store", accepts=is_result
        )
        self._measured = LayerChoice(
            napari_viewer, "trust_measured", "The raw layer from which it was restored", accepts=_is_measured
        )
        self._noise = NoiseChoice("trust")
        self._legend = TrustLegend("trust")
        self._panel = RunPanel(
            self._runner,
            "trust",
            "Show trust map",
            "Compute the trust map next to the result, or open a finished one",
            cancel_tooltip="Stop after the current plane; finished planes are kept",
            after_cancel="finished planes are kept; Show trust map resumes",
        )
        self._lay_out()
        self._restored.layer_changed.connect(self._on_restored)
        self._measured.layer_changed.connect(self._update_buttons)
        self._panel.run_clicked.connect(self._start)
        self._selected = napari_viewer.layers.selection.events.active
        self._selected.connect(self._on_selected)
        self._connect_runner()
        self._on_restored()

    def _lay_out(self) -> None:
        help_text = named(QLabel(_HELP), "trust_help", "What the map shows")
        help_text.setWordWrap(True)
        fields = form()
        fields.addRow("Restored", self._restored)
        fields.addRow("Raw data", self._measured)
        fields.addRow("Noise", self._noise)
        layout = QVBoxLayout(self)
        layout.addWidget(help_text)
        layout.addLayout(fields)
        layout.addWidget(self._panel)
        layout.addWidget(self._legend)
        layout.addStretch(1)

    def _on_restored(self) -> None:
        """Choose the layer from which the result was restored, and show its legend if there is one."""
        source = source_of(self._viewer, self._restored.layer)
        if source is not None:
            self._measured.layer = source
        self._panel.reset()
        self._show_legend(_path_of(self._restored.layer))
        self._update_buttons()

    def _on_selected(self, _: Any = None) -> None:
        """Show the legend of the trust layer that the user selects."""
        record = trust_of(self._viewer.layers.selection.active)
        if record is not None:
            self._legend.show_record(record)

    def _show_legend(self, result: Path | None) -> None:
        records = [record for layer in self._viewer.layers if (record := trust_of(layer)) is not None]
        fitting = [] if result is None else [each for each in records if each.path == trust_path(result.absolute())]
        self._legend.show_record(fitting[-1] if fitting else None)

    def _obstacle(self) -> str:
        if self._restored.layer is None:
            return "no restored layer; restore one, or open a result"
        return "" if self._measured.layer is not None else "no raw data; open the movie that was restored"

    def _update_buttons(self) -> None:
        reason = self._obstacle()
        self._panel.allow(not reason, reason)

    def _start(self) -> None:
        settings = self._settings()
        if settings is not None:
            self._runner.start(map_trust, settings)

    def _command(self) -> str:
        settings = self._settings()
        if settings is None:
            raise InputError(self._obstacle() or self._panel.text)
        return trust_command(settings)

    def _settings(self) -> TrustSettings | None:
        """Return the values of the controls; None without a layer, or after an error, which is shown."""
        layer, measured = self._restored.layer, self._image(self._measured.layer)
        path = _path_of(layer)
        if measured is None or path is None:
            return None
        recorded = layer.metadata.get(METADATA, {})
        channel = recorded.get("restored_channel") if "C" in measured.axes else None
        sources = tuple(image for layer in self._sources() if (image := self._image(layer)) is not None)
        return TrustSettings(measured=sources or (measured,), restored=path, channel=channel, noise=self._noise.path)

    def _sources(self) -> list[Any]:
        """Return the raw layers of the channels of the result, in their order; empty if it was restored from one."""
        results = self._result_layers()
        found = [layer for result in results if (layer := source_of(self._viewer, result)) is not None]
        is_one_each = len(found) == len(results) and len({layer.name for layer in found}) == len(found)
        return found if len(results) > 1 and is_one_each else []

    def _result_layers(self) -> list[Any]:
        result = _path_of(self._restored.layer)
        return [layer for layer in self._viewer.layers if is_result(layer) and _path_of(layer) == result]

    def _show_result(self, trusted: Trusted) -> None:
        layers = self._result_layers()
        if layers:
            show_trust(self._viewer, layers, trusted.record)
        self._legend.show_record(trusted.record)
        self._panel.show_status(f"trust map in {clock(trusted.seconds)}: {trusted.record.path}")

    def _release(self) -> None:
        self._restored.disconnect_viewer()
        self._measured.disconnect_viewer()
        self._selected.disconnect(self._on_selected)


def is_result(layer: Any) -> bool:
    """Return whether a layer is a complete restored movie on disk."""
    recorded = layer.metadata.get(METADATA, {})
    provenance = recorded.get("provenance") or {}
    is_restored = "restoration" in provenance and "trust" not in provenance
    return bool(is_image(layer) and is_restored and recorded.get("path") and "is_partial" not in recorded)


def source_of(viewer: Any, restored: Any) -> Any:
    """Return the layer from which a layer was restored, by its file or its name; None if there is none."""
    if restored is None:
        return None
    recorded = restored.metadata.get(METADATA, {})
    source = recorded.get("source", {})
    for layer in viewer.layers:
        if not _is_measured(layer):
            continue
        own = layer.metadata.get(METADATA, {})
        if source.get("path") and all(own.get(key) == source.get(key) for key in ("path", "scene", "channel")):
            return layer
    return next((layer for layer in viewer.layers if layer.name == recorded.get("restored_from")), None)


def _is_measured(layer: Any) -> bool:
    provenance = layer.metadata.get(METADATA, {}).get("provenance") or {}
    return is_source(layer) and "restoration" not in provenance


def _path_of(layer: Any) -> Path | None:
    path = None if layer is None else layer.metadata.get(METADATA, {}).get("path")
    return None if path is None else Path(path)
