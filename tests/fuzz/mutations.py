"""Damage to files: seeded mutations of bytes, numbers in text, JSON trees and folders."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]

# Values for fields of a binary header.
EXTREMES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
    1 << 63,
)
# Replacements for numbers in a text.
NUMBERS = (
    "0", "-1", "1", "-0.0", "inf", "-inf", "nan", "NaN", "Infinity", "1e400", "-1e308", "1e-320", "1e19", "",
    "99999999999999999999999", "2147483648", "4294967296", "0,5", "1.234,5", "0x10", "1_000", "７", "²", " 3 ", "1/0",
    "true", "null", "None",
)  # fmt: skip
TEXTS = (
    "", " ", "\x1b[31mred\x1b]0;title\x07", "a\nb\rc", "\x00", "\x80\x9b1m", "é", "e\u0301", "\ud800", "\u202etxt.exe",
    "=1+1", "x" * 5000, "../../etc/passwd", "/dev/null", "%s%n{0}", "<script>", "日本語", "\U0001f52c", "nan", "-",
)  # fmt: skip
_NUMBER = re.compile(rb"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]{3,40}")


def flip_bits(data: bytes, rng: Random) -> bytes:
    """Flip one to eight bits."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        out[_at(out, rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def set_bytes(data: bytes, rng: Random) -> bytes:
    """Replace one to eight bytes by random ones."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        out[_at(out, rng)] = rng.randrange(256)
    return bytes(out)


def truncate(data: bytes, rng: Random) -> bytes:
    """Remove at least one byte at the end."""
    return data[: rng.choice((rng.randrange(len(data)), _at(data, rng), len(data) - 1))]


def zero_range(data: bytes, rng: Random) -> bytes:
    """Zero a range of bytes, as a file system does after a crash."""
    at = _at(data, rng)
    n = min(rng.choice((1, 4, 16, 64, 512, 4096)), len(data) - at)
    return data[:at] + bytes(n) + data[at + n :]


def put_extreme(data: bytes, rng: Random) -> bytes:
    """Overwrite an integer field by an extreme value of either byte order."""
    size = rng.choice((1, 2, 2, 4, 4, 4, 8))
    at = _at(data, rng)
    at -= at % rng.choice((1, 2, size))
    value = rng.choice(EXTREMES) & ((1 << 8 * size) - 1)
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def insert_bytes(data: bytes, rng: Random) -> bytes:
    """Insert a few bytes, which shifts all later ones."""
    at = _at(data, rng)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 16, 64))) + data[at:]


def remove_bytes(data: bytes, rng: Random) -> bytes:
    """Remove a few bytes."""
    at = _at(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 64, 512)) :]


def swap_blocks(data: bytes, rng: Random) -> bytes:
    """Exchange two blocks, like a download with parts in the wrong order."""
    size = rng.choice((16, 64, 512))
    first, second = sorted((_at(data, rng), _at(data, rng)))
    if second < first + size:
        return zero_range(data, rng)
    a, b = data[first : first + size], data[second : second + size]
    return data[:first] + b + data[first + size : second] + a + data[second + size :]


def repeat_block(data: bytes, rng: Random) -> bytes:
    """Write a block twice."""
    at, size = _at(data, rng), rng.choice((4, 12, 64, 512))
    return data[: at + size] + data[at:]


def edit_number(data: bytes, rng: Random) -> bytes:
    """Replace one number in the text of a file, in half of the cases by one of the same length."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return flip_bits(data, rng)
    match = rng.choice(found)
    text = rng.choice(NUMBERS).encode()
    if rng.random() < 0.5:
        size = match.end() - match.start()
        text = text[:size].ljust(size, rng.choice((b" ", b"0")))
    return data[: match.start()] + text + data[match.end() :]


def edit_text(data: bytes, rng: Random) -> bytes:
    """Replace a word by bytes that are not UTF-8, control characters, another word or nothing."""
    found = list(_WORD.finditer(data))
    if not found:
        return set_bytes(data, rng)
    match, other = rng.choice(found), rng.choice(found)
    size = match.end() - match.start()
    text = rng.choice((b"\xff\xfe\xe9", b"\xb5m", b"\x1b[2J", b"", other.group(), b"\0" * size, rng.randbytes(size)))
    if rng.random() < 0.5:
        text = text[:size].ljust(size, b" ")
    return data[: match.start()] + text + data[match.end() :]


_TOML_VALUES = (
    "0", "-1", "1", "2", "0.5", "1e308", "nan", "inf", "-inf", "9223372036854775807", "9223372036854775808", "true",
    "false", '""', '" "', '"x"', '"nan"', r'"\u001b[31m"', r'"\u0000"', '"../x"', '"."', '"$NOWHERE/x"', "[]", "[[]]",
    "{}", "[1, 2]", "[2, 1]", "[0, 0]", "[nan, 1]", '["a", "b"]', '[["a", "b"]]', "[{}]", "{a = 1}", "1979-05-27",
    "07:32:00", "1979-05-27T07:32:00Z", "[" * 200 + "]" * 200, '"' + "x" * 5000 + '"',
)  # fmt: skip


def edit_toml(data: bytes, rng: Random) -> bytes:
    """Change one line of a TOML document: another value or key, deleted, repeated, or moved."""
    lines = data.split(b"\n")
    places = [number for number, line in enumerate(lines) if b"=" in line or line.startswith(b"[")]
    if not places:
        return edit_text(data, rng)
    place = rng.choice(places)
    key, equals, value = lines[place].partition(b"=")
    how = rng.random()
    if how < 0.65 and equals:
        lines[place] = key + b"= " + rng.choice(_TOML_VALUES).encode()
    elif how < 0.75 and equals:
        other = lines[rng.choice(places)].partition(b"=")
        lines[place] = other[0] + b"=" + value
    elif how < 0.85:
        del lines[place]
    elif how < 0.9:
        lines.insert(place, lines[place])
    else:
        lines.insert(rng.choice(places), lines.pop(place))
    return b"\n".join(lines)


BYTES: tuple[Mutation, ...] = (
    flip_bits, set_bytes, truncate, zero_range, put_extreme, put_extreme, insert_bytes, remove_bytes, swap_blocks,
    repeat_block,
)  # fmt: skip
TEXT: tuple[Mutation, ...] = (edit_number, edit_number, edit_text)


def edit_json(data: bytes, rng: Random) -> bytes:
    """Change one node of a JSON document: another type, an extreme, deleted, renamed, or nested very deeply."""
    try:
        tree = json.loads(data)
        json.dumps(tree)
    except (ValueError, RecursionError):
        return edit_number(data, rng)
    if rng.random() < 0.04:
        return nested(data, rng)
    try:
        return json.dumps(edit_tree(tree, rng)).encode()
    except RecursionError:  # it is already nested deeply
        return edit_number(data, rng)


def nested(data: bytes, rng: Random) -> bytes:
    """Nest the document, or one of its values, in many brackets."""
    depth = rng.choice((500, 3000, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    deep = opening * depth + "1" + closing * depth
    found = list(_NUMBER.finditer(data))
    if not found or rng.random() < 0.3:
        return deep.encode()
    match = rng.choice(found)
    return data[: match.start()] + deep.encode() + data[match.end() :]


def edit_tree(tree: Any, rng: Random) -> Any:
    """Return a copy of plain values with one node changed."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    if not places:
        return _other_value(tree, rng)
    owner, key = rng.choice(places)
    how = rng.random()
    if how < 0.15:
        del owner[key]
    elif how < 0.25 and isinstance(owner, dict):
        owner[rng.choice((*TEXTS, f"{key} ", key.upper()))] = owner.pop(key)
    elif how < 0.35 and isinstance(owner, list):
        owner.extend([owner[key]] * rng.choice((1, 2, 7)))
    elif how < 0.45:
        other, at = rng.choice(places)
        owner[key] = copy.deepcopy(other[at])
    else:
        owner[key] = _other_value(owner[key], rng)
    return tree


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found.append((tree, key))
        found.extend(_places(value))
    return found


def _other_value(value: Any, rng: Random) -> Any:
    numbers = (0, -1, 1, 2, 3, 255, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"))
    if isinstance(value, int | float) and rng.random() < 0.5:
        return rng.choice(numbers)
    return rng.choice(
        (None, True, False, [], {}, [[]], [None], {"a": {}}, *numbers, *TEXTS, *NUMBERS[:12], [value], str(value))
    )


JSON: tuple[Mutation, ...] = (flip_bits, truncate, *(edit_json,) * 10, edit_number, edit_text)
TOML: tuple[Mutation, ...] = (flip_bits, truncate, *(edit_toml,) * 12, edit_number, edit_text)
PLAIN: tuple[Mutation, ...] = (*BYTES, *TEXT, *TEXT)


def mutate(data: bytes, rng: Random, mutations: tuple[Mutation, ...]) -> bytes:
    """Apply one mutation, rarely two or three; an empty file stays empty."""
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
        if not data:
            return data
        data = rng.choice(mutations)(data, rng)
    return data


def mutate_tree(folder: Path, rng: Random, mutations: Callable[[Path], tuple[Mutation, ...]]) -> None:
    """Damage one file below a folder, or delete, rename, copy or replace it or a folder."""
    entries = sorted(path for path in folder.rglob("*") if not path.is_symlink())
    files = [path for path in entries if path.is_file()]
    how = rng.random()
    if not entries:
        return
    if how < 0.7 and files:
        file = rng.choice(_documents_first(files, rng))
        file.write_bytes(mutate(file.read_bytes(), rng, mutations(file)))
        return
    entry = rng.choice(_documents_first(files, rng) if files and rng.random() < 0.5 else entries)
    if how < 0.78:
        _remove(entry)
    elif how < 0.84:
        name = rng.choice((entry.name + "x", entry.name.upper(), "0", "zarr.json", "a b", "-x", "µ"))
        _rename(entry, entry.with_name(name))
    elif how < 0.88:
        _rename(entry, entry.with_name(os.fsdecode(rng.choice((b"\xff\xfe", b"t\xe9st.tif", b"\x1b[31m")))))
    elif how < 0.93:
        was_file = entry.is_file()
        _remove(entry)
        if was_file:
            entry.mkdir()
        else:
            entry.write_bytes(b"not a folder")
    elif how < 0.97:
        target = rng.choice(entries)
        _remove(entry)
        if not entry.exists() and entry.parent.is_dir():
            entry.symlink_to(rng.choice((target, Path("nowhere"), entry)))
    else:
        other = rng.choice(files or entries)
        if other.is_file() and entry.is_file() and other != entry:
            entry.write_bytes(other.read_bytes())
        else:
            _remove(entry)


def _documents_first(files: list[Path], rng: Random) -> list[Path]:
    """Prefer metadata documents, which are few among many chunks."""
    documents = [file for file in files if file.name.startswith(".z") or file.suffix in (".json", ".xml", ".index")]
    return documents if documents and rng.random() < 0.8 else files


def _rename(entry: Path, to: Path) -> None:
    if not to.exists():
        entry.rename(to)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _at(data: bytes | bytearray, rng: Random) -> int:
    """Return a position; the first bytes of a file, which describe it, are more likely."""
    n = len(data)
    return rng.randrange(rng.choice((min(n, 64), min(n, 512), min(n, 4096), n, n)))
