"""Parser of a CZI scene with an index along its further dimensions, as the user writes it: "A1, H 3", "A1, H sum"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.io.scene_names import scene_index

KINDS = {
    "R": "rotations",
    "I": "illuminations",
    "H": "detector elements or phases",
    "V": "views",
    "B": "blocks",
}
_INDEX = re.compile(r"([RIHVB])(?:\s*=\s*|\s+)(\d+|sum)", re.IGNORECASE)


def parse_scene(scene: int | str, names: Sequence[str], what: str) -> tuple[int, dict[str, int | None]]:
    """Return the number of a scene and the indices along further dimensions, None for the sum over a dimension.

    Parameters
    ----------
    scene : int or str
        Number or name of a scene, followed by indices such as ``H 3`` or ``V 1``, separated by commas. In a file with
        one scene its name may be omitted.
    names : sequence of str
        Names of all scenes.
    what : str
        Name of the file in messages.

    Raises
    ------
    InputError
        If the scene does not exist, or the file has several and none is named.

    Examples
    --------
    >>> parse_scene("A2, H 3", ["A1", "A2"], "cells.czi")
    (1, {'H': 3})
    >>> parse_scene("h sum", ["A1"], "cells.czi")
    (0, {'H': None})
    """
    if not isinstance(scene, str):
        return scene_index(scene, names, what), {}
    parts = [part.strip() for part in scene.split(",")]
    picks: dict[str, int | None] = {}
    while scene not in names and parts and (found := _INDEX.fullmatch(parts[-1])):
        picks.setdefault(found[1].upper(), None if found[2].lower() == "sum" else int(found[2]))
        parts.pop()
        scene = ", ".join(parts)
    if scene or not picks:
        return scene_index(scene, names, what), picks
    if len(names) > 1:
        raise InputError(
            f"{what} has {len(names)} scenes, name one of them before {next(iter(picks))}, such as "
            f"{scene_label(names[0], picks)!r}"
        )
    return 0, picks


def scene_label(name: str | None, picks: Mapping[str, int | None]) -> str:
    """Return the scene argument for some indices; without a name if the file has one scene.

    >>> scene_label("A1", {"H": None, "V": 2})
    'A1, H sum, V 2'
    """
    return ", ".join(
        [*filter(None, [name]), *(f"{letter} {'sum' if index is None else index}" for letter, index in picks.items())]
    )


def check_picks(picks: Mapping[str, int | None], further: Mapping[str, Sequence[int]], what: str) -> None:
    """Raise InputError if an index does not exist.

    Raises
    ------
    InputError
        If an index does not exist in the scene; the message lists the existing ones.
    """
    for letter, index in picks.items():
        numbers = further.get(letter, (0,))
        if index is not None and index not in numbers:
            listed = (
                f"has {letter} {_listed(numbers)}" if len(numbers) > 1 else f"has no {KINDS[letter]} to choose from"
            )
            raise InputError(f"{letter} {index} is not in {what}, which {listed}")


def left_out_message(
    name: str | None,
    picks: Mapping[str, int | None],
    further: Mapping[str, Sequence[int]],
    opened: Mapping[str, int],
) -> str | None:
    """Return the message, without the file name, about indices that were not opened; None if there are none.

    Parameters
    ----------
    name : str or None
        Name of the scene; None in a file with one.
    picks : mapping of str to (int or None)
        Indices that the user chose, None for a sum.
    further : mapping of str to sequence of int
        All indices along the dimensions that have several.
    opened : mapping of str to int
        The indices that were opened.
    """
    unasked = {letter: numbers for letter, numbers in further.items() if letter not in picks}
    if not unasked:
        return None
    counts = " and ".join(
        f"{len(numbers)} {KINDS[letter]} ({letter} {_listed(numbers)})" for letter, numbers in unasked.items()
    )
    others = {letter: next(n for n in numbers if n != opened[letter]) for letter, numbers in unasked.items()}
    taken = ", ".join(f"{letter} {opened[letter]}" for letter in unasked)
    other = scene_label(name, {**picks, **others})
    total = scene_label(name, {**picks, **{letter: opened[letter] for letter in unasked}, "H": None})
    by_sum = f", or their sum over H by {setting('scene', total)}" if "H" in unasked else ""
    return f" contains {counts} and only {taken} was opened; choose by {setting('scene', other)}{by_sum}"


def _listed(numbers: Sequence[int]) -> str:
    if 2 < len(numbers) == numbers[-1] - numbers[0] + 1:  # they are sorted; a damaged file may state 2**31 - 1
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
