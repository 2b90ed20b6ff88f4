"""Opening of videos through PyAV, with every ffmpeg error converted into one line."""

from __future__ import annotations

import codecs
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.integrity.file_guard import FileGuard
from decrappify.limits.files import check_regular

_MAX_PIXELS = 1 << 26  # 8192 x 8192; a damaged header of a few bytes would otherwise cause an allocation of gigabytes
_DECODING = {"max_pixels": str(_MAX_PIXELS)}
STRICT_DECODING = _DECODING | {"err_detect": "explode"}  # a frame that needs error concealment is an error instead
LENIENT_DECODING = _DECODING
_COVER = "attached_pic"
# A container with an overwritten header is detected as a bare stream, in which missing frames cannot be detected.
_CONTAINERS = frozenset({".avi", ".mkv", ".mov", ".mp4", ".webm"})
_BARE_STREAMS = frozenset({"h261", "h263", "h264", "hevc", "m4v", "mjpeg", "mpegvideo", "obu", "rawvideo", "vc1"})
_LATIN_1 = "decrappify-latin-1"


def _latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN_1, _latin_1)  # for tags of old programs that are not UTF-8


def ffmpeg_url(path: str | os.PathLike[str]) -> str:
    """Return the address of a file for ffmpeg, which interprets a bare name such as ``12:30.mp4`` as a protocol.

    >>> ffmpeg_url("/films/2024-11-14T22:57:44.mp4")
    'file:/films/2024-11-14T22:57:44.mp4'
    """
    return f"file:{Path(path).absolute()}"


def open_container(path: Path) -> Any:
    """Open a video and return its container; tags that are not UTF-8 are read as Latin-1.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    FormatError
        If it is a folder or pipe, or ffmpeg cannot read it.
    """
    import av

    check_video_file(path)
    with video_errors(path, "cannot be read as a video"):
        return av.open(ffmpeg_url(path), options=dict(_DECODING), metadata_errors=_LATIN_1)


def open_stream(path: Path, decoding: dict[str, str]) -> tuple[Any, Any]:
    """Open a video and return its container and its video stream, with a decoder of these options.

    Raises
    ------
    MissingFileError, FormatError, InputError
        As for `open_container` and `video_stream`.
    """
    container = open_container(path)
    try:
        stream = video_stream(container, path)
    except BaseException:
        container.close()
        raise
    stream.codec_context.options = dict(decoding)
    return container, stream


def check_video_file(path: Path) -> None:
    """Raise MissingFileError if the file does not exist, FormatError if it is not a regular file."""
    check_regular(path)  # reading a pipe might never end
    if path.is_dir():
        raise FormatError(f"{path} is a folder, expected a regular file")
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; check the path")


def video_stream(container: Any, path: Path) -> Any:
    """Return the first video stream that is not a cover image.

    Raises
    ------
    FormatError
        If there is none, its codec has no decoder, or its time base is undefined.
    InputError
        If the file is a still image.
    """
    kind = container.format.name
    if kind.startswith("image2") or kind.endswith("_pipe"):
        raise InputError(f"{path.name} is a still image, not a film; use an output name of an image, such as .png")
    if kind in _BARE_STREAMS and path.suffix.lower() in _CONTAINERS:
        raise FormatError(
            f"{path.name} has no {path.suffix[1:]} header, only a bare {kind} stream, of which frames may be lost; "
            "copy it again"
        )
    for stream in container.streams.video:
        if _COVER in str(stream.disposition):
            continue
        if stream.codec_context is None:
            raise FormatError(
                f"{path.name} contains video without a known decoder; convert it to H.264 first, or copy it again if "
                "it is truncated"
            )
        height, width = stream.codec_context.height, stream.codec_context.width
        if height * width > _MAX_PIXELS:
            raise FormatError(
                f"{path.name} states frames of {height} × {width} pixels, expected at most {_MAX_PIXELS >> 20} "
                "million; it is damaged, or scale it down first"
            )
        if not stream.time_base:
            raise FormatError(f"{path.name} has no time base for its frames; it is damaged, copy it again")
        return stream
    raise FormatError(f"{path.name} contains no video stream; it is a sound file, or damaged")


def nothing_decoded(path: Path) -> FormatError:
    """Return the error for a video without a decodable frame."""
    return FormatError(f"{path.name} contains no frame that can be decoded; it is damaged or was never finished")


def video_errors(
    path: Path, what: str = "cannot be read", guard: FileGuard | None = None
) -> AbstractContextManager[None]:
    """Return a context that converts the errors of ffmpeg and PyAV on a video into one line; see `damage_errors`.

    Parameters
    ----------
    path : Path
        The video.
    what : str
        Description of the error.
    guard : FileGuard, optional
        Checked first: a video that was changed is not damaged.
    """
    before = None if guard is None else guard.check
    return damage_errors(f"{path.name} {what}", "it is damaged or another kind of file", before)
