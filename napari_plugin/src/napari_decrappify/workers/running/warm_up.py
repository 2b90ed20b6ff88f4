"""Import of the libraries of the jobs in a thread, so that the first click neither waits nor stops the window."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from napari_decrappify.workers.running.devices import find_devices
from napari_decrappify.workers.running.graphics import keep_triton_out

_lock = threading.Lock()  # one import at a time, so that none ends the pause of another


def warm_up(*, training: bool = False) -> None:
    """Import the modules of the restoration, and those of the training if `training`, in a separate thread."""
    keep_triton_out()
    target = _import_training if training else _import_restoration
    threading.Thread(target=target, name="decrappify-warm-up", daemon=True).start()


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the garbage collection, and exclude the objects that are created meanwhile from the next ones.

    Imports of torch and its compiler create 200,000 objects, so that collections during and after them block all
    threads, and with them the window, for up to half a second each. Objects that are frozen and unfrozen are in the
    oldest generation, as if they had survived these collections. If the program has frozen objects, none are moved.
    """
    with _lock:
        is_on, has_frozen = gc.isenabled(), gc.get_freeze_count() > 0
        gc.disable()
        try:
            yield
        finally:
            if not has_frozen:
                gc.freeze()
                gc.unfreeze()
            if is_on:
                gc.enable()


def _import_restoration() -> None:
    with collection_paused():
        from decrappify.restoration import Preview  # noqa: F401

        find_devices()


def _import_training() -> None:
    _import_restoration()
    with collection_paused():
        import lightning_fabric  # noqa: F401
        import matplotlib.figure  # noqa: F401
        import torch

        from decrappify.training import adapt, train  # noqa: F401

        # The first optimizer imports torch's compiler.
        torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
