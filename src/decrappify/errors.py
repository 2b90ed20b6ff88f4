"""Exceptions of the package: each message is one line with what was expected, what was found and what to do.

Each class also derives from the matching built-in, so ``except ValueError`` works too.
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 900  # characters of a message; text from a damaged file can be of any length
_HEAD, _TAIL = 500, 380
_SECRETS = re.compile(r"(?i)\b((?:https?|s3):/{1,2})(?:[^\s/?#]*@)?([^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?")


def printable(text: object) -> str:
    r"""Return `text` as one line without control characters, for terminals, logs and messages.

    Text from files passes through this function before it is shown: terminals interpret escape sequences in file
    names, channel names and model cards. Line ends and tabs become single spaces; control characters, directional
    overrides and bytes that are not UTF-8 become backslash escapes.

    Examples
    --------
    >>> printable("two\nlines"), printable("\x1b[31mred"), printable("t\udce9st.tif"), printable("5 µm")
    ('two lines', '\\x1b[31mred', 't\\xe9st.tif', '5 µm')
    """
    line = str(text)
    if line.isprintable():
        return line
    line = line.strip("\r\n").replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return "".join(map(_escaped, line))


def _escaped(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def without_secrets(text: str) -> str:
    """Return `text` without user names, passwords, query strings and fragments of addresses.

    >>> without_secrets("read https://me:word@host/a.ome.zarr?token=1 --scene 2")
    'read https://host/a.ome.zarr --scene 2'
    """
    return _SECRETS.sub(r"\1\2", text) if ":/" in text else text


class DecrappifyError(Exception):
    """Base class of the errors that this package raises; the command line prints the message and exits with status 2.

    The message is one printable line of at most 900 characters, whatever the content of a damaged file, and contains no
    passwords or query strings of addresses.

    Parameters
    ----------
    *args : object
        The problem: what was expected and found; a single string if `advice` is passed.
    advice : str
        Which argument to set in Python or on the command line; appended to the message.
    option : str
        The argument that `advice` names, such as ``"precision"``. A graphical interface, which has controls instead of
        arguments, shows `problem` and its own advice for `option`.

    Examples
    --------
    >>> error = InputError("frame 3 contains NaN", advice="pass nan='fill'", option="nan")
    >>> str(error), error.problem
    ("frame 3 contains NaN; pass nan='fill'", 'frame 3 contains NaN')
    """

    def __init__(self, *args: object, advice: str = "", option: str = "") -> None:
        super().__init__(*(f"{args[0]}; {advice}",) if advice else args)
        self.advice, self.option = advice, option
        self._problem = str(args[0]) if advice else None

    def __str__(self) -> str:
        return _line(super().__str__())

    @property
    def problem(self) -> str:
        """Message without the advice."""
        return str(self) if self._problem is None else _line(self._problem)


def _line(text: str) -> str:
    line = without_secrets(printable(text))
    return line if len(line) <= _LONGEST else f"{line[:_HEAD]} ... {line[-_TAIL:]}"


class InputError(DecrappifyError, ValueError):
    """A value, array, movie or configuration that cannot be used."""


class ReadOnlyError(DecrappifyError, AttributeError):
    """An assignment to an attribute of an immutable object; the message names the method that returns a changed one."""


class MissingFileError(DecrappifyError, FileNotFoundError):
    """A path that does not exist."""


class FormatError(DecrappifyError, OSError):
    """A file that is damaged, does not match its name, or has an unsupported format."""


class RemoteError(DecrappifyError, ConnectionError):
    """A remote store that cannot be reached, denies access, or returns invalid answers."""


class OutputExistsError(DecrappifyError, FileExistsError):
    """An output that exists already and may not be replaced."""


class OutputError(DecrappifyError, OSError):
    """An output that could not be written (disk full, no permission)."""


class OutputInUseError(OutputError):
    """An output that another process is writing."""


class ModelFileError(DecrappifyError, ValueError):
    """A model file that cannot be loaded."""


class MissingExtraError(DecrappifyError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""


class Cancelled(DecrappifyError):
    """The operation was cancelled by the caller; the message states what is kept."""


class DeviceMemoryError(DecrappifyError, MemoryError):
    """Insufficient memory even for the smallest tile."""


class ThreadLimitError(DecrappifyError, RuntimeError):
    """A thread that the system did not allow this process to start."""


class ProcessLostError(DecrappifyError, RuntimeError):
    """Error for a run on several processes of which one has ended."""
