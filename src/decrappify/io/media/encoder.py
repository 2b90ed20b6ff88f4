"""Encoder settings with which libx264 writes identical bytes for identical frames."""

from __future__ import annotations

from decrappify._common.processor import cpu_flags

X264_THREADS = 4  # the bytes depend on this number; by default ffmpeg uses that of the machine


def x264_options(**options: str) -> dict[str, str]:
    """Return options for a libx264 encoder: `options`, and the settings that make its output repeatable.

    With its AVX-512 code, libx264 (core 165, as in PyAV 18) weights macroblocks by their later use (``mbtree``) with
    other last bits from run to run, and about one film in ten has other bytes. Its AVX2 code is repeatable.

    Examples
    --------
    >>> x264_options(crf="18")["crf"]
    '18'
    """
    if "avx512f" in cpu_flags():
        return options | {"x264-params": "asm=avx2,fma3,lzcnt,bmi2"}
    return options
