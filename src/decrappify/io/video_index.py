"""Which frame is which in a film: numbered by the time stamps of its packets, without decoding."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from decrappify.errors import FormatError


@dataclass(frozen=True)
class FrameIndex:
    """Time stamps and key frames of a film.

    Attributes
    ----------
    times : tuple of int
        Time stamp of each frame in order, in units of the stream.
    key_frames : tuple of int
        Numbers of the frames at which decoding can start.
    """

    times: tuple[int, ...]
    key_frames: tuple[int, ...]
    _numbers: dict[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", {time: number for number, time in enumerate(self.times)})

    def number(self, time: int | None) -> int | None:
        """Return the frame shown at `time`; None if there is none."""
        return None if time is None else self._numbers.get(time)

    def starts(self, frame: int) -> Iterator[int]:
        """Frames to start decoding at for `frame`, the nearest first.

        Seeking goes by decoding order and may land past a key frame whose neighbours are reordered; then the key frame
        before that one serves, and the beginning always does.
        """
        before = self.key_frames[: bisect_right(self.key_frames, frame)]
        yield from before[:-3:-1]
        yield 0


def index_frames(container: Any, stream: Any, name: str) -> FrameIndex | None:
    """Give each frame of an opened film its number; None if its packets do not say when they are shown.

    Raises
    ------
    FormatError
        If the film holds fewer packets than it announces.
    """
    found, times, keys = 0, [], []
    # AVI knows only the decoding order, and its packets' time stamps are made up from that.
    complete = not ("avi" in container.format.name and stream.codec_context.has_b_frames)
    for packet in _packets(container, stream):
        found += 1
        if packet.is_discard:  # cut away by the film's edit list
            continue
        if packet.pts is None:
            complete = False
            continue
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    if found < max(stream.frames, 1):
        raise FormatError(f"{name} is truncated: it announces {stream.frames} frames and holds {found}; copy it again")
    if not complete or not times or len(set(times)) < len(times):
        return None
    times.sort()
    numbers = {time: number for number, time in enumerate(times)}
    return FrameIndex(tuple(times), tuple(sorted(numbers[key] for key in keys)))


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    import av

    try:
        for packet in container.demux(stream):
            if packet.size > 0:  # the last, empty one flushes the decoder
                yield packet
    except (av.FFmpegError, OSError):
        return  # what is missing shows in the count
