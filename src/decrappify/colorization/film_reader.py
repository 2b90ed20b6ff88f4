"""A film as it is read to be coloured: upright RGB pictures one after another, each with its time stamp."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from decrappify.colorization.film_colours import FilmColours
from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.film_files import ffmpeg_url, frame_orientation
from decrappify.io.orientation import upright, upright_pair
from decrappify.limits.files import check_regular
from decrappify.movie import Array

logger = logging.getLogger(__name__)

_STARTS_ANYWHERE = 0x0200  # ffmpeg's flag of broadcast containers, whose clock does not begin with the film
_DEFAULT_RATE = Fraction(25)
_MISSING_SHARE = 0.02
_FRONT_COVER = "attached_pic"


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One decoded frame.

    Attributes
    ----------
    time, duration : int
        When it is shown and for how long, in units of the film's `time_base`; times only ever grow.
    frame : av.VideoFrame
        As it was decoded.
    """

    time: int
    duration: int
    frame: Any


class FilmReader:
    """A film's first picture stream.

    Parameters
    ----------
    path : Path
        Any container and codec that ffmpeg reads.

    Attributes
    ----------
    n_frames : int
        Frames in the file, counted without decoding them.
    height, width : int
        Of the upright pictures.
    time_base : Fraction
        Seconds per unit of time stamps.
    rate : Fraction
        Average frames per second.
    sample_aspect_ratio : Fraction or None
        Width over height of an upright picture's pixel.
    colours : FilmColours
        How its pixels are coded.
    offset_s : Fraction
        Where the film's clock starts; subtracted from all time stamps.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FormatError
        If it is no film, is truncated, or nothing in it can be decoded.
    InputError
        If it is a still picture.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise MissingFileError(f"there is no file {path}; check the path")
        self.path = path
        with open_film(path) as container:
            stream = picture_stream(container, path)
            self.time_base: Fraction = stream.time_base
            self.rate: Fraction = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
            starts_anywhere = bool(int(container.format.flags) & _STARTS_ANYWHERE)
            self.offset_s = Fraction(container.start_time or 0, 1_000_000) if starts_anywhere else Fraction(0)
            self._aspect: Fraction | None = stream.sample_aspect_ratio or None
            self._whole = True
            self.n_frames = self._count_frames(container, stream)
            codec = stream.codec_context
            # AVI knows only the decoding order, and the time stamps of its packets are made up from that.
            self._has_times = not ("avi" in container.format.name and codec.has_b_frames)
            tags = codec.colorspace, codec.color_primaries, codec.color_trc
        frames = self.frames()
        first = next(frames, None)
        if first is None:
            raise FormatError(f"{path.name} holds no frame that can be decoded; it is damaged or was never finished")
        self._read_layout(first.frame)
        self.colours = FilmColours.of_frame(first.frame, tags)
        frames.close()

    def _read_layout(self, frame: Any) -> None:
        self._coded = frame.height, frame.width
        orientation = frame_orientation(frame)
        if orientation is None:
            logger.warning("%s is to be shown turned by no multiple of 90 degrees, which is not kept", self.path.name)
        self._orientation = orientation or 1
        self.height, self.width = upright_pair(self._coded, self._orientation)
        lies = self._orientation >= 5  # rows and columns are exchanged
        self.sample_aspect_ratio = 1 / self._aspect if self._aspect and lies else self._aspect
        if frame.interlaced_frame:
            logger.warning(
                "%s is interlaced and is coloured as it is; for the best picture deinterlace it first", self.path.name
            )

    def frames(self) -> Generator[FilmFrame, None, None]:
        """Decode from the beginning; frames that cannot be decoded are left out, with one warning at the end."""
        step = max(1, round(1 / (self.rate * self.time_base)))
        offset = round(self.offset_s / self.time_base)
        last, backwards, damaged = None, 0, 0
        with open_film(self.path) as container:
            for frame in self._decoded(container, picture_stream(container, self.path)):
                if frame is None:
                    damaged += 1
                    continue
                damaged += frame.is_corrupt
                time = frame.pts - offset if self._has_times and frame.pts is not None else None
                if time is None or (last is not None and time <= last):
                    backwards += time is not None
                    time = 0 if last is None else last + step
                last = time
                yield FilmFrame(time, getattr(frame, "duration", 0) or step, frame)
        name = self.path.name
        if backwards:
            logger.warning("%s: the time stamps of %d frames did not grow, and were moved", name, backwards)
        if damaged:
            logger.warning("%s is damaged: %d of its frames are missing or not whole", name, damaged)

    def picture(self, frame: FilmFrame) -> Array:
        """Upright RGB picture of a frame, (Y, X, 3) uint8; frames of another size are scaled to that of the first."""
        return np.ascontiguousarray(upright(self.colours.to_rgb(frame.frame, *self._coded), self._orientation))

    def packets(self, container: Any, streams: Any) -> Iterator[Any]:
        """Packets of some streams up to the end of the file, or to where it had become unreadable from the start.

        Raises
        ------
        FormatError
            If the file was readable before.
        """
        import av

        try:
            yield from container.demux(streams)
        except av.FFmpegError as error:
            if self._whole:
                raise FormatError(
                    f"{self.path} could be read before and cannot be now ({error.strerror}); is its disk still there? "
                    "The same call goes on where it stopped"
                ) from error

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """Frames in order; None for a packet that cannot be decoded."""
        import av

        for packet in self.packets(container, stream):
            try:
                yield from packet.decode()
            except av.FFmpegError:
                yield None

    def _count_frames(self, container: Any, stream: Any) -> int:
        """Count frames by their packets.

        Raises
        ------
        FormatError
            If there are fewer than the film announces.
        """
        import av

        found = shown = 0
        end = 0.0
        try:
            for packet in container.demux(stream):
                if packet.size > 0:  # the last, empty one flushes the decoder
                    found += 1
                    shown += not packet.is_discard
                    end = max(end, float((packet.pts or 0) * stream.time_base))
        except av.FFmpegError as error:
            self._whole = False
            logger.warning("%s cannot be read to its end (%s); the rest is left out", self.path.name, error.strerror)
        if found < stream.frames:
            raise FormatError(
                f"{self.path.name} is truncated: it announces {stream.frames} frames and holds {found}; copy it again, "
                "or cut it to what is there first"
            )
        announced = float((stream.duration or 0) * stream.time_base) or (container.duration or 0) / 1e6
        length = end - float((stream.start_time or 0) * stream.time_base)
        if length < announced * (1 - _MISSING_SHARE) - 1:
            logger.warning("%s announces %.1f s and holds %.1f s of pictures", self.path.name, announced, length)
        return shown


def open_film(path: Path) -> Any:
    """Open a container for reading.

    Raises
    ------
    FormatError
        If ffmpeg cannot read it.
    """
    import av

    check_regular(path)
    try:
        return av.open(ffmpeg_url(path))
    except (av.FFmpegError, OSError) as error:
        raise FormatError(
            f"{path.name} is no readable film ({error.strerror}); it is damaged or another kind of file"
        ) from error


def picture_stream(container: Any, path: Path) -> Any:
    """Find the first picture stream that is no cover picture.

    Raises
    ------
    FormatError
        If there is none, or nothing decodes it.
    InputError
        If the file is a still picture.
    """
    kind = container.format.name
    if kind.startswith("image2") or kind.endswith("_pipe"):
        raise InputError(f"{path.name} is a still picture, not a film; give the output a picture's name, such as .png")
    for stream in container.streams.video:
        if _FRONT_COVER not in str(stream.disposition):
            if stream.codec_context is None:
                raise FormatError(f"{path.name} holds pictures that nothing here decodes; convert it to H.264 first")
            return stream
    raise FormatError(f"{path.name} holds no picture stream; is it a sound file?")
