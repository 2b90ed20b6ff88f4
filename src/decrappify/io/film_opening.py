"""Open a film through PyAV; whatever ffmpeg finds in it ends in one line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decrappify.errors import DecrappifyError, FormatError, InputError, MissingFileError
from decrappify.io.film_files import ffmpeg_url

_MAX_PIXELS = 1 << 26  # 8192 x 8192; a damaged header of a few bytes would otherwise ask for gigabytes
_DECODING = {"max_pixels": str(_MAX_PIXELS)}
STRICT_DECODING = _DECODING | {"err_detect": "explode"}  # a frame that needs error concealment is an error instead
LENIENT_DECODING = _DECODING
_COVER = "attached_pic"
_LATIN_1 = "decrappify-latin-1"


def _latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN_1, _latin_1)  # for tags of old programs, which are not in UTF-8


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identity of a file, for noticing that it changes while it is read."""

    path: Path
    values: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Return the stamp of a regular file.

        Raises
        ------
        MissingFileError
            If there is no such file.
        FormatError
            If it is a folder, pipe or device, or cannot be read.
        """
        return cls(path, _values(path))

    def check(self) -> None:
        """Raise FormatError if the file has been changed, replaced or removed since."""
        try:
            now: tuple[int, ...] | None = _values(self.path)
        except (DecrappifyError, OSError):
            now = None
        if now != self.values:
            how = "was removed" if now is None else _change(self.values[0], now[0])
            raise FormatError(
                f"{self.path.name} {how} while it was read; wait until no other program writes it, then run again"
            )


def open_film(path: Path) -> Any:
    """Return the opened container; tags that are not UTF-8 are read as Latin-1.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FormatError
        If ffmpeg cannot read it.
    """
    import av

    FileStamp.of(path)
    with film_errors(path, "is no readable film"):
        return av.open(ffmpeg_url(path), options=dict(_DECODING), metadata_errors=_LATIN_1)


def picture_stream(container: Any, path: Path) -> Any:
    """Return the first video stream that is not a cover image.

    Raises
    ------
    FormatError
        If there is none, or no decoder for it, or its clock is undefined.
    InputError
        If the file is a still image.
    """
    kind = container.format.name
    if kind.startswith("image2") or kind.endswith("_pipe"):
        raise InputError(f"{path.name} is a still picture, not a film; give the output a picture's name, such as .png")
    for stream in container.streams.video:
        if _COVER in str(stream.disposition):
            continue
        if stream.codec_context is None:
            raise FormatError(
                f"{path.name} holds pictures that nothing here decodes; convert it to H.264 first, or copy it again if "
                "it is truncated"
            )
        if not stream.time_base:
            raise FormatError(f"{path.name} has no unit of time for its frames; it is damaged, copy it again")
        return stream
    raise FormatError(f"{path.name} holds no picture stream; is it a sound file?")


@contextmanager
def film_errors(path: Path, what: str = "cannot be read") -> Iterator[None]:
    """Convert what ffmpeg and PyAV raise on a damaged or foreign file into a FormatError of one line."""
    import av

    try:
        yield
    except DecrappifyError:
        raise
    except MemoryError as error:
        raise FormatError(f"{path.name} {what}: a frame needs more memory than there is, or it is damaged") from error
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{path.name} {what} ({reason}); it is damaged or another kind of file") from error
    except (ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise FormatError(f"{path.name} {what} ({reason}); it is damaged or another kind of file") from error


def _values(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"there is no file {path}; check the path") from error
    except (OSError, ValueError) as error:
        raise FormatError(f"{path.name} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or device"
        raise FormatError(f"{path.name} is {kind}, needs a regular file; copy the film into one first")
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


def _change(before: int, now: int) -> str:
    if now == before:
        return "was changed or replaced"
    return f"{'grew' if now > before else 'was cut'} from {before} to {now} bytes"
