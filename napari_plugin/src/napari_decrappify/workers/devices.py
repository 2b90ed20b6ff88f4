"""Devices of this computer, which are found in a thread, as importing torch takes seconds."""

from __future__ import annotations

import threading

_found: list[str] = []
_known = threading.Event()


def find_devices() -> None:
    """Find the GPUs that torch can use."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    _found[:] = [device for device, is_available in available.items() if is_available]
    _known.set()


def gpus() -> list[str] | None:
    """Return the GPUs, ``"cuda"`` or ``"mps"``; None until `find_devices` has ended."""
    return list(_found) if _known.is_set() else None
