"""Validation of arguments and settings shared across packages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from decrappify._common.argument_names import argument
from decrappify.errors import InputError, printable

ESCAPES = (
    "a backslash in double quotes starts an escape sequence: write paths in single quotes, such as "
    "'C:\\data\\cells.tif', or with forward slashes, such as \"C:/data/cells.tif\""
)
DEEPEST = 64  # levels of a JSON or TOML document; deeper ones would exhaust Python's stack and are treated as damaged
_SHOWN = 60  # characters of a value in a message
_REASON = 240  # characters of another library's message
_PATH_WITH_ESCAPES = re.compile(r"(?i)[a-z]:[\b\t\n\f\r]")  # such as C:\new or D:\tiles, read as a line feed or tab


def check_whole(least: int, most: int | None = None, /, **values: Any) -> None:
    """Raise InputError if a named value is not an integer between `least` and `most` (no limit if None).

    >>> check_whole(1, batch_size=4, length=1)
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{argument(name)} is {short(value)}, expected an integer of at least {least}")
        if most is not None and value > most:
            raise InputError(f"{argument(name)} is {short(value)}, expected an integer of at most {most}")


def check_instance(kind: type, /, **values: Any) -> None:
    """Raise InputError if a named value is not an instance of `kind`, a class of options.

    >>> check_instance(dict, card={})
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            raise InputError(f"{name} is {short(value)}, expected {name}={kind.__name__}(...)")


def nearest(given: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the end of a message on an unknown name: the most similar known name, or `otherwise` if none is similar.

    >>> nearest("artistik", ["artistic", "stable"])
    "; did you mean 'artistic'?"
    """
    near = similar_names(given, known)
    return f"; did you mean {near[0]!r}?" if near else otherwise


def similar_names(given: str, known: Iterable[str], at_most: int = 1, *, least: float = 0.6) -> list[str]:
    """Return the known names that are most similar to a given one, in descending order of similarity.

    Parameters
    ----------
    given, known, at_most
        The name, the known names, and the largest number of results.
    least : float
        Smallest similarity of a returned name, from 0 to 1 (equal).

    Examples
    --------
    >>> similar_names("gausian", ["poisson", "gaussian", "gain"])
    ['gaussian']
    """
    from difflib import get_close_matches

    return get_close_matches(given, list(known), at_most, least)


def short(value: object) -> str:
    """Return the representation of a value for a message, truncated to a readable length.

    >>> short("a" * 100)[-12:], short([1, 2])
    ('aaaaaaaaa...', '[1, 2]')
    """
    try:
        text = printable(repr(value))
    except RecursionError:
        text = f"a {type(value).__name__} nested very deeply"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def reason(error: BaseException, *, of_settings: bool = False) -> str:
    """Return a short reason why another library could not read a file: its message, or the kind of error.

    Python's own messages about wrong types and keys describe code rather than the file, so the kind of error is
    returned. If a file passes settings to a function (`of_settings`), messages about its arguments name the setting and
    are returned.

    >>> reason(ValueError("no such codec")), reason(KeyError("axes")), reason(RecursionError("maximum depth"))
    ('no such codec', "no 'axes'", 'nested too deeply')
    """
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "it needs more memory than is available"
    if isinstance(error, KeyError) and error.args:
        return f"no {short(error.args[0])}"
    text = printable((isinstance(error, OSError) and error.strerror) or str(error).strip().split("\n")[0])
    names_setting = of_settings and isinstance(error, TypeError) and "argument" in text
    kinds = AttributeError | IndexError | ArithmeticError | AssertionError | TypeError
    if (isinstance(error, kinds) and not names_setting) or not text:
        return f"unexpected content, {type(error).__name__}"
    return text if len(text) <= _REASON else f"{text[:_REASON]}..."


def json_value(text: str | bytes) -> Any:
    """Return the value of a JSON document.

    Raises
    ------
    ValueError
        If it is not valid, not UTF-8, or nested more than `DEEPEST` levels.

    Examples
    --------
    >>> json_value('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Raise ValueError if plain values are nested more than `DEEPEST` levels."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for owner in level
            if isinstance(owner, Mapping | list)
            for item in (owner.values() if isinstance(owner, Mapping) else owner)
        ]
        if not level:
            return
    raise ValueError(f"nested more than {DEEPEST} levels")


def toml_table(text: str) -> dict[str, Any]:
    r"""Return the table of a TOML document.

    Raises
    ------
    ValueError
        If it is not valid, or a Windows path in double quotes was read as escape sequences; the message then states the
        remedy.

    Examples
    --------
    >>> toml_table(r"cells = 'C:\Users\lab\cells.tif'")
    {'cells': 'C:\\Users\\lab\\cells.tif'}
    """
    import tomllib

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        lines = text.splitlines()
        suspects = [lines[int(found[1]) - 1]] if found and int(found[1]) <= len(lines) else lines
        hint = f"; {ESCAPES}" if any("\\" in line for line in suspects) else ""
        raise ValueError(f"{error}{hint}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check_depth(table)
    for value in _texts(table):
        if _PATH_WITH_ESCAPES.match(value):
            raise ValueError(f"it contains the path {value!r}; {ESCAPES}")
    return table


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
