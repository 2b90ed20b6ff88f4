"""Sequential reader of videos for re-encoding: upright RGB frames in order, each with its time stamp."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import FormatError
from decrappify.io.integrity.file_guard import FileGuard
from decrappify.io.media.damage import (
    Decoded,
    VideoDamage,
    check_damaged,
    collect_decoded,
    decode_packets,
    find_damage,
)
from decrappify.io.media.demuxing.packets import VideoPackets, packet_crc, read_packets
from decrappify.io.media.film_colors import FilmColors
from decrappify.io.media.layout import FrameLayout
from decrappify.io.media.opening import (
    LENIENT_DECODING,
    STRICT_DECODING,
    check_video_file,
    nothing_decoded,
    open_stream,
    video_errors,
)
from decrappify.movie import Array

logger = logging.getLogger(__name__)

_STARTS_ANYWHERE = 0x0200  # ffmpeg's flag of broadcast containers: their clock does not begin with the film
_DEFAULT_RATE = Fraction(25)
_MAX_RATE = 1000  # frames per second; higher rates indicate a damaged header
_MISSING_SHARE = 0.02
_CHECKED_EVERY = 64  # frames between two checks that the file is unchanged


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded frame.

    Attributes
    ----------
    time, duration : int
        Presentation time and duration, in units of the film's `time_base`; times always increase.
    frame : av.VideoFrame
        The frame, as decoded.
    """

    time: int
    duration: int
    frame: Any


class VideoReader:
    """First video stream of a video, read from its first to its last frame.

    Parameters
    ----------
    path : Path
        A video of any container and codec that ffmpeg reads.
    damaged : {"error", "skip", "keep"}
        Frames that are missing or incomplete: raise an error, omit them, or keep incomplete ones as decoded. Time
        stamps remain those of the film, so that its sound stays in sync.

    Attributes
    ----------
    n_frames : int
        Frames in the file, counted without decoding them.
    damage : VideoDamage
        Missing and incomplete frames, as found by `check` and the constructor.
    height, width : int
        Size of the upright frames.
    time_base : Fraction
        Seconds per unit of time stamps.
    rate : Fraction
        Average frames per second.
    sample_aspect_ratio : Fraction or None
        Width over height of a pixel of an upright frame.
    colors : FilmColors
        Color coding.
    offset_s : Fraction
        Start of the film's clock; subtracted from all time stamps.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    FormatError
        If it is not a video, frames of it are missing, or none can be decoded.
    InputError
        If it is a still image.
    """

    def __init__(self, path: Path, damaged: str = "error") -> None:
        self.path, self._damaged = path, check_damaged(damaged)
        check_video_file(path)
        self._guard = FileGuard([path])
        with self._opened(LENIENT_DECODING) as (container, stream):
            self._stream_index: int = stream.index
            self.time_base: Fraction = stream.time_base
            self.rate = _rate(stream)
            self._aspect: Fraction | None = stream.sample_aspect_ratio or None
            codec = stream.codec_context
            self._codec = codec.name, crc32(codec.extradata or b"")
            self._packets = self._with_damage_only(read_packets(container, stream))
            self._has_times = not self._packets.derives_times
            self.offset_s = self._start(container)
            tags = codec.colorspace, codec.color_primaries, codec.color_trc
            self._warn_of_length(container, stream)
        if self._packets.hidden_by_edits:
            logger.warning("%s: %s", path.name, self._packets.hidden_by_edits)
        self.n_frames = len(self._packets.rows)
        self.damage = self._find_damage(None)
        self._check_damage()
        first = self._first_frame()
        with video_errors(path, guard=self._guard):
            self._read_layout(first)
            self.colors = FilmColors.of_frame(first, tags)

    @property
    def content(self) -> str:
        """Number and size of the frames, and a checksum of all data that they are decoded from; equal for a copy.

        Sound and subtitles are not part of it.
        """
        packets = [(row.time, row.duration, row.is_key, row.crc) for row in self._packets.rows]
        layout = self._layout
        decoding = self.time_base, self.rate, self._aspect, layout.orientation, layout.coded, self.offset_s, self.colors
        crc = crc32(repr((packets, self._codec, decoding)).encode())
        return f"{self.n_frames} frames of {self.height} x {self.width} pixels, CRC-32 {crc:08x}"

    @property
    def shortest_s(self) -> Fraction:
        """Shortest time between two frames, in seconds; 0 if unknown."""
        times = sorted({row.time for row in self._packets.rows if row.time is not None})
        return min((after - before for before, after in pairwise(times)), default=0) * self.time_base

    def check(self, on_packet: Callable[[], None] | None = None) -> VideoDamage:
        """Decode the film to its end and return which frames are missing or incomplete.

        Parameters
        ----------
        on_packet : callable, optional
            Called before each packet; may raise to stop.

        Raises
        ------
        FormatError
            If a frame is missing or incomplete and `damaged` is ``"error"``.
        """
        with self._opened(STRICT_DECODING) as opened:
            decoded = collect_decoded(_called(self.packets(*opened), on_packet))
        self.damage = self._find_damage(decoded)
        self._check_damage()
        if self._damaged == "skip" and self.damage.n_lost + self.damage.n_flawed >= self.damage.n_frames:
            raise FormatError(
                f"{self.path.name} contains no complete frame; pass {setting('damaged', 'keep')} to colorize the others"
            )
        if self.damage:
            kept = "kept as far as they can be decoded" if self._damaged == "keep" else "omitted"
            logger.warning("%s is damaged: %s; these frames are %s", self.path.name, self.damage, kept)
        return self.damage

    def note(self) -> str:
        """Return the sentence on damaged frames in the comment of the output; empty if there are none."""
        if not self.damage:
            return ""
        kept = "kept as far as they could be decoded" if self._damaged == "keep" else "omitted"
        return f"the source is damaged: {self.damage}; {kept}"

    def _with_damage_only(self, packets: VideoPackets) -> VideoPackets:
        """Return the packets without the gaps of a variable rate: all gaps, if no byte of the file is absent."""
        if not packets.is_complete or not packets.gaps:
            return packets
        logger.warning(
            "%s: the time stamps have gaps of %s; the file is complete, so it was recorded or cut with the gaps",
            self.path.name,
            counted(sum(n for _, n in packets.gaps), "frame"),
        )
        return replace(packets, gaps=())

    def _start(self, container: Any) -> Fraction:
        """Return second 0 of the film: no frame is earlier, since not every container can store negative times."""
        starts_anywhere = bool(int(container.format.flags) & _STARTS_ANYWHERE)
        start = Fraction(container.start_time or 0, 1_000_000) if starts_anywhere else Fraction(0)
        first = min((row.time for row in self._packets.rows if row.time is not None), default=None)
        return start if first is None or not self._has_times else min(start, first * self.time_base)

    def _find_damage(self, decoded: Decoded | None) -> VideoDamage:
        return find_damage(self._packets, decoded, self.time_base, round(self.offset_s / self.time_base))

    def _check_damage(self) -> None:
        packets = self._packets
        if self._damaged != "error" or not self.damage:
            return
        way_out = (
            f"copy it again; or pass {setting('damaged', 'skip')} to omit them, or {setting('damaged', 'keep')} to "
            "colorize what can be decoded"
        )
        if packets.gaps:
            way_out += ", which is all of a film that was recorded at a variable rate"
        if packets.n_cut and packets.n_announced:
            raise FormatError(
                f"{self.path.name} is truncated: it states {counted(packets.n_announced, 'frame')} and contains "
                f"{packets.n_found}; {self.damage}; {way_out}"
            )
        raise FormatError(f"{self.path.name} is damaged: {self.damage}; {way_out}")

    def _first_frame(self) -> Any:
        with self._opened(LENIENT_DECODING) as opened:
            for _, frames in decode_packets(self.packets(*opened)):
                if frames:
                    return frames[0]
        raise nothing_decoded(self.path)

    def _read_layout(self, frame: Any) -> None:
        self._layout = FrameLayout.of_frame(frame)
        if self._layout.is_tilted:
            logger.warning(
                "%s is rotated by an angle that is not a multiple of 90 degrees, which is ignored", self.path.name
            )
        self.height, self.width = self._layout.size
        is_transposed = self._layout.orientation >= 5  # rows and columns are exchanged
        self.sample_aspect_ratio = 1 / self._aspect if self._aspect and is_transposed else self._aspect
        if frame.interlaced_frame:
            logger.warning(
                "%s is interlaced and is colorized unchanged; for best results, deinterlace it first", self.path.name
            )

    def frames(self) -> Generator[TimedFrame, None, None]:
        """Iterate over the decoded frames, without those that cannot be decoded or, with ``"skip"``, are incomplete.

        Raises
        ------
        FormatError
            If the file has changed.
        """
        step = self._packets.step
        offset = round(self.offset_s / self.time_base)
        last, backwards, n_frames, lost = None, 0, 0, 0
        options = LENIENT_DECODING if self._damaged == "keep" else STRICT_DECODING
        with self._opened(options) as opened:
            for _, frames in decode_packets(self.packets(*opened)):
                lost += frames is None
                for frame in frames or ():
                    if n_frames % _CHECKED_EVERY == 0:
                        self._guard.check()
                    n_frames += 1
                    time = frame.pts - offset if self._has_times and frame.pts is not None else None
                    if time is None or (last is not None and time <= last):
                        backwards += time is not None
                        # without time stamps, a gap is left for each frame that cannot be decoded
                        time = 0 if last is None else last + step * (1 + (lost if time is None else 0))
                    last, lost = time, 0
                    if self._damaged == "keep" or not self._is_flawed(frame):
                        yield TimedFrame(time, max(getattr(frame, "duration", 0) or 0, 0) or step, frame)
        self._guard.check()
        if backwards:
            logger.warning("%s: %d time stamps did not increase and were moved", self.path.name, backwards)

    def image(self, frame: TimedFrame) -> Array:
        """Convert a frame to upright RGB, (Y, X, 3) uint8; frames of another size are scaled to that of the first."""
        with video_errors(self.path, "has a frame that cannot be converted"):
            rgb = self.colors.to_rgb(frame.frame, *self._layout.coded)
            return np.ascontiguousarray(self._layout.upright(rgb))

    def packets(self, container: Any, streams: Any) -> Iterator[Any]:
        """Iterate over the packets of some streams up to the end of the file, or to the part unreadable on opening.

        The bytes of every packet are compared with those on opening.

        Raises
        ------
        FormatError
            If the file has become unreadable or has changed since it was opened.
        """
        import av

        self._guard.check()
        try:
            yield from self._compared(container.demux(streams))
        except av.FFmpegError as error:
            self._guard.check()
            if not self._packets.error:
                raise FormatError(
                    f"{self.path} can no longer be read ({error.strerror}); check that its disk is connected, and "
                    "repeat the same call to resume the run"
                ) from error
        self._guard.check()

    def _compared(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Yield the packets; raise FormatError at one that has changed, even if size and time of the file have not."""
        rows, others = iter(self._packets.rows), dict[int, int]()
        for packet in packets:
            if packet.stream_index != self._stream_index:
                others[packet.stream_index] = packet_crc(packet, others.get(packet.stream_index, 0))
            elif packet.size and not packet.is_discard:
                row = next(rows, None)
                if row is None or row.crc != packet_crc(packet):
                    raise self._changed()
            yield packet
        if any(crc != self._packets.others.get(index, 0) for index, crc in others.items()):
            raise self._changed()

    def _changed(self) -> FormatError:
        return FormatError(
            f"{self.path} was changed after it was opened (its content differs), so its frames may not belong "
            "together; wait until it is complete, and repeat the run"
        )

    @contextmanager
    def _opened(self, decoding: dict[str, str]) -> Iterator[tuple[Any, Any]]:
        """Open the container and its video stream with these decoder options until the end of the context."""
        with video_errors(self.path, guard=self._guard):
            container, stream = open_stream(self.path, decoding)
            with container:
                yield container, stream

    def _is_flawed(self, frame: Any) -> bool:
        return bool(frame.is_corrupt or (frame.pts is not None and frame.pts in self.damage.flawed))

    def _warn_of_length(self, container: Any, stream: Any) -> None:
        """Warn if a film of a format without an exact length is much shorter than its header states."""
        rows = [row.time for row in self._packets.rows if row.time is not None]
        if not rows or self._packets.n_cut or self._packets.n_announced:
            return
        announced = float((stream.duration or 0) * stream.time_base) or (container.duration or 0) / 1e6
        length = float((max(rows) - (stream.start_time or 0)) * stream.time_base)
        if length < announced * (1 - _MISSING_SHARE) - 1:
            logger.warning("%s states %.1f s and contains %.1f s of video", self.path.name, announced, length)


def _called(packets: Iterator[Any], on_packet: Callable[[], None] | None) -> Iterator[Any]:
    for packet in packets:
        if on_packet is not None:
            on_packet()
        yield packet


def _rate(stream: Any) -> Fraction:
    """Return the frames per second, 25 if the film states no plausible value."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _MAX_RATE:
            return Fraction(rate)
    return _DEFAULT_RATE
