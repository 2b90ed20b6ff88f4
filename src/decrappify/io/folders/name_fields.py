"""Fields of file names: running numbers, wells, channels and words, with the axis named by their labels.

Pure functions on strings. `decrappify.io.folders.name_grid` arranges files by these fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

# Labels that precede a number, in lower case: t0001, Z_03, ch2, pos1.
_LABELS = {
    "T": "t tp tm tl time times timepoint timepoints timestep timelapse frame frames elapsed",
    "Z": "z zpos zslice zstep zplane slice slices plane planes section depth",
    "C": "c ch chn chan channel channels w wv wave wavelength cam camera",
    "S": "s u v x y xy m p f fld fov field site pos position stage series scene well tile view angle region point row"
    " col sample specimen slide dish plate patient animal mouse fish embryo organoid rep replicate",
}
_ROLE = {label: role for role, labels in _LABELS.items() for label in labels.split()}
_SUFFIX_ROLE = {"t": "T", "z": "Z", "c": "C", "ch": "C", "nm": "C", "x": "S", "y": "S"} | dict.fromkeys(
    ("h", "hr", "hrs", "min", "sec", "msec", "ms"), "T"
)
# Labels with another meaning in other programs: field or frame, position or plane, site or slice.
_AMBIGUOUS = frozenset({"f", "p", "s", "m", "x", "y", "u", "v", "w"})
_WELL = re.compile(r"(?:[Ww]ell)?([A-P]\d{1,2}|[a-p]\d{2})")
_CHANNEL_WORD = re.compile(
    r"dapi|hoechst\d*|draq\d|e?[gycb]fp|[em]?rfp|tagrfp|irfp\d*|m?cherry|mscarlet\w?|mneongreen|mkate\d?|m?ruby\d?|tdtomato"
    r"|ds-?red|cy[2357](\.?5)?|fitc|tritc|tx-?red|texas-?red|af\d{3}|alexa(fluor)?\d{3}|atto\d{3}[a-z]?|sir|bodipy"
    r"|bf|brightfield|bright|tl|trans(mitted)?|phase|ph\d?|pc|dic|pmt\d?|(ex|em)?\d{3}(nm)?|laser\d{3}"
    r"|(?:ch|channel)[a-z]+\d*|red|green|blue|far-?red|cyan|magenta|yellow|nir|uv|fluorescence|fluo"
)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ELAPSED = re.compile(r"(?<![^\W_])(\d+)d(\d{1,2})h(\d{1,2})m(?![^\W_])")
_STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.y]?(0\d|1[0-2])[-_.m]?([0-3]\d)d?[-_ T.]*([01]\d|2[0-3])[-_.h]?([0-5]\d)"
    r"(?:[-_.m]?([0-5]\d))?m?s?(?!\d)"
)

# Names written by instruments. Groups: pre (plate), well or row and col, s (site), t, c or cname, z.
_VENDORS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<pre>.*?)r(?P<row>\d{2})c(?P<col>\d{2})f(?P<s>\d+)p(?P<z>\d+)-ch(?P<c>\d+)(?:(?:sk|t)(?P<t>\d+))?(?:fk\d+)?(?:fl\d+)?",
        r"(?:(?P<pre>.*?)_)?(?P<well>[A-P]\d{2})_T(?P<t>\d+)F(?P<s>\d+)L\d+A\d+Z(?P<z>\d+)C(?P<c>\d+)",
        r"(?P<pre>.*?)W(?P<w>\d{4})F(?P<s>\d{4})T(?P<t>\d+)Z(?P<z>\d+)C(?P<c>\d+)",
        r"(?:(?P<pre>.*?)_)?(?P<well>[A-Pa-p]\d{2})(?=_[swtz]\d)(?:_t(?P<t>\d+))?(?:_s(?P<s>\d+))?(?:_z(?P<z>\d+))?"
        r"(?:_w(?P<c>\d))?",
        r"(?P<pre>.*?)_w(?P<c>\d)(?P<cname>[A-Za-z][^_]*)(?:_s(?P<s>\d+))?(?:_t(?P<t>\d+))?",
        r"Channel(?P<c>\d+)-(?P<s>\d+)-(?P<row>[A-P])-(?P<col>\d+)",
        r"(?P<row>\d{3})(?P<col>\d{3})-(?P<s>\d+)-(?P<z>\d{3})(?P<t>\d{3})(?P<c>\d{3})",
        r"(?P<pre>.*?)_?(?P<well>[A-P]\d{2})f(?P<s>\d+)d(?P<c>\d+)",
        r"(?P<row>[A-P]) - (?P<col>\d+)\(fld (?P<s>\d+)(?: wv (?P<cname>.*?))?(?: z (?P<z>\d+))?"
        r"(?: (?:tm|time) (?P<t>\d+))?\)",
        r"(?:(?P<pre>.*?)_)?(?P<well>[A-P]\d{1,2})_(?P<s>\d+)_(?:elapsed|stamp)(?P<t>\d+)",
        r"(?P<pre>.*?)img_(?P<t>\d{9})_(?P<cname>.+)_(?P<z>\d{3})",
        r"(?P<well>[A-P]\d{1,2})_(?P<s>\d+_\d+_\d+)(?:Z(?P<z>\d+))?_(?P<cname>[A-Za-z][^_]*)_(?P<t>\d+)",
    )
)


@dataclass(frozen=True)
class Field:
    """One field of all file names.

    Attributes
    ----------
    values : tuple of str
        One per name, as written.
    role : str
        Axis ``"T"``, ``"C"`` or ``"Z"``, ``"S"`` for a scene (well, site, plate), or ``""``.
    kind : {"number", "well", "word", "stamp"}
        A stamp is a date and time, in seconds.
    before, after : str
        Letters as written, before and after the number.
    is_labeled : bool
        Whether the role is derived from these letters or the form of the name.
    is_ambiguous : bool
        Whether the label has another meaning in other programs.
    """

    values: tuple[str, ...]
    role: str = ""
    kind: str = "number"
    before: str = ""
    after: str = ""
    is_labeled: bool = True
    is_ambiguous: bool = False

    @cached_property
    def varies(self) -> bool:
        """Return whether the names differ in this field."""
        return len(set(self.values)) > 1

    def text(self, index: int) -> str:
        """Return the value of one name with its label, such as ``"s1"``."""
        return f"{self.before}{self.values[index]}{self.after}"


def name_fields(names: Sequence[str]) -> list[Field] | None:
    """Split names into fields; return None if they have no common structure.

    Parameters
    ----------
    names : sequence of str
        File names without their suffix.

    Examples
    --------
    >>> [(field.role, field.values) for field in name_fields(["cells_t1_DAPI", "cells_t2_DAPI"]) if field.varies]
    [('T', ('1', '2'))]
    >>> [(field.role, field.values) for field in name_fields(["B02_s1_w1", "B03_s1_w1"]) if field.varies]
    [('S', ('B02', 'B03'))]
    >>> name_fields(["control", "mouse_2_overview"]) is None
    True
    """
    clean = [_STAMP.sub(_stamp, _ELAPSED.sub(_elapsed, _GUID.sub("", name))) for name in names]
    if len(set(clean)) < len(clean):
        clean = list(names)
    return _vendor_fields(clean) or _foldered_vendor_fields(clean) or _generic_fields(clean)


def is_channel_word(word: str) -> bool:
    """Return whether a word names a fluorophore, a color or a contrast.

    >>> is_channel_word("mCherry"), is_channel_word("BF_LED_full"), is_channel_word("control")
    (True, True, False)
    """
    return any(_CHANNEL_WORD.fullmatch(part) for part in re.split(r"[_ ]+", word.lower()) if part)


def _elapsed(match: re.Match[str]) -> str:
    days, hours, minutes = map(int, match.groups())
    return f"elapsed{((days * 24 + hours) * 60 + minutes) * 60}"


def _stamp(match: re.Match[str]) -> str:
    from datetime import datetime

    year, month, day, hour, minute, second = (int(number or 0) for number in match.groups())
    try:
        passed = datetime(year, month, day, hour, minute, second) - datetime(1900, 1, 1)
        return f"stamp{int(passed.total_seconds())}"
    except ValueError:
        return match.group()


def _vendor_fields(names: Sequence[str]) -> list[Field] | None:
    for pattern in _VENDORS:
        if not pattern.fullmatch(names[0]):
            continue
        matches = [match for name in names if (match := pattern.fullmatch(name))]
        if len(matches) < len(names) or any("/" in match[0] for match in matches):
            continue
        groups: dict[str, tuple[str, ...]] = {
            group: tuple(match[group] or "" for match in matches)
            for group in pattern.groupindex
            if any(match[group] for match in matches)
        }
        fields = _plate_fields(groups)
        if "cname" in groups:
            groups.pop("c", None)
        for group, role, before in (
            *(("s", "S", "s"), ("t", "T", "t"), ("z", "Z", "z")),
            *(("c", "C", "w" if "_w" in pattern.pattern else "C"), ("cname", "C", "")),
        ):
            if group in groups and all(groups[group]):
                kind = "word" if group == "cname" else "number"
                fields.append(Field(groups[group], role, kind, before))
            elif group in groups:
                return None
        return fields
    return None


def _foldered_vendor_fields(names: Sequence[str]) -> list[Field] | None:
    """Return the fields of folders such as TimePoint_1 together with those of instrument names in them."""
    parts = [name.rpartition("/") for name in names]
    if not all(folder for folder, _, _ in parts):
        return None
    inside = _vendor_fields([name for _, _, name in parts])
    folders = _generic_fields([folder for folder, _, _ in parts])
    if inside is None or folders is None:
        return None
    return [*(replace(field, role="S") if field.kind == "word" else field for field in folders), *inside]


def _plate_fields(groups: dict[str, tuple[str, ...]]) -> list[Field]:
    """Return the plate if it varies, and the well as a letter and a number."""
    fields = []
    if "pre" in groups and len(set(groups["pre"])) > 1:
        fields.append(Field(tuple(prefix.strip("_-/ ") for prefix in groups["pre"]), "S", "word"))
    if "row" in groups:
        rows = [chr(ord("A") + int(row) - 1) if row.isdecimal() else row for row in groups["row"]]
        wells = tuple(f"{row}{int(col):02d}" for row, col in zip(rows, groups["col"], strict=True))
        fields.append(Field(wells, "S", "well"))
    elif "well" in groups:
        fields.append(Field(groups["well"], "S", "well"))
    if "w" in groups:
        fields.append(Field(groups["w"], "S", "number", "W"))
    return fields


def _generic_fields(names: Sequence[str]) -> list[Field] | None:
    split = [re.split(r"([\W_]+)", name) for name in names]
    if len({len(parts) for parts in split}) > 1:
        aligned = _aligned_at_the_end(split)
        if aligned is None:
            return None
        split = aligned
    fields: list[Field] = []
    columns = list(zip(*split, strict=True))
    for number, column in enumerate(columns):
        if number % 2:  # separators
            continue
        before = columns[number - 2] if number > 1 else ("",) * len(names)
        after = columns[number + 2] if number + 2 < len(columns) else ("",) * len(names)
        fields += _chunk_fields(column, _constant(before), _constant(after))
    return _resolved(_joined_words(fields))


def _constant(column: Sequence[str]) -> str:
    return column[0] if len(set(column)) == 1 else ""


def skeleton(chunk: str) -> str:
    """Return the text with every number replaced by 0, in lower case."""
    return re.sub(r"\d+", "0", chunk).lower()


def _aligned_at_the_end(split: list[list[str]]) -> list[list[str]] | None:
    """Join the parts before the common end of all names, such as _t001_c1 after names of one or two words."""
    common = 0
    while all(len(parts) > 2 * common + 2 for parts in split) and (
        len({skeleton(parts[-1 - 2 * common]) for parts in split}) == 1
    ):
        common += 1
    if not common:
        return None
    kept = 2 * common - 1
    return [["".join(parts[: -kept - 1]), "_", *parts[-kept:]] for parts in split]


def _chunk_fields(column: Sequence[str], before: str, after: str) -> list[Field]:
    """Return the fields of one chunk between separators."""
    if len({skeleton(chunk) for chunk in column}) > 1:
        wells = [match[1] for chunk in column if (match := _WELL.fullmatch(chunk))]
        if len(wells) == len(column):
            return [Field(tuple(wells), "S", "well")]
        return [Field(tuple(column), "", "word", is_labeled=False)]
    tokens = [re.findall(r"\d+|\D+", chunk) for chunk in column]
    fields = []
    for place, token in enumerate(tokens[0]):
        if not token.isdecimal():
            continue
        letters = tokens[0][place - 1] if place else before if before.isalpha() else ""
        suffix = tokens[0][place + 1] if place + 1 < len(tokens[0]) else after
        values = tuple(parts[place] for parts in tokens)
        if place == 1 and len(tokens[0]) == 2 and before.lower() == "well":
            fields.append(Field(tuple(column), "S", "well"))
            continue
        field = _number_field(values, letters, suffix, is_whole=len(tokens[0]) == 2 and place == 1)
        fields.append(field if field.is_labeled or not place else replace(field, before=letters))
    return fields


def _number_field(values: tuple[str, ...], letters: str, suffix: str, *, is_whole: bool) -> Field:
    if letters == "stamp":
        return Field(values, "", "stamp", is_labeled=False)
    may_be_well = is_whole and len(letters.lower().removeprefix("well")) == 1
    if may_be_well and all(_WELL.fullmatch(letters + value) for value in values):
        is_well = letters.lower() not in _ROLE and all(len(value) == 2 for value in values)
        if is_well or len(letters) > 1:
            return Field(tuple(letters[-1] + value for value in values), "S", "well", is_ambiguous=len(letters) == 1)
        if letters.lower() not in _ROLE:
            return Field(values, is_labeled=False, is_ambiguous=True)  # A1, A2: wells, or numbered images
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", letters)
    for label in (letters, words[-1] if words else "", letters[-2:] if letters[-2:].lower() == "xy" else ""):
        role = _ROLE.get(label.lower())
        if role:
            return Field(values, role, "number", label, is_ambiguous=label.lower() in _AMBIGUOUS)
    is_magnification = suffix.lower() in ("x", "y") and any(len(value) < 3 for value in values)
    if suffix.lower() in _SUFFIX_ROLE and not is_magnification and not (letters.isalpha() and is_whole):
        return Field(values, _SUFFIX_ROLE[suffix.lower()], "number", "", suffix)
    return Field(values, is_labeled=False)


def _joined_words(fields: list[Field]) -> list[Field]:
    """Join neighboring words into one field; words that all name channels have the role ``"C"``."""
    joined: list[Field] = []
    for field in fields:
        if field.kind == "word" and joined and joined[-1].kind == "word" and not _are_apart(joined[-1], field):
            values = tuple(f"{a}_{b}" for a, b in zip(joined[-1].values, field.values, strict=True))
            joined[-1] = replace(field, values=values)
        else:
            joined.append(field)
    return [
        replace(field, role="C") if field.kind == "word" and all(map(is_channel_word, field.values)) else field
        for field in joined
    ]


def _are_apart(word: Field, other: Field) -> bool:
    """Return whether only one of two neighboring words names the channel, as in ctrl_DAPI, drug_DAPI, and so on."""
    if sum(all(map(is_channel_word, field.values)) for field in (word, other)) != 1:
        return False
    pairs = set(zip(word.values, other.values, strict=True))
    return len(pairs) > max(len(set(word.values)), len(set(other.values)))


def _resolved(fields: list[Field]) -> list[Field]:
    """Resolve labels that depend on other fields: C02 or W01 is a well if there is another channel label."""
    channels = [field for field in fields if field.role == "C"]
    if len({field.before.lower() for field in channels}) < 2:
        return fields
    for field in channels:
        if field.before == "C" and all(len(value) == 2 for value in field.values):
            well = Field(tuple(f"C{value}" for value in field.values), "S", "well")
            return [well if other is field else other for other in fields]
    return [
        replace(field, role="S") if field in channels and field.before.lower() == "w" else field for field in fields
    ]
