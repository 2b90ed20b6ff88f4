"""Sliding window over a movie: the frames in it, and correction of the brightness of flashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from decrappify.restoration.frames.reading import Frame
from decrappify.restoration.measurement.flashes import Brightness, Flash, find_flash
from decrappify.windows import recorded_window

P = TypeVar("P")

Flashes = tuple[Flash | None, ...]
"""One per channel of a group."""


@dataclass(frozen=True, slots=True)
class Window(Generic[P]):
    """The frames that predict one frame.

    Attributes
    ----------
    frames : list or None
        In the order of `window_indices`; None if the middle frame contains only NaN.
    middle : Frame
        Properties of the middle frame, without its values.
    flashes : tuple of (Flash or None)
        One per channel, if the middle frame is a flash; if all are usable, the frames of the window are scaled to the
        level of its neighbors, else they are copies of the unchanged middle frame.
    """

    frames: list[P] | None
    middle: Frame
    flashes: Flashes = ()

    @property
    def leveled(self) -> Flashes:
        """Return the flashes by which the restored frame must be scaled back; empty if its level was not changed."""
        return self.flashes if are_usable(self.flashes) else ()


class SlidingWindow(Generic[P]):
    """Windows of one series of frames, each read once while the window slides.

    A frame that was never recorded, that contains only NaN, or that is a flash with a brightness that cannot be
    inverted is replaced in the windows of its neighbors, by the rule of `recorded_window`; such a flash is restored
    from itself alone. Any other flash is scaled to the level of the frames around it, in all windows. Whether a frame
    is a flash depends only on the two frames before and the two after it, read only if the frames of a window differ.

    Parameters
    ----------
    length : int
        Frames in the movie along the window's axis.
    n_frames : int
        Window length, odd.
    read : callable
        Returns frame i.
    load : callable
        Prepares the values of a frame for the network; the result supports arithmetic and indexing by channel.
    is_recorded : callable
        Returns whether frame i was recorded.
    """

    def __init__(
        self,
        length: int,
        n_frames: int,
        read: Callable[[int], Frame],
        load: Callable[[Any], P],
        is_recorded: Callable[[int], bool],
    ) -> None:
        self._length, self._n_frames = length, n_frames
        self._read, self._load, self._is_recorded = read, load, is_recorded
        self._frames: dict[int, tuple[Frame, P | None]] = {}
        self._brightness: dict[int, tuple[Brightness, ...] | None] = {}
        self._flashes: dict[int, Flashes] = {}

    def at(self, t: int) -> Window[P]:
        """Return the window of frame `t`, which must have been recorded."""
        self._forget(t)
        indices = recorded_window(t, self._length, self._n_frames, self._has_values)
        middle, own = self._frame(t)
        if own is None:
            return Window(None, middle)
        flashes: dict[int, Flashes] = {}
        own_flash: Flashes = ()
        if self._differ(set(indices)):
            own_flash = self._flash(t)
            if are_usable(own_flash):
                indices = recorded_window(t, self._length, self._n_frames, self._is_usable)
                flashes = {i: self._flash(i) for i in set(indices)}
            else:
                indices = (t,) * self._n_frames
        frames = [_leveled(self._frame(i)[1], flashes.get(i, ())) for i in indices]
        half = self._n_frames // 2
        self._frames = {i: kept for i, kept in self._frames.items() if i in indices or abs(i - t) <= half}
        return Window(frames, middle, own_flash if any(own_flash) else ())

    def _frame(self, i: int) -> tuple[Frame, P | None]:
        if i not in self._frames:
            frame = self._read(i)
            loaded = None if frame.values is None else self._load(frame.values)
            self._brightness[i] = frame.brightness if frame.values is not None else None
            self._frames[i] = (replace(frame, values=None), loaded)
        return self._frames[i]

    def _has_values(self, i: int) -> bool:
        return self._is_recorded(i) and self._frame(i)[1] is not None

    def _is_usable(self, i: int) -> bool:
        return self._has_values(i) and are_usable(self._flash(i))

    def _differ(self, indices: set[int]) -> bool:
        """Return whether any two frames differ so much that one may be a flash."""
        known = [self._brightness.get(i) or () for i in indices]
        return any(a.differs(b) for one in known for other in known for a, b in zip(one, other, strict=True))

    def _flash(self, i: int) -> Flashes:
        if i not in self._flashes:
            n_channels = len(self._frame(i)[0].brightness)
            self._flashes[i] = tuple(
                find_flash(i, self._length, partial(self._bright, channel=c)) for c in range(n_channels)
            )
        return self._flashes[i]

    def _bright(self, i: int, channel: int) -> Brightness | None:
        if i not in self._brightness:
            frame = self._read(i) if self._is_recorded(i) else Frame(None)
            self._brightness[i] = None if frame.values is None else frame.brightness
        brightness = self._brightness[i]
        return None if brightness is None else brightness[channel]

    def _forget(self, t: int) -> None:
        near = range(t - self._n_frames - 4, t + self._n_frames + 5)
        self._brightness = {i: found for i, found in self._brightness.items() if i in near}
        self._flashes = {i: found for i, found in self._flashes.items() if i in near}
        inside = range(t - self._n_frames, t + self._n_frames + 1)
        self._frames = {i: found for i, found in self._frames.items() if i in inside}


def are_usable(flashes: Flashes) -> bool:
    """Return whether the brightness of a frame can be scaled to that of its neighbors, in all channels."""
    return all(flash is None or flash.usable for flash in flashes)


def _leveled(frame: Any, flashes: Flashes) -> Any:
    """Scale a frame (C, Y, X) to the level of the frames around it."""
    if not any(flashes):
        return frame
    leveled = frame + 0.0
    for c, flash in enumerate(flashes):
        if flash is not None:
            leveled[c] = (frame[c] - flash.offset) / flash.gain
    return leveled
