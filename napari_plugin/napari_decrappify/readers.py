"""Readers: CZI, TIFF and OME-Zarr as lazy layers, through `decrappify.io.open_pyramid`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari_decrappify.layers import LayerData, layers_of

ENDINGS = (".czi", ".tif", ".tiff", ".zarr")

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Give napari a reader for one file or store, None for what this plugin does not read.

    Parameters
    ----------
    path : str or list of str
        One path, alone or in a list; several together are napari's stacks, which are left to its own readers.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) != 1 or Path(paths[0]).suffix.lower() not in ENDINGS:
        return None
    return partial(_read, path=paths[0])


def _read(_: str | Sequence[str], *, path: str, scene: int = 0) -> list[LayerData]:
    from decrappify.io import open_pyramid

    return layers_of(open_pyramid(path, scene=scene), path=str(Path(path).absolute()), scene=scene)
