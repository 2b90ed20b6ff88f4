"""Sample data: a simulated movie with its ground truth, and a movie with a degraded copy."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from decrappify import Movie
from decrappify.samples import simulate
from napari_decrappify.layers.image import LayerData
from napari_decrappify.layers.movies import layers_of

_SIZE = (256, 256)
_FRAMES = 24
_POLL_MS = 20

T = TypeVar("T")


def simulated_movie() -> list[LayerData]:
    """Return a simulated noisy movie of a cell, and the same movie without noise."""
    sample = _computed(lambda: simulate("cell", n_frames=_FRAMES, size=_SIZE, seed=0))
    return _layers(sample.noisy, sample.truth.replace(name="cell-reference"))


def degraded_copy() -> list[LayerData]:
    """Return a movie and a crappified copy of it, as used for training."""
    from decrappify.crappify import crappifier_preset, crappify_movie

    clean = _computed(lambda: simulate("filaments", n_frames=_FRAMES, size=_SIZE, seed=1)).truth
    clean = clean.replace(name="filaments")
    degraded = crappify_movie(clean, crappifier_preset("confocal")).replace(name=f"{clean.name}-degraded")
    return _layers(degraded, clean)


def _computed(function: Callable[[], T]) -> T:
    """Return the result of a function; the window, if there is one, remains usable meanwhile."""
    qtcore = sys.modules.get("qtpy.QtCore")  # not imported without a window
    has_window = qtcore is not None and qtcore.QCoreApplication.instance() is not None
    if qtcore is None or not has_window or threading.current_thread() is not threading.main_thread():
        return function()
    with ThreadPoolExecutor(1, thread_name_prefix="decrappify-sample") as pool:
        result = pool.submit(function)
        loop, timer = qtcore.QEventLoop(), qtcore.QTimer()
        timer.timeout.connect(lambda: loop.quit() if result.done() else None)
        timer.start(_POLL_MS)
        loop.exec()
        timer.stop()
        return result.result()


def _layers(degraded: Movie, clean: Movie) -> list[LayerData]:
    """Return a layer of each movie; the last one, which is on top in napari, is the degraded movie."""
    return layers_of([clean]) + layers_of([degraded], is_degraded=True)
