"""Functions of napari's interface, such as readers, that must return a result but may not block the window."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from decrappify.errors import Cancelled

_POLL_MS = 20

T = TypeVar("T")


def computed(function: Callable[[], T]) -> T:
    """Return the result of a function; the window, if there is one, remains usable meanwhile.

    Raises
    ------
    Cancelled
        If the user closes all windows before the end.
    """
    qtcore = sys.modules.get("qtpy.QtCore")  # not imported without a window
    has_window = qtcore is not None and qtcore.QCoreApplication.instance() is not None
    if qtcore is None or not has_window or threading.current_thread() is not threading.main_thread():
        return function()
    had_window = _window_is_open()
    with ThreadPoolExecutor(1, thread_name_prefix="decrappify-reading") as pool:
        result = pool.submit(function)
        loop, timer = qtcore.QEventLoop(), qtcore.QTimer()
        timer.timeout.connect(lambda: loop.quit() if result.done() else None)
        timer.start(_POLL_MS)
        loop.exec()
        timer.stop()
    if had_window and not _window_is_open():
        raise Cancelled("the window was closed")
    return result.result()


def _window_is_open() -> bool:
    from qtpy.QtWidgets import QApplication, QMainWindow

    return any(isinstance(each, QMainWindow) and each.isVisible() for each in QApplication.topLevelWidgets())
