"""Every mistake a user can make ends in one line: what, found, needed, what to do.

Each class also derives from the fitting built-in, so ``except ValueError`` works too.
"""

from __future__ import annotations


class DecrappifyError(Exception):
    """Base of all errors this package raises on purpose; the command line prints its one line and exits 2."""


class InputError(DecrappifyError, ValueError):
    """A value, array, movie or configuration that cannot be used as given."""


class MissingFileError(DecrappifyError, FileNotFoundError):
    """A path that does not exist."""


class FormatError(DecrappifyError, OSError):
    """A file that is not what its name says, is damaged, or has no reader or writer here."""


class OutputExistsError(DecrappifyError, FileExistsError):
    """An output that is already there and was not asked to be replaced."""


class OutputError(DecrappifyError, OSError):
    """An output that could not be written (disk full, no permission)."""


class ModelFileError(DecrappifyError, ValueError):
    """A model file that cannot be loaded."""


class MissingExtraError(DecrappifyError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""


class DeviceMemoryError(DecrappifyError, MemoryError):
    """No memory left even for the smallest tile."""


class ThreadLimitError(DecrappifyError, RuntimeError):
    """A thread that the system does not let this process start."""
