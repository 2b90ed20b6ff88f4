"""TOML text of plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def to_toml(table: Mapping[str, Any]) -> str:
    """Return the TOML text of a table: plain values first, then its tables and lists of tables.

    Tables within these are written inline.

    >>> print(to_toml({"b": {"valid": True}, "a": 1.5, "c": [{"of": {"d": 1}}]}), end="")
    a = 1.5
    <BLANKLINE>
    [b]
    valid = true
    <BLANKLINE>
    [[c]]
    of = { d = 1 }
    """
    lines = _items({key: value for key, value in table.items() if not _is_table(value)})
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{key}]", *_items(value)]
        elif _is_table(value):
            for one in value:
                lines += ["", f"[[{key}]]", *_items(one)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _items(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_text(value)}" for key, value in table.items()]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_items(value)) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, str):  # the escapes of JSON are valid in TOML, which also requires one for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
