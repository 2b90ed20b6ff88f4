"""Workaround for a conflict between the LLVM of Mesa drivers and of Triton, torch's compiler for GPUs."""

from __future__ import annotations

import sys
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def keep_triton_out() -> None:
    """Disable Triton if the graphics driver has loaded LLVM.

    On Linux, Mesa renders with LLVM on computers without a graphics card, and on some with one. A later import of
    Triton crashes the process (observed with Mesa 22.3 and Triton 3), and training imports it through torch. Only
    compiled networks on a GPU require it.
    """
    if "triton" not in sys.modules and _MAPS.exists() and "libLLVM" in _MAPS.read_text(errors="replace"):
        sys.modules["triton"] = None  # type: ignore[assignment]
