"""Combo box of models."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from decrappify.errors import DecrappifyError
from decrappify.model import named_models, read_card, shipped_models
from napari_decrappify.layers.model_fit import caution
from napari_decrappify.widgets.choices.preferences import add_recent_model, keep, recall, recent_models
from napari_decrappify.widgets.running.elided import ElidedBox
from napari_decrappify.widgets.running.forms import named, shrinkable
from napari_decrappify.workers.running.messages import one_line

logger = logging.getLogger("napari_decrappify")

_FILE = "File…"


class ModelChoice(ElidedBox):
    """Combo box of shipped, shared and recent models and any file, with a persistent choice.

    Parameters
    ----------
    name : str
        objectName of the box.
    key : str
        Settings key of the choice, such as ``"restore/model"``.
    accepts : callable
        Filter of models by their headers (`decrappify.model.read_card`).
    default : str
        Shipped model that is selected initially.
    still_default : str, optional
        Shipped model that is selected initially for still images, which have a separate choice, see `follow`.
    """

    model_changed = Signal()
    refused = Signal(str)  # reason

    def __init__(
        self,
        name: str,
        key: str,
        *,
        accepts: Callable[[Mapping[str, Any]], bool] = lambda header: True,
        default: str = "",
        still_default: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        named(self, name, "Model: a shipped one, one of the shared folder, one used before, or a file")
        shrinkable(self, 16)
        self._key, self._accepts = key, accepts
        self._defaults = {key: default, f"{key}_still": still_default}
        self._latest = ""
        self._paths: dict[int, Path] = {}
        self.refresh(recall(key, default))
        self.currentIndexChanged.connect(self._on_change)
        self.activated.connect(self._on_activated)

    @property
    def chosen(self) -> str | Path | None:
        """Name of a shipped or shared model, or path of a file for `decrappify.load_model`; None if there is none."""
        kept = self.currentData()
        return Path(kept[1]) if kept and kept[0] == "file" else (kept[1] if kept else None)

    @property
    def header(self) -> dict[str, Any]:
        """Header of the selected model file (architecture, card and so on); empty if there is none."""
        path = self.path
        return {} if path is None else _header(path)

    @property
    def path(self) -> Path | None:
        """Selected model file; None if there is none."""
        return self._paths.get(self.currentIndex())

    def entries(self) -> list[tuple[str, Any]]:
        """Return the texts and data of the models on offer."""
        return [(self.itemText(i), self.itemData(i)) for i in range(self.count()) if self.itemData(i)]

    def follow(self, *, is_still: bool) -> None:
        """Select the latest model for still images, or for movies and stacks, when the kind of the layer changes."""
        movie_key, still_key = self._defaults
        key = still_key if is_still and self._defaults[still_key] else movie_key
        if key != self._key:
            self._key = key
            self.refresh(recall(key, self._defaults[key]))
            self.model_changed.emit()

    def add_file(self, path: Path) -> bool:
        """Add a model file, select it, and save it as recent; return False, and emit `refused`, if it does not fit."""
        if not self._fits(Path(path)):
            self.refused.emit(self._reason(Path(path)))
            return False
        add_recent_model(Path(path))
        self.refresh(str(Path(path).absolute()))
        self.model_changed.emit()
        return True

    def refresh(self, chosen: str = "") -> None:
        """Update the list of models, and select `chosen` (a name or a path)."""
        chosen = chosen or self._latest
        with QSignalBlocker(self):
            self.clear()
            self._paths.clear()
            for text, kept, path in offered_models(self._accepts):
                self._paths[self.count()] = path
                self.addItem(text, kept)
                self._set_tooltip(path)
            self.addItem(_FILE, None)
            places = [i for i in range(self.count()) if self.itemData(i) and self.itemData(i)[1] == chosen]
            self.setCurrentIndex(places[0] if places else 0)
        self.show_whole_name()
        self._remember()

    def showPopup(self) -> None:
        """Add newly trained models to the list before it opens; state why models of a shared folder are missing."""
        self.refresh()
        try:
            named_models()
        except DecrappifyError as error:
            self.refused.emit(one_line(error))
        super().showPopup()

    def _on_change(self, _: int) -> None:
        if self.currentData() is None:
            self._choose_file()
            return
        self._remember()
        self.model_changed.emit()

    def _on_activated(self, _: int) -> None:
        if self.count() == 1:  # with a single entry Qt emits no change
            self._choose_file()

    def _choose_file(self) -> None:
        before = self._latest
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", "", "Models (*.safetensors *.pth)")
        if not path or not self.add_file(Path(path)):
            self.refresh(before)

    def _remember(self) -> None:
        kept = self.currentData()
        self._latest = kept[1] if kept else ""
        if kept:
            keep(self._key, self._latest)

    def _fits(self, path: Path) -> bool:
        header = _header(path)
        return bool(header) and self._accepts(header)

    def _reason(self, path: Path) -> str:
        """Return why a file cannot be used."""
        try:
            task = read_card(path).get("card", {}).get("task", "restoration")
        except (DecrappifyError, OSError) as error:
            return one_line(error)
        return f"{path.name} is a model for {task}, which this widget does not use; choose another file"

    def _set_tooltip(self, path: Path) -> None:
        summary = str(_header(path).get("card", {}).get("summary", "")) or str(path)
        self.setItemData(self.count() - 1, summary, Qt.ItemDataRole.ToolTipRole)


def restores(header: Mapping[str, Any]) -> bool:
    """Return whether a model's header is that of a restoration model."""
    return bool(header.get("card", {}).get("task", "restoration") != "colorization")


def offered_models(accepts: Callable[[Mapping[str, Any]], bool]) -> list[tuple[str, tuple[str, str], Path]]:
    """Return shipped, shared and recent models: text, kind (named or file) with name or path, and file.

    Models for other images than fluorescence are the last of the named ones.
    """
    named_paths = _named_models()
    found = [(name, ("named", name), path) for name, path in sorted(named_paths.items(), key=_place)]
    for path in recent_models():
        if path not in named_paths.values():
            name = path.stem if path.stem != "model" else f"{path.parent.name}/model"
            found.append((name, ("file", str(path)), path))
    headers = [_header(path) for _, _, path in found]
    return [entry for entry, header in zip(found, headers, strict=True) if header and accepts(header)]


def _named_models() -> dict[str, Path]:
    """Return the shipped and shared models; the shipped ones if the configuration of the shared folders is faulty."""
    try:
        return named_models()
    except DecrappifyError as error:
        logger.warning("%s", one_line(error))
        return shipped_models()


def _place(item: tuple[str, Path]) -> tuple[bool, bool, str]:
    """Return the place of a model in the list: shared ones, and then those for other images than fluorescence, last."""
    name, path = item
    return bool(caution(_header(path))), name not in shipped_models(), name


def _header(path: Path) -> dict[str, Any]:
    """Read the header of a model file, once per version of the file, which may be on a slow network drive."""
    try:
        state = path.stat()
        return _read_header(path, state.st_mtime_ns, state.st_size)
    except (DecrappifyError, OSError):
        return {}


@lru_cache(maxsize=256)
def _read_header(path: Path, _modified: int, _size: int) -> dict[str, Any]:
    return read_card(path)
