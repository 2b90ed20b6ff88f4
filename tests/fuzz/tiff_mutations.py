"""Damage to TIFF files: entries and links of directories, and texts of tags."""

from __future__ import annotations

import struct
from random import Random

from .mutations import (
    BYTES,
    EXTREMES,
    TEXT,
    Mutation,
    edit_json,
    edit_number,
    put_extreme,
    remove_bytes,
    swap_blocks,
    truncate,
)

_TIFF_CODES = (254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 284, 296, 317, 320, 322, 323, 324,
               325, 338, 339, 305, 306, 330, 33628, 33629, 34412, 50838, 50839, 51123, 65420)  # fmt: skip


def edit_tag(data: bytes, rng: Random) -> bytes:
    """Change one entry of a TIFF directory, or the place of the next directory."""
    layout = _tiff_entries(data)
    if layout is None:
        return put_extreme(data, rng)
    order, big, entries, links = layout
    out = bytearray(data)
    word = "Q" if big else "I"
    how = rng.random()
    if how < 0.08:
        at = rng.choice(links)
        value = rng.choice(
            (0, 8, len(data), len(data) - 1, rng.randrange(len(data)), *[entry - 2 for entry in entries])
        )
        struct.pack_into(order + word, out, at, value)
        return bytes(out)
    at = rng.choice(entries)
    value_at = at + (12 if big else 8)
    extremes = [value & ((1 << (64 if big else 32)) - 1) for value in EXTREMES]
    if how < 0.2:
        struct.pack_into(order + "H", out, at, rng.choice(_TIFF_CODES))
    elif how < 0.35:
        struct.pack_into(order + "H", out, at + 2, rng.choice((0, 1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 16, 99, 65535)))
    elif how < 0.55:
        (count,) = struct.unpack_from(order + word, data, at + 4)
        struct.pack_into(order + word, out, at + 4, rng.choice((0, 1, 2, 3, max(count, 1) - 1, *extremes)))
    elif how < 0.9:
        value = rng.choice((0, 0, *extremes, len(data), rng.randrange(len(data))))
        (kind,) = struct.unpack_from(order + "H", data, at + 2)
        if kind == 3 and rng.random() < 0.7:
            struct.pack_into(order + "H", out, value_at, value & 0xFFFF)
        else:
            struct.pack_into(order + word, out, value_at, value)
    else:
        other, size = rng.choice(entries), 20 if big else 12
        out[at : at + size] = data[other : other + size]
    return bytes(out)


def edit_description(data: bytes, rng: Random) -> bytes:
    """Replace the text of a TIFF tag by a mutated one of any length, appended to the file."""
    layout = _tiff_entries(data)
    if layout is None:
        return edit_number(data, rng)
    order, big, entries, _ = layout
    word, value_at, inline = ("Q", 12, 8) if big else ("I", 8, 4)
    texts = []
    for at in entries:
        _, kind = struct.unpack_from(order + "HH", data, at)
        count, place = (struct.unpack_from(order + word, data, at + offset)[0] for offset in (4, value_at))
        if kind == 2 and inline < count < 1 << 20 and place + count <= len(data):
            texts.append((at, data[place : place + count].rstrip(b"\0")))
    if not texts:
        return edit_tag(data, rng)
    at, text = rng.choice(texts)
    change = rng.choice((*TEXT, edit_number, edit_json, swap_blocks, truncate, remove_bytes)) if text else edit_number
    text = change(text or b"1", rng) + b"\0"
    out = bytearray(data)
    struct.pack_into(order + word, out, at + 4, len(text))
    struct.pack_into(order + word, out, at + value_at, len(data))
    return bytes(out + text + bytes(8))


def _tiff_entries(data: bytes) -> tuple[str, bool, list[int], list[int]] | None:
    """Return byte order, whether it is BigTIFF, and the places of the entries and of the links between directories."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    word, count_word, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    links, entries = [8 if big else 4], []
    try:
        for _ in range(50):
            (at,) = struct.unpack_from(order + word, data, links[-1])
            if at == 0:
                break
            (count,) = struct.unpack_from(order + count_word, data, at)
            first = at + struct.calcsize(order + count_word)
            if count > 500 or first in entries:
                break
            entries += [first + size * number for number in range(count) if first + size * (number + 1) <= len(data)]
            links.append(first + size * count)
    except (struct.error, OverflowError):  # beyond the end of the file
        pass
    return (order, big, entries, [link for link in links if link + 8 <= len(data)]) if entries else None


TIFF: tuple[Mutation, ...] = (*BYTES, *(edit_tag,) * 12, *(edit_description,) * 12, *TEXT)
