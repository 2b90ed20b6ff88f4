"""Page of the queue: a list of the restorations with their progress, which can be reordered."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_decrappify.widgets.restoring.queue import Entry, RunQueue, State
from napari_decrappify.widgets.running.forms import button, named, row, scrolled

_ENTRY = Qt.ItemDataRole.UserRole


class QueuePage(QWidget):
    """List of the queue and its buttons.

    Parameters
    ----------
    queue : RunQueue
        The queue; call `refresh` after changes.
    name : str
        Prefix of the objectNames.
    """

    add_clicked = Signal()
    add_selected_clicked = Signal()
    start_clicked = Signal()
    cancel_clicked = Signal()
    changed = Signal()  # by the buttons of the page

    def __init__(self, queue: RunQueue, name: str) -> None:
        super().__init__()
        self._queue = queue
        self._list = named(QListWidget(), f"{name}_list", "Queue; restorations run from top to bottom")
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setMinimumHeight(76)
        self._list.setSpacing(3)  # between entries of two lines
        self._add = button(
            f"{name}_add", "Add layer", "Add the layer, channels and scenes of the page Restore, with its settings"
        )
        self._selected = button(
            f"{name}_selected",
            "Add selected layers",
            "Add every layer that is selected in the layer list, with the settings of the page Restore",
        )
        self._up = button(f"{name}_up", "Up", "Run the selected restorations earlier")
        self._down = button(f"{name}_down", "Down", "Run the selected restorations later")
        self._remove = button(f"{name}_remove", "Remove", "Remove the selected restorations; files are kept")
        self._clear = button(f"{name}_clear", "Clear ended", "Remove finished, failed and cancelled restorations")
        self._start = button(f"{name}_start", "Start queue", "Run the waiting restorations one after the other")
        self._cancel = button(f"{name}_cancel", "Cancel", "Stop the running restoration; other clicks remain waiting")
        self._cancel.setEnabled(False)
        self._lay_out()
        self._connect()

    @property
    def texts(self) -> list[str]:
        """Texts of the list."""
        return [entry.text for entry in self._queue.entries]

    def refresh(self) -> None:
        """Show the entries of the queue; the selection is kept."""
        selected = self._selection()
        with QSignalBlocker(self._list):
            self._list.clear()
            for entry in self._queue.entries:
                item = QListWidgetItem(entry.text)
                item.setToolTip(entry.text)
                item.setData(_ENTRY, entry)
                self._list.addItem(item)
                item.setSelected(entry in selected)
        self.update_buttons()

    def show_progress(self, text: str) -> None:
        """Show the progress of the running entry."""
        running = self._queue.running
        if running is None or running.detail == text:
            return
        running.detail = text
        item = self._list.item(self._queue.entries.index(running))
        if item is not None:
            item.setText(running.text)

    def update_buttons(self, *, may_add: bool | None = None, is_running: bool | None = None) -> None:
        """Enable the buttons that fit the selection, the choices and the state of the run."""
        if may_add is not None:
            self._add.setEnabled(may_add)
            self._selected.setEnabled(may_add)
        if is_running is not None:
            self._is_running = is_running
        selected = self._selection()
        waiting = [entry for entry in selected if entry.state is State.WAITING]
        self._up.setEnabled(bool(waiting))
        self._down.setEnabled(bool(waiting))
        self._remove.setEnabled(any(entry.state is not State.RUNNING for entry in selected))
        self._clear.setEnabled(any(entry.state not in (State.WAITING, State.RUNNING) for entry in self._queue.entries))
        self._cancel.setEnabled(self._is_running and self._queue.running is not None)
        self._start.setEnabled(self._queue.n_waiting > 0 and not self._is_running)

    _is_running = False

    def _lay_out(self) -> None:
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.addLayout(row(self._add, self._selected))
        inner.addWidget(self._list, 1)
        inner.addLayout(row(self._up, self._down, self._remove))
        inner.addLayout(row(self._start, self._cancel, self._clear))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(page))

    def _connect(self) -> None:
        self._add.clicked.connect(lambda: self.add_clicked.emit())
        self._selected.clicked.connect(lambda: self.add_selected_clicked.emit())
        self._start.clicked.connect(lambda: self.start_clicked.emit())
        self._cancel.clicked.connect(lambda: self.cancel_clicked.emit())
        self._list.itemSelectionChanged.connect(self.update_buttons)
        self._up.clicked.connect(lambda: self._move(-1))
        self._down.clicked.connect(lambda: self._move(1))
        self._remove.clicked.connect(lambda: self._change(lambda: self._queue.remove(self._selection())))
        self._clear.clicked.connect(lambda: self._change(self._queue.clear_ended))

    def _selection(self) -> list[Entry]:
        items = (self._list.item(number) for number in range(self._list.count()))
        return [item.data(_ENTRY) for item in items if item is not None and item.isSelected()]

    def _move(self, offset: int) -> None:
        selected = self._selection()
        for entry in selected if offset < 0 else reversed(selected):
            self._queue.move(entry, offset)
        self._change(lambda: None)

    def _change(self, action: object) -> None:
        if callable(action):
            action()
        self.refresh()
        self.changed.emit()
