"""Names of scenes: unique ones, their numbers, messages that list them, and output files named after them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from decrappify._common.argument_names import setting
from decrappify.errors import InputError

_LISTED = 12  # scenes named in a message
_NAME_BYTES = 100  # of a scene name in a file name (limit: 255)


def unique_names(names: Sequence[str | None]) -> list[str]:
    """Return the names with repeated and absent ones replaced by unique ones.

    >>> unique_names(["A1", None, "B2", "B2"])
    ['A1', 'scene 1', 'B2 (scene 2)', 'B2 (scene 3)']
    """
    clean = [(name or "").strip() for name in names]
    repeated = {name for name, count in Counter(clean).items() if count > 1}
    taken = {name for name in clean if name and name not in repeated}
    unique = []
    for number, name in enumerate(clean):
        if not name or name in repeated:
            numbered = f"scene {number}" if not name else f"{name} (scene {number})"
            while numbered in taken:  # by a scene that has this name in the file
                numbered += f" ({number})"
            taken.add(numbered)
            name = numbered
        unique.append(name)
    return unique


def scene_outputs(output: str | os.PathLike[str], names: Sequence[str]) -> list[Path]:
    """Return one output path per scene, with the name of the scene before the suffix.

    Spaces and parentheses become ``_``, other characters that are unsafe in a file name ``-``.

    Parameters
    ----------
    output : path
        Path with a suffix, such as ``cells.ome.zarr``.
    names : sequence of str
        Unique names of the scenes.

    Examples
    --------
    >>> [path.name for path in scene_outputs("out/cells.ome.zarr", ["A1", "B/03/0", "scene 2", "A1, H 3"])]
    ['cells_A1.ome.zarr', 'cells_B-03-0.ome.zarr', 'cells_scene_2.ome.zarr', 'cells_A1-H_3.ome.zarr']
    """
    output = Path(output)
    suffix = "".join(output.suffixes[-2:]) if output.stem.lower().endswith(".ome") else output.suffix
    stem = output.name.removesuffix(suffix)
    return [output.with_name(f"{stem}_{part}{suffix}") for part in scene_parts(names)]


def scene_parts(names: Sequence[str]) -> list[str]:
    """Return the part of a file name for each scene; the parts differ by more than case.

    >>> scene_parts(["A1", "a1", "field 3"])
    ['A1-0', 'a1-1', 'field_3']
    """
    plain = [_file_name_part(name) or str(number) for number, name in enumerate(names)]
    lowered = Counter(name.lower() for name in plain)
    taken = {name for name, count in lowered.items() if count == 1}
    parts = []
    for number, name in enumerate(plain):
        part = name
        if lowered[name.lower()] > 1:  # also if file names differ in case only
            part = f"{name}-{number}"
            while part.lower() in taken:
                part += f"-{number}"
            taken.add(part.lower())
        parts.append(part)
    return parts


def several_scenes(names: Sequence[str], what: str) -> str | None:
    """Return the warning that lists the scenes if the first one of several is opened by default; None for one scene.

    >>> several_scenes(["A1", "A2"], "cells.czi")
    "cells.czi contains 2 scenes (A1, A2) and only scene 0 (A1) was opened; choose another by scene='A2' (all ...
    """
    if len(names) < 2:
        return None
    listed = ", ".join(names[:_LISTED]) + (" ..." if len(names) > _LISTED else "")
    return (
        f"{what} contains {len(names)} scenes ({listed}) and only scene 0 ({names[0]}) was opened; choose another "
        f"by {setting('scene', names[1])} (all scenes: decrappify restore --scene all)"
    )


def scene_index(scene: int | str, names: Sequence[str], what: str) -> int:
    """Return the number of a scene from its number, its name, or a number in a string.

    Parameters
    ----------
    scene : int or str
        Value from the user.
    names : sequence of str
        Names of all scenes, as returned by `scenes`.
    what : str
        Name of the file in messages.

    Raises
    ------
    InputError
        If the scene does not exist; the message lists the existing ones.
    """
    if isinstance(scene, str):
        if scene in names:
            return names.index(scene)
        similar = [number for number, name in enumerate(names) if name.lower() == scene.lower()]
        if len(similar) == 1:
            return similar[0]
        if scene.isdecimal():
            scene = int(scene)
    if isinstance(scene, int) and not isinstance(scene, bool) and 0 <= scene < len(names):
        return scene
    listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names[:_LISTED]))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    only = "; 'all' is for decrappify restore" if scene == "all" else ""
    scenes = "scene" if len(names) == 1 else "scenes"
    raise InputError(f"scene {scene!r} is not in {what}, which has {scenes} {listed}{more}{only}")


def _file_name_part(name: str) -> str:
    """Return a scene name reduced to characters and a length that file systems and shells accept without quotes."""
    plain = re.sub(r"[\s()_]+", "_", re.sub(r"[^\w.()+\s-]+", "-", name))
    plain = re.sub(r"_*-_*", "-", plain).strip("_.")
    return plain.encode()[:_NAME_BYTES].decode(errors="ignore").strip("_.")
