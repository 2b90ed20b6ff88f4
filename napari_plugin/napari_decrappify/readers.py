"""Readers: CZI, TIFF, OME-Zarr and folders of images as lazy layers, through `decrappify.io.open_pyramid`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari_decrappify.layers import LayerData, layers_of

ENDINGS = (".czi", ".tif", ".tiff", ".zarr")
SCENES_SHOWN = 12  # images of a folder that are opened as layers at once

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for one file, store or folder of images, None for what this plugin does not read.

    Parameters
    ----------
    path : str or list of str
        One path, alone or in a list; several together are napari's stacks, which are left to its own readers.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) != 1:
        return None
    if Path(paths[0]).suffix.lower() in ENDINGS:
        return partial(_read, path=paths[0])
    return _folder_reader(Path(paths[0])) if Path(paths[0]).is_dir() else None


def _folder_reader(folder: Path) -> Reader | None:
    """Return a reader of the images of a folder: all of a few, the first of many."""
    from decrappify.errors import DecrappifyError
    from decrappify.io import scenes

    try:
        names = scenes(folder)
    except (DecrappifyError, OSError):
        return None
    return partial(_read_folder, path=str(folder), names=names)


def _read_folder(_: str | Sequence[str], *, path: str, names: Sequence[str]) -> list[LayerData]:
    from decrappify.io import open_pyramid

    if len(names) > SCENES_SHOWN:  # a warning names the others
        return layers_of(open_pyramid(path), path=str(Path(path).absolute()), scene=0)
    if len(names) == 1:
        return _read(path, path=path)
    return [layer for name in names for layer in _read(path, path=path, scene=name)]


def _read(_: str | Sequence[str], *, path: str, scene: int | str = 0) -> list[LayerData]:
    from decrappify.io import open_pyramid

    return layers_of(open_pyramid(path, scene=scene), path=str(Path(path).absolute()), scene=scene)
