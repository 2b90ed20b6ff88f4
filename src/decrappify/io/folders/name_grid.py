"""Arrangement of files by their names: frames, channels and slices of one movie, or of several scenes.

Pure functions on strings; no files are read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from decrappify.io.folders.name_fields import Field, name_fields, skeleton
from decrappify.movie import Plane

_SHARE = 0.5  # of the planes of a grid that must have a file
_STEPS_PER_FILE = 2  # numbers with more gaps than this are not time steps


@dataclass(frozen=True)
class Grid:
    """The files of one scene.

    Attributes
    ----------
    name : str
        Wells, sites and plates, such as ``"B02 s1"``; empty if there is one scene.
    files : dict
        Index of the file of each (t, c, z).
    shape : tuple of int
        Number of frames, channels and slices.
    channels : tuple of str
        Channel names; empty if the file names contain none.
    axes : frozenset of str
        Axes that are numbered in the file names.
    """

    name: str
    files: dict[Plane, int]
    shape: Plane
    channels: tuple[str, ...] = ()
    axes: frozenset[str] = frozenset()

    @property
    def missing(self) -> list[Plane]:
        """Planes (t, c, z) without a file, in order."""
        n_t, n_c, n_z = self.shape
        every = ((t, c, z) for t in range(n_t) for c in range(n_c) for z in range(n_z))
        return [] if len(self.files) == math.prod(self.shape) else [plane for plane in every if plane not in self.files]


@dataclass(frozen=True)
class Arrangement:
    """Result of arranging files by name.

    Attributes
    ----------
    grids : tuple of Grid
        One per scene; empty if the names do not belong together.
    reason : str
        Reason of the arrangement, for messages.
    is_sure : bool
        Whether other interpretations of the names are unusual.
    time_is_labeled : bool
        Whether the frame number has a label, such as t0001.
    """

    grids: tuple[Grid, ...]
    reason: str
    is_sure: bool = True
    time_is_labeled: bool = False


def arrange(names: Sequence[str]) -> Arrangement:
    """Arrange files by their names.

    Parameters
    ----------
    names : sequence of str
        Names without their suffix, all different, in natural order.

    Examples
    --------
    >>> arrange(["t1", "t2", "t4"]).grids[0].missing
    [(2, 0, 0)]
    >>> [(grid.name, grid.shape) for grid in arrange(["B02_s1_w1", "B02_s1_w2", "B02_s2_w1", "B02_s2_w2"]).grids]
    [('B02 s1', (1, 2, 1)), ('B02 s2', (1, 2, 1))]
    >>> arrange(["control", "treated"]).grids
    ()
    """
    if len(names) == 1:
        return Arrangement((single_grid(1),), "there is one file")
    fields = name_fields(names)
    chosen = _chosen(fields) if fields else "the file names share no running number"
    if isinstance(chosen, str):
        odd = _odd_names(names)
        reason = f"the names of {', '.join(odd[:3])} do not match the other {len(names) - len(odd)}" if odd else chosen
        numbered = any(field.varies and field.kind != "word" for field in fields or ())
        return Arrangement((), reason, is_sure=not odd and not numbered)
    roles, is_sure = chosen
    grids = _grids(roles, len(names))
    if grids is None:
        return Arrangement((), "the numbers in the file names do not form a complete series", is_sure=False)
    varying = [field for field in roles if field.varies]
    time = [field for field in varying if field.role == "T"]
    if len(varying) == 1 and time:
        reason = "the file names differ only in a number"
    else:
        reason = f"the file names number {_listed([_WHAT[f] for f in 'STCZ' if any(v.role == f for v in varying)])}"
    labeled = any(field.is_labeled for field in time)
    regular = all(_steps(field) is not None for field in time if field.kind != "stamp")
    return Arrangement(tuple(grids), reason, is_sure and (regular or labeled), labeled)


_SITES = frozenset({"s", "site", "f", "fld", "field", "fov", "xy", "pos", "position"})
_RECORDINGS = frozenset(
    {"series", "plate", "slide", "dish", "sample", "specimen", "patient", "animal", "mouse", "fish", "embryo", "rep"}
    | {"organoid", "replicate"}
)
_WHAT = {"S": "scenes", "T": "frames", "C": "channels", "Z": "slices"}


def single_grid(n_frames: int) -> Grid:
    """Return a grid of one file per frame, in order."""
    return Grid("", {(t, 0, 0): t for t in range(n_frames)}, (n_frames, 1, 1), axes=frozenset("T"))


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _odd_names(names: Sequence[str]) -> list[str]:
    """Return the names that differ from a majority of numbered ones."""
    (common, count), *_ = Counter(map(skeleton, names)).most_common(1)
    is_series = "0" in common and count >= max(3, len(names) // 2 + 1)
    return [name for name in names if skeleton(name) != common] if is_series else []


def _chosen(fields: list[Field]) -> tuple[list[Field], bool] | str:
    """Return the fields that determine a file's plane, with roles, and whether they are certain; or why none do."""
    has_axis = any(field.role and field.role in "TCZ" and field.varies for field in fields)
    needs_words = has_axis or not _is_unique([field for field in fields if field.role])
    words = [field for field in fields if not field.role and field.kind == "word"]
    if words and needs_words and not has_axis:
        return f"the file names differ in words ({', '.join(list(dict.fromkeys(words[0].values))[:3])})"
    placed = [replace(field, role="S") if field in words and needs_words else field for field in fields]
    placed = _without_copies([field for field in placed if field.role])
    varying = [field for field in placed if field.varies]
    numbers = [field for field in fields if not field.role and field not in words and field.varies]
    is_sure = len(varying) > 1 or not any(field.is_ambiguous for field in varying)
    if numbers and not (varying and _is_unique(placed)):
        has_time = any(field.role == "T" for field in varying)
        has_well = any(field.kind == "well" for field in placed)  # an unlabeled number after a well is a site
        is_site = has_time or has_well or _precedes(numbers[-1], varying, fields)
        time = None if is_site else numbers.pop()
        sites = [field for field in numbers if time is None or not _is_function(field, [time, *varying])]
        is_sure = is_sure and not sites and not varying and not (time is not None and time.is_ambiguous)
        placed += [replace(field, role="S") for field in sites]
        placed += [] if time is None else [replace(time, role="T")]
        order = [field.values for field in fields]
        placed.sort(key=lambda field: order.index(field.values))
    return (placed, is_sure) if _is_unique(placed) else "file names repeat a number"


def _precedes(number: Field, others: Sequence[Field], fields: Sequence[Field]) -> bool:
    """Return whether an unlabeled number, such as in exp2_c1, precedes other fields and is not padded like 0001."""
    order = [field.values for field in fields]
    is_padded = any(len(value) > 2 and value[0] == "0" for value in number.values)
    return not is_padded and any(order.index(other.values) > order.index(number.values) for other in others)


def _is_unique(fields: Sequence[Field]) -> bool:
    keys = list(zip(*(field.values for field in fields), strict=True))
    return bool(keys) and len(set(keys)) == len(keys)


def _is_function(field: Field, others: Sequence[Field]) -> bool:
    """Return whether `field` has one value for each value of one of the others, and vice versa."""
    return any(
        len(set(zip(field.values, other.values, strict=True))) == len(set(field.values)) == len(set(other.values))
        for other in others
    )


def _without_copies(fields: Sequence[Field]) -> list[Field]:
    """Return the fields without those that number the same axis as an earlier one."""
    kept: list[Field] = []
    for field in fields:
        same = [other for other in kept if other.role == field.role and other.varies and field.role in "TCZ"]
        if not (field.varies and same and _is_function(field, same)):
            kept.append(field)
    return kept


def _steps(field: Field) -> dict[str, int] | None:
    """Return the index of each value of a field in equal steps; None if they are irregular."""
    if field.kind != "number":
        return None
    numbers = {value: int(value) for value in set(field.values)}
    ordered = sorted(set(numbers.values()))
    step = math.gcd(*(b - a for a, b in pairwise(ordered))) or 1
    if (ordered[-1] - ordered[0]) // step + 1 > _STEPS_PER_FILE * len(ordered):
        return None
    return {value: (number - ordered[0]) // step for value, number in numbers.items()}


def _ranks(fields: Sequence[Field], *, with_gaps: bool) -> list[int]:
    """Return the index of each file along one axis."""
    varying = [field for field in fields if field.varies]
    if not varying:
        return []
    steps = _steps(varying[0]) if with_gaps and len(varying) == 1 else None
    if steps is not None:
        return [steps[value] for value in varying[0].values]
    keys = [tuple(_natural(value) for value in values) for values in zip(*(f.values for f in varying), strict=True)]
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return [ranks[key] for key in keys]


def _natural(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdecimal() else (-1, value)


def _grids(fields: Sequence[Field], n_files: int) -> list[Grid] | None:
    by_role = {role: [field for field in fields if field.role == role] for role in "STCZ"}
    axes = frozenset(axis for axis in "TCZ" if any(field.varies for field in by_role[axis]))
    ranks = [_ranks(by_role[axis], with_gaps=axis != "C") or [0] * n_files for axis in "TCZ"]
    places: list[Plane] = list(zip(*ranks, strict=True))
    members: dict[tuple[str, ...], list[int]] = {}
    for number, key in enumerate(_values(by_role["S"], n_files)):
        members.setdefault(key, []).append(number)
    n_planes = sum(_n_planes([places[number] for number in numbers]) for numbers in members.values())
    if n_planes * _SHARE > n_files:
        return None
    named = _naming(by_role["S"])
    names = {
        place[1]: " ".join(field.text(number) for field in by_role["C"] if field.varies)
        for number, place in enumerate(places)
    }
    channels = tuple(names[channel] for channel in sorted(names))
    spans = _spans(by_role["S"], list(members.values()), places)
    grids = []
    for numbers, (n_t, first_z, n_z) in zip(members.values(), spans, strict=True):
        name = " ".join(field.text(numbers[0]) for field in named) if len(members) > 1 else ""
        files = {(t, c, z - first_z): number for number in numbers for t, c, z in [places[number]]}
        grids.append(Grid(name, files, (n_t, len(channels), n_z), channels if "C" in axes else (), axes))
    return grids


def _values(fields: Sequence[Field], n_files: int) -> list[tuple[str, ...]]:
    """Return the values of the fields in each file name."""
    return list(zip(*(field.values for field in fields), strict=True)) or [()] * n_files


def _n_planes(places: Sequence[Plane]) -> int:
    """Return the number of planes of a scene that does not share its frames, channels and slices with others."""
    n_t, _, n_z = _span(places)
    return n_t * len({c for _, c, _ in places}) * n_z


def _span(places: Sequence[Plane]) -> tuple[int, int, int]:
    """Return the number of frames from the first of the folder, the first slice, and the number of slices."""
    slices = [z for _, _, z in places]
    return 1 + max(t for t, _, _ in places), min(slices), 1 + max(slices) - min(slices)


def _spans(
    fields: Sequence[Field], scenes: Sequence[Sequence[int]], places: Sequence[Plane]
) -> list[tuple[int, int, int]]:
    """Return the span of each scene: that of all wells and sites of its recording, unless most of it has no file."""
    recordings = _values(_recordings(fields), len(places))
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, recording in enumerate(recordings):
        groups.setdefault(recording, []).append(number)
    n_scenes = Counter(recordings[numbers[0]] for numbers in scenes)
    shared = {}
    for key, group in groups.items():
        n_t, first_z, n_z = _span([places[number] for number in group])
        n_planes = n_scenes[key] * n_t * len({places[number][1] for number in group}) * n_z
        if n_planes * _SHARE <= len(group):
            shared[key] = n_t, first_z, n_z
    return [shared.get(recordings[numbers[0]]) or _span([places[number] for number in numbers]) for numbers in scenes]


def _recordings(fields: Sequence[Field]) -> list[Field]:
    """Return the fields that number separate recordings, such as mouse1, and not wells or sites of one."""
    # A1, A2 without a label are wells, too; other words and numbers next to a well describe it
    has_wells = any(field.kind == "well" or (field.is_ambiguous and not field.is_labeled) for field in fields)
    return [
        field
        for field in fields
        if field.kind != "well" and (field.before.lower() in _RECORDINGS if field.is_labeled else not has_wells)
    ]


def _naming(fields: Sequence[Field]) -> list[Field]:
    """Return the fields that form the name of a scene: all that vary, and a constant well (if single) and sites."""
    same = [field for field in fields if not field.varies]
    wells = [field for field in same if field.kind == "well"]
    kept = [field for field in same if field.before.lower() in _SITES] + (wells if len(wells) == 1 else [])
    chosen = [field for field in fields if field.varies or field in kept]
    texts = [[field.text(number) for number in range(len(field.values))] for field in chosen]
    return [field for number, field in enumerate(chosen) if texts[number] not in texts[:number]]
