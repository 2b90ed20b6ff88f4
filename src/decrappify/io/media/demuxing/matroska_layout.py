"""Elements of a Matroska or WebM file: completeness, and the display times of the indexed key frames."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER, _CUES = (
    0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B,
)  # fmt: skip
_VOID, _CRC = 0xEC, 0xBF
_IN_SEGMENT = {_INFO, _TRACKS, _CLUSTER, _CUES, 0x114D9B74, 0x1043A770, 0x1941A469, 0x1254C367, _VOID, _CRC}
# Time stamp, position, size of the previous cluster, simple and other blocks, silent tracks, encrypted block
_IN_CLUSTER = {0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0x5854, 0xAF, _VOID, _CRC}
_TIME_SCALE = 0x2AD7B1
_TRACK, _TRACK_NUMBER, _TRACK_TYPE, _VIDEO = 0xAE, 0xD7, 0x83, 1
_CUE, _CUE_TIME, _CUE_POSITIONS, _CUE_TRACK = 0xBB, 0xB3, 0xB7, 0xF7
_NANOSECOND = Fraction(1, 1_000_000_000)


@dataclass(frozen=True, slots=True)
class MatroskaLayout:
    """Layout of a file as found from its elements.

    Attributes
    ----------
    is_whole : bool
        Whether every element is present at its declared size, up to the end of the film: no byte was removed or added.
        False if the file does not declare its size, such as one that was recorded live.
    n_absent : int
        Bytes by which the file is shorter than it declares.
    cues : tuple of Fraction
        Times (s) of the frames of its first video track that its index lists.
    """

    is_whole: bool
    n_absent: int
    cues: tuple[Fraction, ...]


class _BrokenError(ValueError):
    """Error for an element that does not begin at the end of the previous one."""


def read_matroska_layout(path: Path) -> MatroskaLayout:
    """Read the layout of a Matroska or WebM file, without its frames."""
    if not path.stat().st_size:
        return MatroskaLayout(is_whole=False, n_absent=0, cues=())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _layout(data)


def _layout(data: mmap.mmap) -> MatroskaLayout:
    is_whole, n_absent, cues = False, 0, tuple[Fraction, ...]()
    try:
        for kind, start, end in _elements(data, 0, len(data)):
            if kind != _SEGMENT:
                continue
            n_absent = max(0, (end or 0) - len(data))
            is_whole = end is not None and not n_absent and _clusters_are_whole(data, start, end)
            cues = _cues(data, start, min(end or len(data), len(data)))
            break
    except _BrokenError:
        pass
    return MatroskaLayout(is_whole=is_whole, n_absent=n_absent, cues=cues)


def _clusters_are_whole(data: mmap.mmap, start: int, end: int) -> bool:
    try:
        for kind, first, last in _elements(data, start, end):
            if kind not in _IN_SEGMENT or last is None or last > end:
                return False
            if kind == _CLUSTER and any(inner not in _IN_CLUSTER for inner, *_ in _elements(data, first, last)):
                return False
    except _BrokenError:
        return False
    return True


def _cues(data: mmap.mmap, start: int, end: int) -> tuple[Fraction, ...]:
    """Return the times of the index; the elements before it may be damaged."""
    unit, video, times = 1_000_000, 0, list[tuple[int, int]]()
    for parent, first, last in _found(data, start, end):
        for kind, inner, inner_end in _inside(data, first, last):
            if parent == _INFO and kind == _TIME_SCALE:
                unit = _number(data, inner, inner_end)
            elif parent == _TRACKS and kind == _TRACK and not video:
                track = {key: _number(data, *place) for key, *place in _inside(data, inner, inner_end)}
                video = track.get(_TRACK_NUMBER, 0) if track.get(_TRACK_TYPE) == _VIDEO else 0
            elif parent == _CUES and kind == _CUE:
                times += _cue(data, inner, inner_end)
    return tuple(sorted(time * unit * _NANOSECOND for track_number, time in times if track_number == video))


def _found(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield header and index; if the elements between them are damaged, the index is searched from the end."""
    seen_cues = False
    try:
        for kind, first, last in _elements(data, start, end):
            if kind in (_INFO, _TRACKS, _CUES) and last is not None and last <= end:
                seen_cues = seen_cues or kind == _CUES
                yield kind, first, last
    except _BrokenError:
        pass
    place = -1 if seen_cues else data.rfind(_CUES.to_bytes(4, "big"), start, end)
    if place >= 0:
        try:
            kind, first, cues_end = next(_elements(data, place, end))
        except (_BrokenError, StopIteration):
            return
        if cues_end is not None and cues_end <= end:
            yield kind, first, cues_end


def _cue(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the tracks and the time of one entry of the index."""
    time = 0
    for kind, first, last in _inside(data, start, end):
        if kind == _CUE_TIME:
            time = _number(data, first, last)
        elif kind == _CUE_POSITIONS:
            yield from (
                (_number(data, *place), time) for key, *place in _inside(data, first, last) if key == _CUE_TRACK
            )


def _inside(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the elements inside a small one, up to the first damaged one."""
    try:
        for kind, first, last in _elements(data, start, end):
            if last is None or last > end:
                return
            yield kind, first, last
    except _BrokenError:
        return


def _elements(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield the kinds of consecutive elements, and the start and end of their content; None for an unknown end."""
    while start < end:
        kind, place = _variable(data, start, end, longest=4)
        size, first = _variable(data, place, end, longest=8)
        n_bits = 7 * (first - place)
        size -= 1 << n_bits
        last = None if size == (1 << n_bits) - 1 else first + size
        yield kind, first, last
        if last is None:
            return
        start = last


def _variable(data: mmap.mmap, start: int, end: int, longest: int) -> tuple[int, int]:
    """Return a number of variable length with its leading bit, and the position of its end."""
    length = 9 - data[start].bit_length() if start < end else 9
    if length > longest or start + length > end:
        raise _BrokenError
    return int.from_bytes(data[start : start + length], "big"), start + length


def _number(data: mmap.mmap, start: int, end: int) -> int:
    return int.from_bytes(data[start : min(end, start + 8)], "big")
