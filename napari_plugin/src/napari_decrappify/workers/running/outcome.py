"""Outcomes of a run, as data, so that widgets do not parse messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_decrappify.workers.running.progress import Step


@dataclass(frozen=True)
class Finished:
    """Outcome of a job that returned a result, which may be partial."""

    result: Any


@dataclass(frozen=True)
class Stopped:
    """Outcome of a cancelled job without a result, with its last progress if known.

    Examples
    --------
    >>> Stopped(Step(3, 40, "restoring cells", "plane")).text()
    'cancelled at plane 3 of 40'
    """

    step: Step | None

    def text(self) -> str:
        """Return the outcome as a short string."""
        return "cancelled" if self.step is None else f"cancelled at {self.step.count()}"


@dataclass(frozen=True)
class Failed:
    """Outcome of a job that raised an error, with its one-line message."""

    error: BaseException
    message: str


Outcome = Finished | Stopped | Failed
