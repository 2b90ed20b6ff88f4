"""Format record of videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from decrappify.io.format import Format
from decrappify.movie import Movie


def _open(path: Path) -> Movie:
    from decrappify.io.media.video import open_video

    return open_video(path)


def _write(movie: Movie, path: Path, **options: Any) -> Path:
    from decrappify.io.media.video_writer import write_video

    return write_video(movie, path, **options)


def _accepts(_: bytes) -> bool:
    """Return True: ffmpeg reads more containers with these suffixes than have a signature here."""
    return True


FORMAT = Format(
    name="video",
    suffixes=(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"),
    signatures=((4, b"ftyp"), (8, b"AVI "), (0, b"\x1a\x45\xdf\xa3")),
    accepts=_accepts,
    open=_open,
    write=_write,
    write_suffixes=(".mp4",),
    is_for_viewing=True,
)
