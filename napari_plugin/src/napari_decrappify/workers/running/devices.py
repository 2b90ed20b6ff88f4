"""Devices of this computer, which are found in a thread, as importing torch takes seconds."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

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


def device_words(restoration: Mapping[str, Any]) -> str:
    """Return on what a restoration was computed, given its record; empty if unknown.

    >>> device_words({"device": "cpu", "precision": "bfloat16", "processor": "x86_64 AuthenticAMD, caches 32K"})
    'on the CPU (bfloat16)'
    >>> device_words({"device": "cuda", "precision": "bfloat16", "processor": "x86_64, torch AVX2, NVIDIA H200"})
    'on the GPU (NVIDIA H200, bfloat16)'
    """
    device = str(restoration.get("device", "")).partition(":")[0]
    if device not in ("cpu", "cuda", "mps"):
        return ""
    name = str(restoration.get("processor", "")).split(", ")[-1] if device == "cuda" else ""
    details = ", ".join(each for each in (name, str(restoration.get("precision", ""))) if each)
    return f"on the {'CPU' if device == 'cpu' else 'GPU'}" + (f" ({details})" if details else "")
