"""Reader of films (mp4, mov, avi, mkv) through PyAV, with frame-accurate random access."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.caller_warning import warn_caller
from decrappify._common.planes.sampling import evenly_spaced
from decrappify.errors import FormatError
from decrappify.io.integrity.file_guard import FileGuard, GuardedSource, file_version
from decrappify.io.integrity.missing_planes import describe_missing, warn_of_missing
from decrappify.io.media.damage import collect_decoded, find_damage
from decrappify.io.media.demuxing.frame_index import FrameIndex, index_frames
from decrappify.io.media.demuxing.packets import VideoPackets, read_packets
from decrappify.io.media.layout import FrameLayout
from decrappify.io.media.opening import STRICT_DECODING, check_video_file, nothing_decoded, open_stream, video_errors
from decrappify.io.media.video_notes import VideoNotes
from decrappify.movie import Array, Movie, Plane, Shape5

_KEPT_FRAMES = 8  # decoded frames in the cache: the colors of a frame and its window are read one by one
_SAMPLED_KEYS = 16  # key frames that decide whether a film is gray
_FORMATS = {(1, False): "gray", (1, True): "gray16le", (3, False): "rgb24", (3, True): "rgb48le"}


def open_video(path: str | os.PathLike[str]) -> Movie:
    """Open a film; frames are decoded on access, sequentially or from the previous key frame.

    A film is gray (one channel) if its format has no color or if red, green and blue are equal in all of 16 key
    frames spread over it; else it has channels R, G and B. Films of more than 8 bits are read as uint16, scaled to
    all 16 bits. Frames are upright: a film recorded with a rotated camera is read as players display it.

    A damaged film is never shortened silently: one that ends before its declared length raises an error, frames
    absent from the middle of a film of constant rate are in `Movie.missing`, with a warning, and reading a frame that
    cannot be decoded, or is predicted from such a frame, raises an error.

    Parameters
    ----------
    path : path
        A ``.mp4``, ``.mov``, ``.avi`` or ``.mkv`` file, or another container supported by ffmpeg.

    Returns
    -------
    Movie
        (T, C, 1, Y, X) of uint8 or uint16. The frame interval is that of the film, or for a film written by
        `write_video` the interval of its movie, together with the pixel size, channel names and provenance.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    FormatError
        If it is not a video, has no video stream, or is truncated. Also raised on reading if a frame is damaged or the
        file has changed.
    """
    path = Path(path)
    source = VideoSource(path)
    notes = source.notes
    n_channels = source.shape[1]
    names: tuple[str, ...] | None = ("R", "G", "B") if n_channels == 3 else None
    if notes is not None and len(notes.channel_names) == n_channels == 1:
        names = notes.channel_names
    return Movie(
        source,
        name=path.name,
        pixel_size_um=(None, None, None) if notes is None else notes.pixel_size_um,
        frame_interval_s=source.frame_interval_s if notes is None else notes.frame_interval_s,
        channel_names=names,
        channel_colors=("FF0000", "00FF00", "0000FF") if n_channels == 3 else None,
        provenance=None if notes is None else notes.provenance,
    )


class VideoSource(GuardedSource):
    """Frames of a film's first video stream; can be pickled, and reopens its file in a forked process."""

    shape: Shape5
    dtype: np.dtype[Any]

    def __init__(self, path: Path) -> None:
        self._path = path
        check_video_file(path)
        self._guard = FileGuard([path])
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._container: Any = None
        self._connect()
        try:
            with video_errors(path, guard=self._guard):
                self._read_layout()
        except BaseException:
            self.close()
            raise

    def __reduce__(self) -> tuple[type[VideoSource], tuple[Path], dict[str, Any]]:
        return VideoSource, (self._path,), {"_guard": self._guard}

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; the complete frame is decoded."""
        if self._process != os.getpid():
            # A forked process shares the file position with its parent, but has none of ffmpeg's threads, and would
            # wait for them forever when freeing objects that use them: so these objects are kept.
            self._of_parent = self._container, self._decoded
            self._container = None
            self._connect()
        elif self._connected_version != file_version(self._path):
            self._kept.clear()
            self._connect()
        if t in self._kept:
            self._kept.move_to_end(t)
        else:
            self._guard.check()
            with video_errors(self._path, f"cannot be read at frame {t}", self._guard):
                pixels = self._pixels(t)
            self._guard.check()
            self._kept[t] = pixels
            if len(self._kept) > _KEPT_FRAMES:
                self._kept.popitem(last=False)
        return self._kept[t][rows, columns, c].copy()

    def close(self) -> None:
        """Close the file and discard the cached frames."""
        self._kept.clear()
        self._container.close()

    @property
    def frame_interval_s(self) -> float | None:
        """Seconds between frames, on average."""
        index, rate = self._index, self._stream.average_rate
        if index is not None and len(index.times) > 1:
            return float(Fraction(index.times[-1] - index.times[0], len(index.times) - 1) * self._stream.time_base)
        return float(1 / rate) if rate else None

    def _connect(self) -> None:
        self._guard.check()
        self._connected_version = file_version(self._path)
        if self._container is not None:
            self._container.close()
        self._container, self._stream = open_stream(self._path, STRICT_DECODING)
        self._stream.codec_context.thread_count = 1  # see `read`; a film may also be freed after a fork
        self._process = os.getpid()
        self._decoded = self._container.decode(self._stream)
        self._position: int | None = 0  # the next frame of the decoder; None if it has reached the end
        self._predicts_from_damaged = False

    def _read_layout(self) -> None:
        name = self._path.name
        packets = read_packets(self._container, self._stream)
        self._index = index_frames(packets, name)
        if self._index is None or not self._starts_as_indexed(self._index):
            self._index = None
            count = self._count_decoded(packets)
        else:
            count = len(self._index.times)
        if count == 0:
            raise nothing_decoded(self._path)
        if packets.hidden_by_edits:
            warn_caller(f"{name}: {packets.hidden_by_edits}")
        first = self._frame(0)
        deep = max(component.bits for component in first.format.components) > 8
        self.dtype = np.dtype(np.uint16 if deep else np.uint8)
        n_channels = 1 if self._is_gray(count) else 3
        self._format = _FORMATS[n_channels, deep]
        self.notes = VideoNotes.from_metadata(self._container.metadata)
        self._layout = FrameLayout.of_frame(first)
        if self._layout.is_tilted:
            warn_caller(
                f"{name} is to be displayed at an angle that is not a multiple of 90 degrees; it is read as stored",
            )
        rows, columns = self._layout.size
        if self.notes is not None and _is_padded(self.notes.size, (rows, columns)):
            rows, columns = self.notes.size
        self.shape: Shape5 = (count, n_channels, 1, rows, columns)
        absent = frozenset[int]() if self._index is None else self._index.absent
        self.missing: frozenset[Plane] = frozenset((t, c, 0) for t in absent for c in range(n_channels))
        if self.missing:
            warn_of_missing(
                f"{name} is damaged: {describe_missing(self.missing, self.shape[:3])}; copy it again if possible",
            )

    def _count_decoded(self, packets: VideoPackets) -> int:
        """Count the frames of a film without usable time stamps by decoding it."""
        self._connect()
        decoded = collect_decoded(self._container.demux(self._stream))
        damage = find_damage(packets, decoded, self._stream.time_base)
        if damage:
            raise FormatError(f"{self._path.name} is damaged: {damage}; copy it again")
        self._connect()
        return decoded.n_frames

    def _starts_as_indexed(self, index: FrameIndex) -> bool:
        self._connect()
        times = [frame.pts for frame in islice(self._until_damaged(), 3)]
        present = (time for number, time in enumerate(index.times) if number not in index.absent)
        return bool(times) and times == list(islice(present, len(times)))

    def _is_gray(self, count: int) -> bool:
        if len(self._frame(0).format.components) == 1 and not self._frame(0).format.has_palette:
            return True
        keys = [0] if self._index is None else sorted({0, *self._index.key_frames})
        picks = evenly_spaced(len(keys), _SAMPLED_KEYS)
        return all(self._key_frame_is_gray(keys[pick]) for pick in picks)

    def _key_frame_is_gray(self, number: int) -> bool:
        try:
            return _has_no_color(self._frame(number))
        except FormatError:  # reported when it is read; the other key frames decide
            if number == 0:
                raise
            return True

    def _pixels(self, t: int) -> Array:
        if (t, 0, 0) in self.missing:
            return np.zeros((*self.shape[3:], self.shape[1]), self.dtype)
        frame = self._frame(t)
        height, width = self._layout.coded
        if (frame.height, frame.width) != (height, width):
            raise FormatError(
                f"frame {t} of {self._path.name} is {frame.height} × {frame.width}, the first is "
                f"{height} × {width}; cut the film where its size changes"
            )
        pixels: Array = frame.to_ndarray(format=self._format)
        return self._layout.upright(pixels.reshape(height, width, -1))

    def _frame(self, t: int) -> Any:
        """Decode frame `t`: continue if no key frame is in between, else start at the previous key frame."""
        starts = [0] if self._index is None else list(self._index.starts(t))
        if self._position is not None and starts[0] <= self._position <= t:
            starts = [self._position, *starts]
        for start in starts:
            if start != self._position:
                self._decode_from(start)
            frame = self._advance_to(t)
            if frame is not None:
                return frame
        self._guard.check()
        raise FormatError(
            f"frame {t} of {self._path.name} cannot be decoded: it, or a frame that it is predicted from, is damaged; "
            f"copy the film again, or omit the frame by {setting('frames', 'START:STOP')}"
        )

    def _decode_from(self, start: int) -> None:
        if start == 0 or self._index is None:
            self._connect()
            return
        self._container.seek(self._index.times[start], stream=self._stream)
        self._decoded = self._container.decode(self._stream)
        self._position = start
        self._predicts_from_damaged = False

    def _advance_to(self, t: int) -> Any:
        """Decode up to frame `t`; return None if the decoder skips it or reaches the end."""
        for frame in self._until_damaged():
            number = self._position if self._index is None else self._index.number(frame.pts)
            if number is None:
                continue
            self._position = number + 1
            damaged = frame.is_corrupt or (self._index is not None and number in self._index.damaged)
            self._predicts_from_damaged = damaged or (self._predicts_from_damaged and not frame.key_frame)
            if number >= t:
                return frame if number == t and not self._predicts_from_damaged else None
        self._position = None
        return None

    def _until_damaged(self) -> Iterator[Any]:
        import av

        try:
            while (frame := next(self._decoded, None)) is not None:  # `yield from` would also close it
                yield frame
        except (av.FFmpegError, OSError, ValueError):
            return  # the caller reports the missing frame


def _has_no_color(frame: Any) -> bool:
    pixels = frame.to_ndarray(format="rgb24")
    return bool((pixels == pixels[..., :1]).all())


def _is_padded(size: tuple[int, int], coded: tuple[int, int]) -> bool:
    return all(length - side in (0, 1) for side, length in zip(size, coded, strict=True))
