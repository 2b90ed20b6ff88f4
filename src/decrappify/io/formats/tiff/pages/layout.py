"""Layout of the planes of a TIFF movie: the axes of its pages, and the planes that were not recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from decrappify.io.integrity.missing_planes import MissingNote, describe_missing, list_planes
from decrappify.movie import parse_axes

_NOUNS = {"T": "frame", "C": "channel", "Z": "slice"}


@dataclass(slots=True)
class Layout:
    """Axes and shape of the pages of a series, as stored and as opened.

    Attributes
    ----------
    axes : str
        One letter per dimension, slowest first: T, C, Z, Y, X, S (samples), and those of `fixed`.
    shape : tuple of int
        Sizes declared by the file.
    fixed : dict
        Indices along the axes that distinguish scenes.
    sizes : dict
        Sizes as opened, by axis: those in `shape`, without steps at the end that were never recorded.
    missing : set of (t, c, z)
        Planes within `sizes` that were not recorded; c counts channels, not samples.
    announced : dict
        Declared sizes of the axes that are shorter in `sizes`.
    """

    axes: str
    shape: tuple[int, ...]
    fixed: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    missing: set[tuple[int, int, int]] = field(default_factory=set)
    announced: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = {axis: 1 if axis in self.fixed else n for axis, n in zip(self.axes, self.shape, strict=True)}

    def page_number(self, leading: str, index: Mapping[str, Any]) -> int:
        """Return the number of the page at an index along the `leading` axes."""
        number = 0
        for axis, size in zip(leading, self.shape, strict=False):
            number = number * size + (self.fixed[axis] if axis in self.fixed else index[axis])
        return number


def named_axes(found: str, shape: tuple[int, ...], given: str | None, fixed: Mapping[str, int], name: str) -> str:
    """Return the axes of a series by TCZYX, S for samples and the letters of `fixed`.

    Parameters
    ----------
    found : str
        Axes as named by tifffile.
    shape : tuple of int
        Sizes.
    given : str, optional
        Axes named by the user, without those of `fixed`.
    fixed : mapping
        Indices along the axes that distinguish scenes.
    name : str
        File name for messages.

    Raises
    ------
    InputError
        If the axes are unknown, or `given` does not match.
    """
    own = [position for position, axis in enumerate(found) if axis not in fixed]
    unnamed = [found[position] for position in own if found[position] not in "TCZYXS"]
    names = "".join(found[position] for position in own)
    if len(unnamed) == 1 and unnamed[0] in "QI" and "T" not in names:
        names = names.replace(unnamed[0], "T")
    sizes = tuple(shape[position] for position in own)
    letters = iter(parse_axes(sizes, given, names=names, what=name, is_named=True, with_samples=True))
    return "".join(axis if axis in fixed else next(letters) for axis in found)


def without_single_axes(
    axes: str, shape: tuple[int, ...], fixed: Mapping[str, int], given: str | None
) -> tuple[str, tuple[int, ...], str | None]:
    """Return axes, sizes and the user's axes without unnamed axes of size 1, as of arrays (Y, X, 1).

    >>> without_single_axes("QYXQ", (5, 20, 24, 1), {}, "TYXC")
    ('QYX', (5, 20, 24), 'TYX')
    """
    free = [place for place, axis in enumerate(axes) if axis not in fixed]
    kept = [place for place, (axis, size) in enumerate(zip(axes, shape, strict=True)) if size > 1 or axis not in "QI"]
    if given is not None and len(given) == len(free):
        letters = dict(zip(free, given, strict=True))
        if any(letter.upper() in "YX" for place, letter in letters.items() if place not in kept):
            return axes, shape, given
        given = "".join(letter for place, letter in letters.items() if place in kept)
    return "".join(axes[place] for place in kept), tuple(shape[place] for place in kept), given


def announced_layout(axes: str, sizes: Sequence[int], n_pages: int) -> tuple[str, tuple[int, ...]] | None:
    """Return axes and sizes of fewer pages than declared, shortened along the slowest axis.

    Parameters
    ----------
    axes : str
        Declared axes, slowest first.
    sizes : sequence of int
        Declared sizes.
    n_pages : int
        Number of existing pages; the last step of the slowest axis may be incomplete.

    Returns
    -------
    (str, tuple of int) or None
        Without axes of size 1; None if at least as many pages exist as declared.

    Examples
    --------
    >>> announced_layout("TZC", (20, 1, 2), 25)
    ('TC', (13, 2))
    """
    if n_pages >= math.prod(sizes):
        return None
    kept = [(axis, size) for axis, size in zip(axes, sizes, strict=True) if size > 1]
    while len(kept) > 1 and math.prod(size for _, size in kept[1:]) >= n_pages:
        kept = kept[1:]  # not one step of the slowest axis is complete
    inner = math.prod(size for _, size in kept[1:])
    kept[0] = (kept[0][0], math.ceil(n_pages / inner))
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept)


def mark_missing(layout: Layout, leading: str, is_there: Callable[[int], bool], *, trim: bool) -> None:
    """Find the planes that were not recorded, and remove steps at the end without any plane.

    Parameters
    ----------
    layout : Layout
        Its `sizes`, `announced` and `missing` are set.
    leading : str
        Axes along which pages follow each other.
    is_there : callable
        Returns whether the page of this number was recorded.
    trim : bool
        Whether steps without any plane at the end of an axis are removed.
    """
    free = [axis for axis in leading if axis not in layout.fixed]
    sizes = [layout.sizes[axis] for axis in free]
    there: list[tuple[int, ...]] = []
    absent: list[tuple[int, ...]] = []
    for index in product(*(range(size) for size in sizes)):
        found = is_there(layout.page_number(leading, dict(zip(free, index, strict=True))))
        (there if found else absent).append(index)
    if not absent or not there:
        return
    for place, axis in enumerate(free):
        last = max(index[place] for index in there) + 1
        if trim and last < sizes[place]:
            layout.announced.setdefault(axis, sizes[place])
            layout.sizes[axis] = last
    inside = [index for index in absent if all(i < layout.sizes[axis] for i, axis in zip(index, free, strict=True))]
    by_axis = [dict(zip(free, index, strict=True)) for index in inside]
    layout.missing = {(index.get("T", 0), index.get("C", 0), index.get("Z", 0)) for index in by_axis}


def recorded_note(name: str, layout: Layout, lost: Sequence[str] = ()) -> MissingNote | None:
    """Return a note on the absent planes of a movie, None if it is complete.

    Parameters
    ----------
    name : str
        File name.
    layout : Layout
        As set by `mark_missing`.
    lost : sequence of str
        Files of the same set that are missing.
    """
    declared = [
        f"states {size} {_NOUNS.get(axis, axis)}s and contains {layout.sizes.get(axis, 1)} "
        "(aborted, or split over several files): opened with those"
        for axis, size in layout.announced.items()
    ]
    parts = list(declared)
    if lost:
        files = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        parts.append(
            f"{files} of the same set not found in this folder: copy {'it' if len(lost) == 1 else 'them'} there"
        )
    if layout.missing:
        n_t, n_c, n_z = (layout.sizes.get(axis, 1) for axis in "TCZ")
        named = list_planes(layout.missing, (n_t, n_c, n_z))
        verb = "is" if len(layout.missing) == 1 else "are"
        absent = f"{len(layout.missing)} of {n_t * n_c * n_z} planes {verb} missing ({named})"
        parts.append(absent if lost else describe_missing(layout.missing, (n_t, n_c, n_z)))
        parts.append("they are read as zeros")
    if not parts:
        return None
    return MissingNote(f"{name}: {'; '.join(parts)}", f"{name}: {'; '.join(declared)}" if declared else "")
