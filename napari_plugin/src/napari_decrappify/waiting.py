"""Functions of napari's interface, such as readers, that must return a result but may not block the window."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_POLL_MS = 20

T = TypeVar("T")


def computed(function: Callable[[], T]) -> T:
    """Return the result of a function; the window, if there is one, remains usable meanwhile."""
    qtcore = sys.modules.get("qtpy.QtCore")  # not imported without a window
    has_window = qtcore is not None and qtcore.QCoreApplication.instance() is not None
    if qtcore is None or not has_window or threading.current_thread() is not threading.main_thread():
        return function()
    with ThreadPoolExecutor(1, thread_name_prefix="decrappify-reading") as pool:
        result = pool.submit(function)
        loop, timer = qtcore.QEventLoop(), qtcore.QTimer()
        timer.timeout.connect(lambda: loop.quit() if result.done() else None)
        timer.start(_POLL_MS)
        loop.exec()
        timer.stop()
        return result.result()
