"""Detection of complete frames of a growing input, and of the end of the acquisition."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from decrappify._common.progress import Cancel, check_cancel
from decrappify.io.growing.frames import GrowingFrames, Parts
from decrappify.movie import Plane

POLL_S = 0.1
SETTLE_S = 0.3  # a file that has not changed for this time is complete, unless it is truncated
_LATE_S = 5.0  # a frame that is incomplete this long after a later one began stays incomplete
_FILES_AHEAD = 2000  # examined in one look; at least 4 and at most 64 frames


class AcquisitionEnded(Exception):
    """No frame arrived within the timeout, or the run has ended."""


class Arrivals:
    """Frames of a growing input that are complete, in order.

    Parameters
    ----------
    frames : GrowingFrames
        The input.
    timeout_s : float
        Time without a new file, or a change of one, after which the acquisition is regarded as ended.
    cancel : threading.Event, optional
        When set, waiting raises `decrappify.errors.Cancelled`.
    clock : callable
        Seconds of a monotonic clock.

    Attributes
    ----------
    complete : int
        Frames before this one are complete, except for the planes in `missing`.
    missing : set of (t, c, z)
        Planes that did not arrive although later frames did.
    is_over : bool
        Whether the timeout has passed.
    ended : threading.Event
        Set it to end the waiting of another thread.
    """

    def __init__(
        self,
        frames: GrowingFrames,
        timeout_s: float,
        *,
        cancel: Cancel | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frames, self._timeout_s, self._cancel, self._clock = frames, timeout_s, cancel, clock
        self.complete = 0
        self.missing: set[Plane] = set()
        self.is_over = False
        self.ended = Event()
        self._seen: dict[int, tuple[Parts, float]] = {}  # versions of the files of a frame, and since when
        self._began: dict[int, float] = {}  # when the first file of a frame was seen

    def wait_for(self, t: int) -> None:
        """Wait until frame `t` is complete.

        Raises
        ------
        AcquisitionEnded
            If no new file arrives within the timeout, or `ended` is set.
        Cancelled
            If `cancel` is set.
        """
        latest = self._clock()
        while t >= self.complete:
            check_cancel(self._cancel, "restoration was cancelled")
            if self.is_over:
                raise AcquisitionEnded
            if self.look():
                latest = self._clock()
            if t < self.complete:
                return
            if self._clock() - latest >= self._timeout_s:
                self.is_over = True
            elif self.ended.wait(POLL_S):
                raise AcquisitionEnded

    def look(self) -> bool:
        """Find new files once; return whether there are any, or one has changed."""
        count, now, has_changed = self._frames.look(), self._clock(), False
        t, ahead = self.complete, 4
        while t < min(count, self.complete + ahead):
            parts = self._frames.parts(t)
            ahead = max(4, min(64, _FILES_AHEAD // len(parts)))
            if t not in self._seen or self._seen[t][0] != parts:
                self._seen[t] = parts, now
                has_changed = has_changed or any(part is not None for part in parts)
            if any(part is not None for part in parts):
                self._began.setdefault(t, now)
            t += 1
        while self.complete in self._seen and self._is_complete(self.complete, now):
            del self._seen[self.complete]
            self._began.pop(self.complete, None)
            self.complete += 1
            has_changed = True
        return has_changed

    def _is_complete(self, t: int, now: float) -> bool:
        """Return whether to proceed with a frame; its absent planes, if any, are then missing."""
        parts, since = self._seen[t]
        exists = all(part is not None for part in parts)
        if exists and now - since >= SETTLE_S and self._frames.is_readable(t):
            return True
        if not any(began <= now - _LATE_S for later, began in self._began.items() if later > t):
            return False
        if not exists:
            self.missing |= self._frames.absent(t)
        return now - since >= SETTLE_S
