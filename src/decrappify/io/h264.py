"""Settings with which libx264 writes the same bytes for the same frames each time."""

from __future__ import annotations

from decrappify.runtime import cpu_flags

X264_THREADS = 4  # the bytes depend on their number, which ffmpeg would take from the machine


def x264_options(**options: str) -> dict[str, str]:
    """Return options for a libx264 encoder: the given ones, and what makes its output repeatable.

    With its AVX-512 code, libx264 (core 165, as in PyAV 18) weighs macroblocks by their later use (``mbtree``) with
    other last bits from run to run, and about one film in ten gets other bytes. Its AVX2 code repeats itself.

    Examples
    --------
    >>> x264_options(crf="18")["crf"]
    '18'
    """
    if "avx512f" in cpu_flags():
        return options | {"x264-params": "asm=avx2,fma3,lzcnt,bmi2"}
    return options
