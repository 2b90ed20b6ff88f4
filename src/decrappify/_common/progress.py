"""Progress bars and cancellation of long operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from decrappify.errors import Cancelled, InputError

Check = Callable[[], object]
"""A function that raises an exception to stop an operation, such as Cancelled."""
T = TypeVar("T")


class Bar(Protocol):
    """A progress bar, such as one of ``tqdm``."""

    def update(self, n: int = 1, /) -> Any:
        """Add `n` finished units."""

    def close(self) -> Any:
        """Close the bar."""


class Progress(Protocol):
    """A function that creates progress bars, such as ``tqdm.tqdm``."""

    def __call__(self, *, total: int, desc: str, unit: str, initial: int) -> Bar:
        """Create a bar of `total` units, of which `initial` were finished by an earlier run."""


class Cancel(Protocol):
    """A request to stop, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether the operation should stop."""


class NoBar:
    """A bar that is not shown."""

    def update(self, n: int = 1, /) -> None:
        """Do nothing, as no bar is shown."""

    def close(self) -> None:
        """Do nothing, as no bar is shown."""


class _CancellableBar:
    """A bar that raises Cancelled after the unit during which `cancel` was set."""

    def __init__(self, bar: Bar, cancel: Cancel, message: str) -> None:
        self._bar, self._cancel, self._message = bar, cancel, message

    def update(self, n: int = 1, /) -> None:
        """Add `n` finished units; raise Cancelled if the operation should stop."""
        self._bar.update(n)
        check_cancel(self._cancel, self._message)

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()


def checked_progress(progress: Progress | bool | None) -> Progress | None:
    """Return a function that creates progress bars, or None if progress is disabled.

    Parameters
    ----------
    progress : bool, callable or None
        True for bars of tqdm, which are widgets in notebooks; or a callable like ``tqdm`` that returns bars with
        ``update(n)`` and ``close()``.

    Raises
    ------
    InputError
        If it is of another type; for an unsuitable callable, when the first bar is created.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return _automatic_bars()
    if not callable(progress):
        raise InputError(f"progress has type {type(progress).__name__}, expected True or a callable such as tqdm.tqdm")

    def checked(**words: Any) -> Bar:
        return _checked_bar(progress, words)

    return checked


def _automatic_bars() -> Progress:
    """Return tqdm for the interface in use: a widget in notebooks with ipywidgets, else a line of text."""
    import warnings

    with warnings.catch_warnings():  # tqdm.auto warns of a notebook without ipywidgets on import
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    bars: Progress = tqdm
    return bars


def _checked_bar(progress: Progress, words: dict[str, Any]) -> Bar:
    try:
        bar = progress(**words)
    except TypeError as error:
        raise InputError(
            f"progress={progress!r} cannot be called as progress(total=, desc=, unit=, initial=) ({error}), expected "
            "True or a callable such as tqdm.tqdm"
        ) from error
    if not hasattr(bar, "update") or not hasattr(bar, "close"):
        raise InputError(
            f"progress={progress!r} returns a {type(bar).__name__}, expected an object with update(n) and close(), as "
            "of tqdm.tqdm"
        )
    return bar


def cancellable(progress: Progress | None, cancel: Cancel | None, message: str) -> Progress | None:
    """Return a function that creates bars whose ``update`` raises Cancelled with `message` once `cancel` is set."""
    if cancel is None:
        return progress

    def create(*, total: int, desc: str, unit: str, initial: int = 0) -> Bar:
        shown = NoBar() if progress is None else progress(total=total, desc=desc, unit=unit, initial=initial)
        return _CancellableBar(shown, cancel, message)

    return create


@contextmanager
def progress_bar(progress: Progress | None, *, total: int, desc: str, unit: str, initial: int = 0) -> Iterator[Bar]:
    """Open a progress bar and close it at the end; without `progress` it is not shown.

    Parameters
    ----------
    progress : callable or None
        As returned by `checked_progress`.
    total, initial : int
        Number of units, and of those finished by an earlier run.
    desc, unit : str
        Description of the operation, and name of one unit.

    Examples
    --------
    >>> with progress_bar(None, total=10, desc="restoring", unit="plane") as bar:
    ...     bar.update(1)
    """
    bar: Bar = NoBar() if progress is None else progress(total=total, desc=desc, unit=unit, initial=initial)
    try:
        yield bar
    finally:
        bar.close()


def check_cancel(cancel: Cancel | None, message: str) -> None:
    """Raise Cancelled with `message` if `cancel` is set."""
    if cancel is not None and cancel.is_set():
        raise Cancelled(message)


def with_check(items: Iterable[T], check: Check | None) -> Iterator[T]:
    """Yield items, calling `check` before each, so that an operation on them can be stopped.

    Examples
    --------
    >>> list(with_check("ab", lambda: print("checked")))
    checked
    checked
    ['a', 'b']
    """
    for item in items:
        if check is not None:
            check()
        yield item
