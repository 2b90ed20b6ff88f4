"""Planning of the tile size from the free memory and the network's memory per pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from decrappify._common.argument_names import argument, setting
from decrappify._common.planes.rounding import round_up
from decrappify.errors import InputError
from decrappify.limits.memory import available_memory

# Larger tiles save little overlap and delay cancelling, as a run is cancelled only between tiles.
_LARGEST_TILE = {"cpu": 1024, "cuda": 2048, "mps": 1024}
_SHARE_OF_FREE_MEMORY = 0.5
_SMALLEST_AUTOMATIC_TILE = 64
_sharing: ContextVar[int] = ContextVar("_sharing", default=1)
# Measured on residual U-Nets at scales 1 and 4: the peak is 0.16 to 0.25 of the sum of all layer inputs and outputs.
_LIVE_SHARE = 1 / 3
# Overlap as a fraction of the default, and the largest difference from a restoration without tiles, as a fraction of
# the range: the worst of the shipped models in benchmarks/results/seams.md.
_SEAMS = ((0, 0.18), (1 / 11, 0.074), (3 / 11, 0.070), (6 / 11, 0.025), (8 / 11, 0.0089), (10 / 11, 0.0013))


def default_overlap(margin: int, multiple: int) -> int:
    """Return twice the margin rounded up to `multiple`, plus one multiple for blending; 0 without a margin.

    >>> default_overlap(20, 8), default_overlap(0, 8)
    (48, 0)
    """
    return round_up(2 * margin, multiple) + multiple if margin else 0


def tile_and_overlap(
    tile_size: int | None, tile_overlap: int | None, *, margin: int, multiple: int, largest: int
) -> tuple[int, int]:
    """Return tile side and overlap: those set by the user, rounded to the network's multiple, or automatic ones.

    Parameters
    ----------
    tile_size, tile_overlap : int or None
        Values set by the user, in input pixels; None for automatic ones.
    margin, multiple : int
        Margin and size multiple of the network, in input pixels.
    largest : int
        Side of the largest tile that fits into memory, in input pixels.

    Returns
    -------
    tuple of int
        Tile side (a multiple of `multiple`) and overlap (the same).

    Raises
    ------
    InputError
        If a value is not an integer, the size is below 1 or the overlap is below 0.
    """
    for name, value, least in (("tile_size", tile_size, 1), ("tile_overlap", tile_overlap, 0)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise InputError(f"{argument(name)} is {value!r}, expected an integer of pixels of at least {least}")
    overlap = default_overlap(margin, multiple) if tile_overlap is None else round_up(tile_overlap, multiple)
    if tile_size is None:
        tile = max(largest // multiple * multiple, smallest_tile(overlap, multiple))
        return tile, overlap
    tile = max(tile_size // multiple * multiple, multiple)
    if tile_overlap is None and overlap > tile // 2:
        overlap = tile // 2 // multiple * multiple
    return tile, overlap


def seam_warning(tile: int, overlap: int, *, margin: int, multiple: int) -> str | None:
    """Return a warning about seams between tiles, with their size; None if the overlap is sufficient.

    >>> print(seam_warning(64, 32, margin=40, multiple=8))
    tiles of 64 pixels overlap by 32, this model requires 88: seams of up to 7 % of the range are likely; use ...
    """
    enough = default_overlap(margin, multiple)
    if overlap >= enough:
        return None
    seam = next(seam for share, seam in reversed(_SEAMS) if overlap >= share * enough)
    return (
        f"tiles of {tile} pixels overlap by {overlap}, this model requires {enough}: seams of up to "
        f"{100 * seam:.2g} % of the range are likely; use {setting('tile_size', 2 * enough)} or more "
        "with the default overlap"
    )


def smallest_tile(overlap: int, multiple: int) -> int:
    """Return the smallest automatic tile, in input pixels: below it nearly all pixels are overlap."""
    return round_up(max(2 * overlap, _SMALLEST_AUTOMATIC_TILE), multiple)


def halved(tile_size: int, overlap: int, multiple: int) -> int | None:
    """Return the next smaller tile after running out of memory, or None if `tile_size` is already the smallest."""
    smaller = max(tile_size // 2 // multiple * multiple, smallest_tile(overlap, multiple))
    return smaller if smaller < tile_size else None


@contextmanager
def memory_shared_by(n_processes: int) -> Iterator[None]:
    """Plan tiles in this context for several processes that use the same memory at the same time."""
    token = _sharing.set(n_processes)
    try:
        yield
    finally:
        _sharing.reset(token)


def largest_tile(device: torch.device, bytes_per_pixel: float) -> int:
    """Return the side in input pixels of the largest useful square tile on `device`, at `bytes_per_pixel` per pixel."""
    pixels = _SHARE_OF_FREE_MEMORY / _sharing.get() * free_memory(device) / bytes_per_pixel
    side = min(math.isqrt(int(pixels)), _LARGEST_TILE.get(device.type, 1024))
    # In coarse steps, so that a run that is resumed with slightly less free memory plans the same tiles.
    steps = [step << power for power in range(12) for step in (64, 96)]
    return max((step for step in steps if step <= side), default=side)


def free_memory(device: torch.device) -> int:
    """Return the bytes available for a new allocation on `device`."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    return available_memory()


def activation_bytes_per_pixel(network: nn.Module, in_channels: int, multiple: int) -> float:
    """Estimate the memory (bytes) that a tile needs per input pixel by predicting a small frame.

    Parameters
    ----------
    network : nn.Module
        In eval mode; its device and precision are used.
    in_channels : int
        Channels of its input: window length times channels of the movie.
    multiple : int
        Size multiple of the network, in pixels.
    """
    total = 0

    def add(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        total += sum(x.nbytes for x in (*inputs, output) if isinstance(x, Tensor))

    hooks = [module.register_forward_hook(add) for module in network.modules() if not any(module.children())]
    side = round_up(32, multiple)
    first = next(network.parameters(), torch.zeros(()))
    try:
        with torch.inference_mode():
            output = network(torch.zeros(1, in_channels, side, side, dtype=first.dtype, device=first.device))
    finally:
        for hook in hooks:
            hook.remove()
    frame = in_channels * side**2 * first.dtype.itemsize + output.nbytes
    return float(max(_LIVE_SHARE * total, 2 * frame)) / side**2
