"""Packets of a video, compared with the number that the file declares, without decoding them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

from decrappify.io.media.demuxing.gif_blocks import count_gif_frames
from decrappify.io.media.demuxing.matroska_layout import read_matroska_layout
from decrappify.limits.memory import in_units

_REGULAR_SHARE, _STEPPED_SHARE = 0.5, 0.95  # of the frame intervals, in a film of constant rate
_WITH_DURATION = ("matroska", "webm")  # formats without a count of frames, but with an exact duration
_MOST_SEARCHED = 1 << 24  # bytes after the last packet
_MAX_NOT_CODED = 8  # bytes of an MPEG-4 packet that repeats the previous frame and may yield none


@dataclass(frozen=True, slots=True)
class PacketRow:
    """One packet of a video stream.

    Attributes
    ----------
    time : int or None
        Display time of its frame, in units of the stream.
    duration : int
        Display duration, 0 if unknown.
    is_key : bool
        Whether decoding can start at this packet.
    is_corrupt : bool
        Whether the demuxer marked it as damaged.
    is_hidden : bool
        Whether it may yield no frame, such as a reference frame of VP8 that is never displayed.
    crc : int
        CRC-32 of its bytes.
    """

    time: int | None
    duration: int
    is_key: bool
    is_corrupt: bool
    is_hidden: bool = False
    crc: int = 0


@dataclass(frozen=True, slots=True)
class VideoPackets:
    """All packets of a film's video stream, and a record of absent ones.

    Attributes
    ----------
    rows : tuple of PacketRow
        In decoding order, without the part cut by an edit list.
    n_found, n_announced : int
        Packets in the file, and the number stated by its header, 0 if it states none.
    step : int
        Usual interval between frames, in units of the stream.
    gaps : tuple of (time, n)
        Frames that are absent between others: the time before them and their number.
    n_cut : int
        Frames absent at the end.
    error : str
        Error that ended the reading before the end of the file, empty if there was none.
    others : dict of int to int
        CRC-32 of all bytes of each other stream, such as sound, by its index.
    is_complete : bool
        Whether no byte of the file is absent; its gaps then come from the recording or a cut.
    derives_times : bool
        Whether the time stamps are derived from the decoding order, the only one that AVI stores.
    """

    rows: tuple[PacketRow, ...]
    n_found: int
    n_announced: int
    step: int
    gaps: tuple[tuple[int, int], ...]
    n_cut: int
    error: str
    others: dict[int, int] = field(default_factory=dict)
    is_complete: bool = False
    derives_times: bool = False

    @property
    def hidden_by_edits(self) -> str:
        """Return a sentence about the frames cut by the edit list of a film, empty if there are none."""
        n = self.n_found - len(self.rows)
        verb = "is" if n == 1 else "are"
        return f"{n} of {self.n_found} frames {verb} excluded by the film's edit list and not read" if n else ""

    @property
    def have_times(self) -> bool:
        """Return whether every frame has a unique time stamp."""
        times = [row.time for row in self.rows]
        return bool(times) and None not in times and len(set(times)) == len(times)


def read_packets(container: Any, stream: Any) -> VideoPackets:
    """Return the packets of a freshly opened film; unreadable ones are absent.

    Parameters
    ----------
    container : av.container.InputContainer
        The film at its beginning; read to its end.
    stream : av.VideoStream
        The video stream.
    """
    rows: list[PacketRow] = []
    others: dict[int, int] = {}
    found, film_end, file_end, name = 0, 0.0, 0, stream.codec_context.name
    listed, seen = _listed_in_avi(container, stream), set[int | None]()
    packets = _Packets(container)
    for packet in packets:
        time = packet.dts if packet.pts is None else packet.pts
        file_end = max(file_end, (packet.pos or 0) + packet.size)
        if time is not None and packet.time_base:
            film_end = max(film_end, float((time + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index != stream.index:
            others[packet.stream_index] = packet_crc(packet, others.get(packet.stream_index, 0))
            continue
        found += 1
        seen.add(packet.dts)
        if not packet.is_discard:
            hidden, crc = _is_hidden(packet, name), packet_crc(packet)
            rows.append(PacketRow(packet.pts, packet.duration or 0, packet.is_keyframe, packet.is_corrupt, hidden, crc))
    times = sorted({row.time for row in rows if row.time is not None})
    step = _step(times, stream)
    counted = max(stream.frames, 0)
    durations = {row.time: row.duration for row in rows if row.time is not None}
    gaps, n_cut, is_complete = _gaps(times, durations, step), 0, False
    if listed:  # others are empty intentionally: they repeat the previous frame
        absent = sorted(listed.difference(time for time in seen if time is not None))
        gaps, n_cut = tuple((time - step, 1) for time in absent), max(counted - max(listed) - 1, 0)
        counted = found + len(absent) + n_cut
    elif container.format.name == "gif":  # its packets are located by their content, which may be damaged
        n_frames, is_whole = count_gif_frames(_path(container))
        gaps, n_cut, packets.error = (), max(n_frames - found, 0), "" if is_whole else "its blocks are damaged"
        counted = found + n_cut
    elif counted:
        gaps, n_cut = (), max(counted - found, 0)
    elif any(kind in container.format.name for kind in _WITH_DURATION):
        n_cut = _cut_frames(container, stream, times, durations, step, film_end)
        layout = read_matroska_layout(_path(container))
        is_complete = layout.is_whole
        if not is_complete:
            gaps = _with_listed(gaps, [round(cue / stream.time_base) for cue in layout.cues], times, step)
        if layout.n_absent and not (gaps or n_cut or packets.error):
            packets.error = f"the file is {in_units(layout.n_absent)} shorter than it states"
    error = packets.error or _unread_end(container, file_end)
    derived = "avi" in container.format.name and bool(stream.codec_context.has_b_frames)
    return VideoPackets(tuple(rows), found, counted, step, gaps, n_cut, error, others, is_complete, derived)


def packet_crc(packet: Any, before: int = 0) -> int:
    """Compute the CRC-32 of the bytes of a packet, which may continue the CRC of the previous packets."""
    return crc32(memoryview(packet), before) if packet.size else before


class _Packets:
    """Packets of all streams up to the end of the file, or to the first unreadable position."""

    def __init__(self, container: Any) -> None:
        self._container, self.error = container, ""

    def __iter__(self) -> Iterator[Any]:
        import av

        try:
            for packet in self._container.demux():
                if packet.size > 0:  # the last, empty one flushes the decoder
                    yield packet
        except (av.FFmpegError, OSError, ValueError) as error:
            self.error = str(getattr(error, "strerror", None) or error)


def _listed_in_avi(container: Any, stream: Any) -> set[int]:
    """Return the time stamps listed in the index of an AVI file; empty for other files, or without an index."""
    entries = getattr(stream, "index_entries", ()) if "avi" in container.format.name else ()
    return {entry.timestamp for entry in entries} if len(entries) > 1 else set()


def _unread_end(container: Any, end: int) -> str:
    """Return a description of damaged bytes after the last packet, for formats that define them."""
    if "mp4" not in container.format.name:
        return ""
    with _path(container).open("rb") as file:
        file.seek(end)
        return "there are further fragments" if b"moof" in file.read(_MOST_SEARCHED) else ""


def _path(container: Any) -> Path:
    return Path(container.name.removeprefix("file:"))


def _is_hidden(packet: Any, codec: str) -> bool:
    if codec == "vp8":
        return not bytes(memoryview(packet)[:1])[0] >> 4 & 1
    return codec == "mpeg4" and packet.size <= _MAX_NOT_CODED


def _step(times: Sequence[int], stream: Any) -> int:
    if len(times) > 1:
        intervals = sorted(after - before for before, after in pairwise(times))
        return max(1, intervals[len(intervals) // 2])
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (rate * stream.time_base))) if rate else 1


def _gaps(times: Sequence[int], durations: dict[int, int], step: int) -> tuple[tuple[int, int], ...]:
    """Return the gaps in a film of constant rate; films of variable rate have none.

    The rate is constant if nearly all intervals are integer multiples of the usual one, and most equal it.
    """
    near = step // 4 + 1  # time stamps are rounded to units of the stream
    intervals = [(before, after - before) for before, after in pairwise(times)]
    regular = sum(abs(interval - step) <= near for _, interval in intervals)
    stepped = sum(abs(interval - step * round(interval / step)) <= near for _, interval in intervals)
    if regular < _REGULAR_SHARE * len(intervals) or stepped < _STEPPED_SHARE * len(intervals):
        return ()
    return tuple(
        (before, round(interval / step) - 1)
        for before, interval in intervals
        if interval > 1.5 * step + 1 and interval > durations[before] + step / 2
    )


def _with_listed(
    gaps: tuple[tuple[int, int], ...], listed: Sequence[int], times: Sequence[int], step: int
) -> tuple[tuple[int, int], ...]:
    """Return the gaps and those that the file's index reveals: before the first frame, and at a variable rate."""
    if not times or not listed:
        return gaps
    n_before = round((times[0] - listed[0]) / step)
    before = ((times[0] - (n_before + 1) * step, n_before),) if n_before > 0 else ()
    shown = set(times)
    absent = [
        cue
        for cue in listed
        if times[0] < cue < times[-1]
        and shown.isdisjoint((cue - 1, cue, cue + 1))
        and not any(time < cue <= time + n * step for time, n in gaps)
    ]
    return tuple(sorted((*before, *gaps, *((cue - step, 1) for cue in absent))))


def _cut_frames(
    container: Any, stream: Any, times: Sequence[int], durations: dict[int, int], step: int, film_end: float
) -> int:
    """Return the number of frames between the last one and the end stated by the file."""
    stated, least = _seconds(stream.metadata.get("DURATION", "")), 0.75
    if stated is not None:
        end = float((times[-1] + (durations[times[-1]] or step)) * stream.time_base) if times else 0.0
    else:
        stated, end, least = (container.duration or 0) / 1e6, film_end, 1.5
    absent = (stated - end) / float(step * stream.time_base)
    return round(absent) if absent > least else 0


def _seconds(text: str) -> float | None:
    """Return the seconds of ``HH:MM:SS.fraction``; None for other text."""
    try:
        hours, minutes, seconds = text.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None
