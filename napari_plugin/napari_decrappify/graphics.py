"""One clash to keep out of: graphics drivers and Triton, torch's compiler for GPUs, each bring an LLVM of their own."""

from __future__ import annotations

import sys
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def keep_triton_out() -> None:
    """Let torch do without Triton where the graphics driver has loaded LLVM.

    On Linux, Mesa draws through LLVM on computers without a graphics card, and on some with one. Importing Triton
    after that ends the process (seen with Mesa 22.3 and Triton 3), and training imports it by way of torch. Only
    compiled networks on a GPU miss it.
    """
    if "triton" not in sys.modules and _MAPS.exists() and "libLLVM" in _MAPS.read_text(errors="replace"):
        sys.modules["triton"] = None  # type: ignore[assignment]
