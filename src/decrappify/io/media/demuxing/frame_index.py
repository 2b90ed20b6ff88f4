"""Frame index of a film: frames numbered by the time stamps of its packets, without decoding."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from decrappify._common.counting import counted
from decrappify.errors import FormatError
from decrappify.io.media.demuxing.packets import VideoPackets

_MOST_ABSENT = 100_000  # frames in the gaps of a film; more indicate damaged time stamps


@dataclass(frozen=True)
class FrameIndex:
    """Time stamps and key frames of a film.

    Attributes
    ----------
    times : tuple of int
        Time stamp of each frame in order, in units of the stream.
    key_frames : tuple of int
        Numbers of the frames at which decoding can start.
    absent : frozenset of int
        Numbers of the frames that a film of constant rate should contain but does not.
    damaged : frozenset of int
        Numbers of the frames with incomplete packets.
    """

    times: tuple[int, ...]
    key_frames: tuple[int, ...]
    absent: frozenset[int] = frozenset()
    damaged: frozenset[int] = frozenset()
    _numbers: dict[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", {time: number for number, time in enumerate(self.times)})

    def number(self, time: int | None) -> int | None:
        """Return the number of the frame shown at `time`; None if absent."""
        return None if time is None else self._numbers.get(time)

    def starts(self, frame: int) -> Iterator[int]:
        """Yield frames to start decoding at for `frame`, the nearest first.

        Seeking uses the decoding order and may miss a key frame with reordered neighbors; the previous key frame, or
        else the beginning, is then used.
        """
        before = self.key_frames[: bisect_right(self.key_frames, frame)]
        yield from before[:-3:-1]
        yield 0


def index_frames(packets: VideoPackets, name: str) -> FrameIndex | None:
    """Create the frame index of a video; return None if its packets have no display times.

    Raises
    ------
    FormatError
        If the film contains fewer packets than it declares, or cannot be read to its end.
    """
    torn = bool(packets.rows) and packets.rows[-1].is_corrupt  # the file ends within its last packet
    announced, found = packets.n_found + packets.n_cut, packets.n_found - torn
    if found < max(announced, 1):
        raise FormatError(
            f"{name} is truncated: it states {counted(announced, 'frame')} and contains {found}; copy it again"
        )
    if packets.error:
        raise FormatError(f"{name} cannot be read beyond frame {found - 1} ({packets.error}); copy it again")
    if packets.derives_times or not packets.have_times:
        return None
    n_absent = sum(n for _, n in packets.gaps)
    if n_absent > _MOST_ABSENT:
        raise FormatError(f"{name} has time stamps that omit {n_absent} frames; they are damaged, copy it again")
    shown = [row for row in packets.rows if not row.is_hidden]
    absent = {time + step * packets.step for time, n in packets.gaps for step in range(1, n + 1)}
    times = tuple(sorted({row.time for row in shown if row.time is not None} | absent))
    numbers = {time: number for number, time in enumerate(times)}
    keys = sorted(numbers[row.time] for row in shown if row.is_key and row.time is not None)
    damaged = frozenset(numbers[row.time] for row in shown if row.is_corrupt and row.time is not None)
    return FrameIndex(times, tuple(keys), frozenset(numbers[time] for time in absent), damaged)
