"""Readers: CZI, TIFF, OME-Zarr and folders of images as lazy layers, through `decrappify.io.open_pyramid`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari_decrappify.layers.image import LayerData
from napari_decrappify.layers.movies import layers_of

SCENES_SHOWN = 12  # largest number of scenes of a file or folder that are all opened as layers

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for one file, store or folder of images, None for other paths.

    Parameters
    ----------
    path : str or list of str
        One path, alone or in a list; several paths are opened as a stack by napari's own readers.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) != 1:
        return None
    from decrappify.io import readable_suffixes

    if Path(paths[0]).suffix.lower() in readable_suffixes():
        return partial(_read, path=paths[0])
    return _folder_reader(Path(paths[0])) if Path(paths[0]).is_dir() else None


def _folder_reader(folder: Path) -> Reader | None:
    """Return a reader of the images of a folder; None for a folder without images."""
    from decrappify.errors import DecrappifyError
    from decrappify.io import scenes

    try:
        scenes(folder)
    except (DecrappifyError, OSError):
        return None
    return partial(_read, path=str(folder))


def _read(_: str | Sequence[str], *, path: str, scene: int | str | None = None) -> list[LayerData]:
    """Read one scene; by default all scenes of a file or folder, or only the first if there are many."""
    from decrappify.io import open_pyramid, scenes

    names = scenes(path) if scene is None else []
    if len(names) > SCENES_SHOWN:  # open_pyramid lists the others in a warning
        return layers_of(open_pyramid(path), path=str(Path(path).absolute()), scene=0)
    if len(names) < 2:
        chosen = scene or 0
        return layers_of(open_pyramid(path, scene=chosen), path=str(Path(path).absolute()), scene=chosen)
    layers = []
    for number, name in enumerate(names):
        pyramid = open_pyramid(path, scene=number)
        if pyramid[0].name == Path(path).name:
            pyramid[0] = pyramid[0].replace(name=f"{Path(path).name} [{name}]")
        layers += layers_of(pyramid, path=str(Path(path).absolute()), scene=number)
    return layers
