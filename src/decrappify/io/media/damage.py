"""Missing and damaged frames of a film, found from its packets and from the output of a decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.io.media.demuxing.packets import PacketRow, VideoPackets

DAMAGED = ("error", "skip", "keep")  # ways to treat damaged frames
_LISTED = 4  # places named in a message
_WHOLE, _LOST, _FLAWED = range(3)


@dataclass(frozen=True, slots=True)
class DamagedSpan:
    """Consecutive damaged frames: number of the first, and seconds of the first and the last."""

    first: int
    n_frames: int
    start_s: float
    end_s: float

    def __str__(self) -> str:
        seconds = f"{self.start_s:.2f}"
        if self.n_frames == 1:
            return f"frame {self.first} at {seconds} s"
        return f"frames {self.first} to {self.first + self.n_frames - 1} at {seconds} to {self.end_s:.2f} s"


@dataclass(frozen=True, slots=True)
class VideoDamage:
    """Missing and damaged frames of a film.

    Attributes
    ----------
    n_frames : int
        Frames that the file should contain.
    n_lost : int
        Frames that are absent or that cannot be decoded.
    n_flawed : int
        Frames that were decoded but are incomplete: parts of them, or of the frames they are predicted from, are
        damaged.
    spans : tuple of DamagedSpan
        Their positions, as far as known.
    flawed : frozenset of int
        Time stamps of the flawed frames, in units of the stream.
    unread : str
        Reason why the file cannot be read to its end, empty if it can.
    """

    n_frames: int
    n_lost: int = 0
    n_flawed: int = 0
    spans: tuple[DamagedSpan, ...] = ()
    flawed: frozenset[int] = field(default=frozenset(), repr=False)
    unread: str = ""

    def __bool__(self) -> bool:
        return bool(self.n_lost or self.n_flawed or self.unread)

    def __str__(self) -> str:
        """Return number and positions, such as ``3 of 60 frames are incomplete (frames 7 to 9 at 0.28 to 0.36 s)``."""
        counts = [(self.n_lost, "missing or cannot be decoded"), (self.n_flawed, "incomplete")]
        parts = [
            f"{n} of {counted(self.n_frames, 'frame')} {'is' if n == 1 else 'are'} {state}" for n, state in counts if n
        ]
        text = " and ".join(parts)
        if self.spans:
            more = len(self.spans) - _LISTED
            places = "; ".join(map(str, self.spans[:_LISTED])) + (f"; and {more} more places" if more > 0 else "")
            text += f" ({places})"
        unread = f"the rest after frame {self.n_frames - 1} cannot be read ({self.unread})" if self.unread else ""
        return ", ".join(filter(None, (text, unread)))


@dataclass(frozen=True, slots=True)
class Decoded:
    """Output of a decoder for the packets of a film.

    Attributes
    ----------
    times : set of int
        Time stamps of the decoded frames.
    n_frames : int
        Their number, including those without a time stamp.
    failed : set of int
        Numbers of the packets that the decoder rejected, in decoding order without those cut by an edit list.
    flawed : set of int
        Time stamps of the frames that it marked as damaged.
    interlaced : bool
        Whether frames consist of two fields, each possibly in a separate packet.
    """

    times: set[int]
    n_frames: int
    failed: set[int]
    flawed: set[int]
    interlaced: bool


class _Slot(NamedTuple):
    """Consecutive frames, in display order: first and last time, number and state."""

    start: int
    end: int
    n_frames: int
    state: int


def check_damaged(damaged: str) -> str:
    """Return `damaged` if it is one of `DAMAGED`.

    Raises
    ------
    InputError
        If it is not.
    """
    if damaged not in DAMAGED:
        raise InputError(f"{setting('damaged', damaged)} is not known, expected 'error', 'skip' or 'keep'")
    return damaged


def decode_packets(packets: Iterable[Any]) -> Iterator[tuple[Any, list[Any] | None]]:
    """Decode packet by packet; yield None in place of the frames of a packet that the decoder rejects."""
    import av

    for packet in packets:
        try:
            yield packet, packet.decode()
        except (av.FFmpegError, ValueError):
            yield packet, None


def collect_decoded(packets: Iterable[Any]) -> Decoded:
    """Decode a film to its end and return a record of the output."""
    times, failed, flawed = set[int](), set[int](), set[int]()
    number, n_frames, interlaced = 0, 0, False
    for packet, frames in decode_packets(packets):
        if frames is None:
            failed.add(number)
        for frame in frames or ():
            n_frames += 1
            interlaced = interlaced or frame.interlaced_frame
            if frame.pts is not None:
                times.add(frame.pts)
                if frame.is_corrupt:
                    flawed.add(frame.pts)
        number += packet.size > 0 and not packet.is_discard
    return Decoded(times, n_frames, failed, flawed, interlaced)


def find_damage(packets: VideoPackets, decoded: Decoded | None, time_base: Fraction, offset: int = 0) -> VideoDamage:
    """Return the damage found from the packets and the decoder output.

    A frame is lost if its packet was rejected, it was not decoded, or the file declares but does not contain it. A
    frame is flawed if the decoder marked it, or it is predicted from a damaged one (all frames up to the next key
    frame).

    Parameters
    ----------
    packets : VideoPackets
        All packets of the film.
    decoded : Decoded or None
        None to find only the damage that can be detected without decoding.
    time_base : Fraction
        Seconds per unit of time stamps.
    offset : int
        Time stamp of second 0.
    """
    states, step = _states(packets, decoded), packets.step
    unplaced = 0
    if decoded is not None and not packets.have_times:
        visible = sum(not row.is_hidden for row in packets.rows)
        unplaced = max(0, visible - decoded.n_frames - states.count(_LOST))
    times = [row.time for row in packets.rows] if packets.have_times else range(0, len(states) * step, step)
    slots = [_Slot(time or 0, time or 0, 1, state) for time, state in zip(times, states, strict=True)]
    slots += [_Slot(time + step, time + n * step, n, _LOST) for time, n in packets.gaps]
    slots.sort(key=lambda slot: slot.start)
    if packets.n_cut:
        last = slots[-1].end if slots else offset - step
        slots.append(_Slot(last + step, last + packets.n_cut * step, packets.n_cut, _LOST))
    counts = [sum(slot.n_frames for slot in slots if slot.state == kind) for kind in (_WHOLE, _LOST, _FLAWED)]
    flawed = frozenset(row.time for row, state in zip(packets.rows, states, strict=True) if state == _FLAWED)
    return VideoDamage(
        sum(counts), counts[_LOST] + unplaced, counts[_FLAWED],
        tuple(_spans(slots, time_base, offset)), frozenset(time for time in flawed if time is not None),
        packets.error,
    )  # fmt: skip


def _states(packets: VideoPackets, decoded: Decoded | None) -> list[int]:
    rows = packets.rows
    states = [_FLAWED if row.is_corrupt else _WHOLE for row in rows]
    if decoded is not None:
        for number in decoded.failed:
            if number < len(rows):
                states[number] = _LOST if rows[number].time not in decoded.times else _FLAWED
        if packets.have_times:
            _mark_absent(states, rows, decoded)
    bad = [number for number, state in enumerate(states) if state != _WHOLE]
    for number in _predicted_from(sorted({*bad, *_before_gaps(packets)}), rows):
        if states[number] == _WHOLE and not rows[number].is_hidden:
            states[number] = _FLAWED
    return [_WHOLE if rows[number].is_hidden and state == _LOST else state for number, state in enumerate(states)]


def _mark_absent(states: list[int], rows: Sequence[PacketRow], decoded: Decoded) -> None:
    """Mark frames that were not decoded as lost, and frames marked by the decoder as flawed."""
    was_decoded = [row.time in decoded.times for row in rows]
    n_hidden = sum(row.is_hidden and found for row, found in zip(rows, was_decoded, strict=True))
    n_absent = sum(not row.is_hidden for row in rows) - (decoded.n_frames - n_hidden)
    for number, row in enumerate(rows):
        second_field = decoded.interlaced and number > 0 and was_decoded[number - 1]
        if row.time in decoded.flawed:
            states[number] = _FLAWED
        elif not was_decoded[number] and not second_field and not row.is_hidden and n_absent > 0:
            states[number] = _LOST


def _before_gaps(packets: VideoPackets) -> Iterator[int]:
    """Yield the numbers of the packets, in decoding order, that are followed by absent frames."""
    for before, _ in packets.gaps:
        yield next((n for n, row in enumerate(packets.rows) if row.time is not None and row.time > before), 0) - 1


def _predicted_from(bad: Sequence[int], rows: Sequence[PacketRow]) -> Iterator[int]:
    """Yield the packet numbers after each damaged one up to the next key frame, and those displayed before it."""
    done = -1
    for number in bad:
        if number < done:
            continue
        key = next((later for later in range(number + 1, len(rows)) if rows[later].is_key), len(rows))
        yield from range(number + 1, key)
        if key < len(rows):
            shown = rows[key].time
            for later in range(key + 1, len(rows)):
                time = rows[later].time
                if time is None or shown is None or time >= shown:
                    break
                yield later
        done = key


def _spans(slots: Sequence[_Slot], time_base: Fraction, offset: int) -> Iterator[DamagedSpan]:
    first = 0
    for is_bad, members in groupby(slots, key=lambda slot: slot.state != _WHOLE):
        span = list(members)
        n_frames = sum(slot.n_frames for slot in span)
        if is_bad:
            start, end = (float((time - offset) * time_base) for time in (span[0].start, span[-1].end))
            yield DamagedSpan(first, n_frames, start, end)
        first += n_frames
