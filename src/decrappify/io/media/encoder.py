"""H.264 encoder: settings for identical bytes from identical frames, separately encoded segments, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from decrappify._common.counting import counted
from decrappify._common.files.atomic import sync_file
from decrappify._common.processes.processor import cpu_flags
from decrappify.errors import FormatError, OutputError
from decrappify.io.media.film_colors import FilmColors
from decrappify.io.media.opening import open_container
from decrappify.movie import Array

_THREADS = 4  # the bytes depend on this number, which by default depends on the machine
_HEADERS_APART = 1 << 22  # ffmpeg's flag: parameter sets are written into the container, as mp4 and mkv require


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """Settings of a libx264 encoder; all segments of a film and its final stream have the same.

    Attributes
    ----------
    size : (int, int)
        Rows and columns of the images; odd ones are padded.
    time_base : Fraction
        Seconds per unit of time stamps.
    rate : Fraction
        Frames per second.
    colors : FilmColors
        Color coding, for the tags.
    quality : dict of str to str
        Options such as ``crf``.
    sample_aspect_ratio : Fraction or None
        Width over height of a pixel.
    """

    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    colors: FilmColors
    quality: dict[str, str]
    sample_aspect_ratio: Fraction | None = None

    def configure(self, codec: Any) -> None:
        """Configure an encoder that is not open yet."""
        codec.height, codec.width = (side + side % 2 for side in self.size)
        codec.pix_fmt = "yuv420p"
        codec.time_base, codec.framerate = self.time_base, self.rate
        codec.options = x264_options(**self.quality)
        codec.thread_count = _THREADS
        if self.sample_aspect_ratio:
            codec.sample_aspect_ratio = self.sample_aspect_ratio
        self.colors.tag(codec)

    def add_stream(self, container: Any) -> Any:
        """Add a stream with this encoder to a container, and return it."""
        stream = container.add_stream("libx264", rate=self.rate)
        stream.time_base = self.time_base
        self.configure(stream.codec_context)
        return stream


def x264_options(**options: str) -> dict[str, str]:
    """Return options for a libx264 encoder: `options`, and the settings that make its output reproducible.

    With its AVX-512 code, libx264 (core 165, as in PyAV 18) computes macroblock weights (``mbtree``) with last bits
    that vary between runs, so that about one film in ten has other bytes. Its AVX2 code is reproducible.

    Examples
    --------
    >>> x264_options(crf="18")["crf"]
    '18'
    """
    if "avx512f" in cpu_flags():
        return options | {"x264-params": "asm=avx2,fma3,lzcnt,bmi2"}
    return options


def encoder_version() -> list[Any]:
    """Return the versions of PyAV and of ffmpeg's codecs, on which the bytes of a video depend."""
    import av

    return [av.__version__, *av.library_versions["libavcodec"]]


def even_sided(image: Array) -> Array:
    """Return an image, (Y, X) or (Y, X, 3), with even sides, as yuv420p requires: the last row or column is repeated.

    >>> even_sided(np.zeros((3, 4, 3), np.uint8)).shape
    (4, 4, 3)
    """
    rows, columns = (side % 2 for side in image.shape[:2])
    if not (rows or columns):
        return image
    return np.pad(image, [(0, rows), (0, columns), (0, 0)][: image.ndim], mode="edge")


@dataclass(frozen=True, slots=True)
class Segment:
    """Packets of a film's segment, encoded separately.

    Attributes
    ----------
    packets : list of (time, duration, size, is_key)
        In decoding order; times and durations in units of the film's time base, sizes in bytes.
    header_size : int
        Bytes of the H.264 parameter sets at the start of its file.
    """

    packets: list[tuple[int, int, int, bool]]
    header_size: int

    @property
    def times(self) -> list[int]:
        """Time stamps in presentation order."""
        return sorted(packet[0] for packet in self.packets)

    @property
    def delay(self) -> int:
        """Number of frames that a decoder must buffer to present this segment in order."""
        rank = {time: number for number, time in enumerate(self.times)}
        return max(number - rank[packet[0]] for number, packet in enumerate(self.packets))


class SegmentWriter:
    """Encoder of frames into one segment, which is valid only after `finish`.

    The file is plain H.264, which video players can open.
    """

    def __init__(self, path: Path, settings: EncoderSettings) -> None:
        import av

        self._path, self._settings = path, settings
        self._codec = av.CodecContext.create("libx264", "w")
        settings.configure(self._codec)
        self._codec.flags |= _HEADERS_APART
        self._codec.open()
        self._durations: dict[int, int] = {}
        self._packets: list[tuple[int, int, int, bool]] = []
        self._file: BinaryIO = path.open("wb")
        self._header = bytes(self._codec.extradata or b"")
        self._file.write(self._header)

    def add(self, image: Array, time: int, duration: int) -> None:
        """Add the next frame, (Y, X, 3) uint8."""
        frame = self._settings.colors.to_frame(even_sided(image))
        frame.pts, frame.time_base = time, self._settings.time_base
        self._durations[time] = duration
        self._write(self._codec.encode(frame))

    def finish(self) -> Segment:
        """Flush the encoder, and sync the file to disk."""
        self._write(self._codec.encode(None))
        self.close()
        sync_file(self._path)
        return Segment(self._packets, len(self._header))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, packets: list[Any]) -> None:
        for packet in packets:
            self._file.write(bytes(packet))
            row = (packet.pts, self._durations.pop(packet.pts), packet.size, packet.is_keyframe)
            self._packets.append(row)


def check_written(path: Path, n_frames: int, output: Path) -> None:
    """Raise OutputError if a finished video lacks frames: a full disk is not always reported on closing the file."""
    try:
        with open_container(path) as written:
            videos = written.streams.video
            found = sum(packet.size > 0 for packet in written.demux(videos[0])) if videos else 0
    except FormatError:  # without a header
        found = 0
    if found != n_frames:
        raise OutputError(
            f"{output}: only {found} of {counted(n_frames, 'frame')} are in the written file; check that the disk is "
            "not full"
        )


@contextmanager
def encoding_errors(output: Path, what: str, *also: type[Exception]) -> Iterator[None]:
    """Raise OutputError for the errors of ffmpeg, and those of type `also`; OSError is left to `output_errors`."""
    import av

    kinds: tuple[type[Exception], ...] = (av.FFmpegError, *also)
    try:
        yield
    except kinds as error:
        if isinstance(error, OSError):
            raise
        raise OutputError(f"{output} could not be written: {what} ({error})") from error
