"""Cancellation of a job, as the error that ends it."""

from __future__ import annotations

from decrappify.errors import DecrappifyError


class CancelledError(DecrappifyError):
    """The job was cancelled before it had a result."""


def is_cancellation(error: BaseException) -> bool:
    """Return whether an error is the end of a cancelled job."""
    from decrappify.restoration import RestorationCancelled

    return isinstance(error, CancelledError | RestorationCancelled)
