"""Layout of a CZI scene: recorded planes, their position, and the movie's numbering of the file's indices."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decrappify.errors import FormatError, InputError
from decrappify.io.formats.czi.directory import Blocks
from decrappify.movie import Plane

FURTHER = "RIHVB"  # dimensions other than S, T, C, Z, M
_MOST_PLANES = 20_000_000
_MOST_OF_FEW, _MOST_PER_BLOCK = 500_000, 100  # planes; all without a block are listed as missing


@dataclass(frozen=True, slots=True)
class SceneLayout:
    """One scene of a CZI file, at one index of its further dimensions or summed over some.

    Attributes
    ----------
    scene : int or None
        Number of the scene in the file; None for a file without scenes.
    x, y, width, height : int
        Position and size in the file's pixel coordinates.
    axes : tuple of (int array)
        Numbers of the movie's frames, channels and slices in the file.
    indices : tuple of mapping
        The indices along the further dimensions; the pixels are the sum over them.
    further : mapping of str to int array
        The numbers along the further dimensions that have several in this scene.
    pixel_types : tuple of int
        Pixel type of every channel.
    missing : frozenset of (t, c, z)
        Planes within the axes that were not recorded.
    partial : mapping of (t, c, z) to (int, int)
        Number of tiles of each incomplete plane, and of a complete one.
    elsewhere : int
        Number of the missing planes that are in another file of the recording.
    """

    scene: int | None
    x: int
    y: int
    width: int
    height: int
    axes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    indices: tuple[dict[str, int], ...]
    further: dict[str, tuple[int, ...]]
    pixel_types: tuple[int, ...]
    missing: frozenset[Plane]
    partial: dict[Plane, tuple[int, int]]
    elsewhere: int


def scene_numbers(blocks: Blocks) -> list[int | None]:
    """Return the numbers of the scenes in the file, ascending; [None] for a file without scenes."""
    return [int(number) for number in np.unique(blocks.index["S"])] if "S" in blocks.index else [None]


def scene_blocks(blocks: Blocks, scene: int | None) -> Blocks:
    """Return the sub-blocks of one scene, selected by its number in the file."""
    return blocks if scene is None else blocks.where(blocks.index["S"] == scene)


def rectangle(blocks: Blocks) -> tuple[int, int, int, int]:
    """Return (x, y, width, height) of the bounding rectangle of sub-blocks."""
    left, top = int(blocks.x.min()), int(blocks.y.min())
    return left, top, int((blocks.x + blocks.width).max()) - left, int((blocks.y + blocks.height).max()) - top


def further_numbers(blocks: Blocks) -> dict[str, tuple[int, ...]]:
    """Return the numbers along the further dimensions (R, I, H, V, B) that have more than one."""
    found = {letter: np.unique(blocks.numbers(letter)) for letter in FURTHER}
    return {letter: tuple(map(int, numbers)) for letter, numbers in found.items() if len(numbers) > 1}


def numbering(blocks: Blocks, listed: Mapping[str, int]) -> dict[str, NDArray[np.int32]]:
    """Return the numbers in the file of the movie's frames, channels and slices.

    Numbers without a sub-block between others count as planes that were not recorded, unless the metadata list as many
    positions as there are numbers with sub-blocks: a subset of every second frame that kept its numbers has no gaps.

    Parameters
    ----------
    blocks : Blocks
        All sub-blocks of the file.
    listed : mapping of str to int
        Number of positions along ``"T"``, ``"C"`` and ``"Z"`` in the metadata.
    """
    steps = {}
    for letter in "TCZ":
        found = np.unique(blocks.numbers(letter))
        closed = len(found) == listed.get(letter)
        n_steps = int(found[-1]) - int(found[0]) + 1
        if not closed and n_steps > _MOST_PLANES:
            raise FormatError(f"its directory lists {n_steps} positions along {letter}")
        steps[letter] = found if closed else np.arange(found[0], found[-1] + 1, dtype=np.int32)
    return steps


def scene_layout(
    blocks: Blocks,
    scene: int | None,
    picks: Mapping[str, int | None],
    steps: Mapping[str, NDArray[np.int32]],
) -> SceneLayout:
    """Compute the layout of one scene.

    Parameters
    ----------
    blocks : Blocks
        All sub-blocks of the file.
    scene : int or None
        Number of the scene in the file.
    picks : mapping of str to (int or None)
        Index along further dimensions, None for the sum; the first index by default.
    steps : mapping of str to int array
        As returned by `numbering`.

    Raises
    ------
    FormatError
        If the numbers in the directory are not plausible for a recording.
    InputError
        If there are no sub-blocks at the picked indices.
    """
    blocks = scene_blocks(blocks, scene)
    choices: dict[str, Sequence[int]] = {}
    chosen = blocks
    for letter in (letter for letter in FURTHER if letter in blocks.index):
        pick = picks.get(letter, int(chosen.numbers(letter).min()))
        choices[letter] = np.unique(chosen.numbers(letter)).tolist() if pick is None else [pick]
        chosen = chosen.where(np.isin(chosen.numbers(letter), choices[letter]))
    if not len(chosen):
        raise InputError(f"no sub-block has {', '.join(f'{k} {v[0]}' for k, v in choices.items())} at once")
    axes = tuple(_spanned(steps[letter], chosen.numbers(letter)) for letter in "TCZ")
    shape = tuple(map(len, axes))
    if np.prod(shape, dtype=float) > min(_MOST_PLANES, max(_MOST_OF_FEW, _MOST_PER_BLOCK * len(chosen))):
        numbered = " × ".join(map(str, shape))
        raise FormatError(f"its directory lists {numbered} planes (T × C × Z) in {len(chosen)} blocks")
    indices = tuple(dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))
    tiles, elsewhere = np.full(shape, np.iinfo(np.int64).max), np.zeros(shape, np.bool_)
    for index in indices:
        part = chosen.where(_matches(chosen, index))
        tiles = np.minimum(tiles, _tiles_per_plane(part.where(part.here), axes))
        elsewhere |= _tiles_per_plane(part.where(~part.here), axes) > 0
    most = int(tiles.max())
    missing = tiles == 0
    partial = {plane: (int(tiles[plane]), most) for plane in _planes((tiles > 0) & (tiles < most))}
    return SceneLayout(
        scene,
        *rectangle(chosen),
        tuple(tuple(map(int, axis)) for axis in axes),  # type: ignore[arg-type]
        indices,
        further_numbers(blocks),
        tuple(_pixel_type(chosen, number) for number in axes[1]),
        frozenset(_planes(missing)),
        partial,
        int((missing & elsewhere).sum()),
    )


def _spanned(steps: NDArray[np.int32], found: NDArray[np.int32]) -> NDArray[np.int32]:
    spanned: NDArray[np.int32] = steps[(steps >= found.min()) & (steps <= found.max())]
    return spanned


def _matches(blocks: Blocks, index: Mapping[str, int]) -> NDArray[np.bool_]:
    matches = np.ones(len(blocks), np.bool_)
    for letter, number in index.items():
        matches &= blocks.numbers(letter) == number
    return matches


def _tiles_per_plane(blocks: Blocks, axes: Sequence[NDArray[np.int32]]) -> NDArray[np.int64]:
    """Return the number of different tiles of every plane, 0 for planes without a sub-block."""
    shape = tuple(map(len, axes))
    places = [np.searchsorted(axis, blocks.numbers(letter)) for letter, axis in zip("TCZ", axes, strict=True)]
    plane = np.ravel_multi_index(places, shape)
    _, tile = np.unique(_tile_key(blocks), return_inverse=True)
    n_tiles = int(tile.max(initial=0)) + 1
    different = np.unique(plane * n_tiles + tile)
    counts = np.bincount(different // n_tiles, minlength=int(np.prod(shape)))
    return counts.astype(np.int64).reshape(shape)


def _tile_key(blocks: Blocks) -> NDArray[np.int64]:
    """Return one number per tile of a mosaic, computed from its number and position."""
    key = np.zeros(len(blocks), np.int64)
    for values in (blocks.numbers("M"), blocks.x, blocks.y):
        offsets = values.astype(np.int64) - int(values.min(initial=0))
        key = key * (int(offsets.max(initial=0)) + 1) + offsets
    return key


def _planes(mask: NDArray[np.bool_]) -> list[Plane]:
    return [(t, c, z) for t, c, z in np.argwhere(mask).tolist()]


def _pixel_type(blocks: Blocks, channel: int) -> int:
    types = blocks.pixel_type[blocks.numbers("C") == channel]
    return int(types.max()) if len(types) else int(blocks.pixel_type[0])
