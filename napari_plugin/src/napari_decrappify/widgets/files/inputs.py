"""Files and folders to restore."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QListWidget, QVBoxLayout, QWidget

from decrappify.io import readable_suffixes
from napari_decrappify.widgets.choices.preferences import keep, recall
from napari_decrappify.widgets.running.forms import button, named, row


class FileInputs(QWidget):
    """List of files and folders, with buttons that add and remove them.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    changed = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self._key = f"{name}/last_folder"
        self._list = named(QListWidget(), f"{name}_inputs", "Files and folders to restore")
        self._list.setFixedHeight(84)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        add_folder = button(f"{name}_add_folder", "Folder…", "Add all images and movies of a folder, or a store")
        add_files = button(f"{name}_add_files", "Files…", "Add single files")
        clear = button(f"{name}_clear", "Clear", "Remove all entries of the list; no file is deleted")
        self._recursive = named(
            QCheckBox("With subfolders"), f"{name}_recursive", "Also search the folders in a folder"
        )
        self._scenes = named(
            QCheckBox("All scenes"), f"{name}_scenes", "Restore every scene of a file, each into one output"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._list)
        layout.addLayout(row(add_folder, add_files, clear))
        layout.addLayout(row(self._recursive, self._scenes))
        add_folder.clicked.connect(lambda: self._add_folder())
        add_files.clicked.connect(lambda: self._add_files())
        clear.clicked.connect(lambda: self._clear())

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files and folders, in their order."""
        items = (self._list.item(number) for number in range(self._list.count()))
        return tuple(Path(item.text()) for item in items if item is not None)

    @property
    def recursive(self) -> bool:
        """Whether to search the folders in a folder."""
        return self._recursive.isChecked()

    @property
    def all_scenes(self) -> bool:
        """Whether to restore every scene of a file."""
        return self._scenes.isChecked()

    def add(self, paths: list[str]) -> None:
        """Add files and folders, each once."""
        known = set(self.paths)
        for path in paths:
            if Path(path) not in known:
                self._list.addItem(path)
                item = self._list.item(self._list.count() - 1)
                if item is not None:
                    item.setToolTip(path)
                keep(self._key, str(Path(path).parent))
        self.changed.emit()

    def _add_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder of images and movies", recall(self._key))
        if folder:
            self.add([folder])

    def _add_files(self) -> None:
        endings = " ".join(f"*{suffix}" for suffix in sorted(readable_suffixes()))
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Choose images and movies", recall(self._key), f"Images and movies ({endings});;All files (*)"
        )
        if paths:
            self.add(paths)

    def _clear(self) -> None:
        self._list.clear()
        self.changed.emit()
