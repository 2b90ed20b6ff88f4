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


def _read(_: str | Sequence[str], *, path: str) -> list[LayerData]:
    """Read all scenes of a file or folder, or only the first if there are many."""
    from decrappify.io import open_pyramid, scenes

    names = scenes(path)
    if len(names) > SCENES_SHOWN:
        pyramid = open_pyramid(path)  # lists the other scenes in a warning
        return layers_of(pyramid, path=str(Path(path).absolute()), scene=0, scene_name=names[0])
    return [layer for number in range(len(names)) for layer in read_scene(Path(path), number, names)]


def read_scene(path: Path, number: int, names: Sequence[str], further: str = "") -> list[LayerData]:
    """Read one scene of a file or folder.

    Parameters
    ----------
    path : Path
        The file or folder.
    number : int
        Number of the scene.
    names : sequence of str
        Names of all its scenes, see `decrappify.scenes`; if there are several, layers are named after them.
    further : str
        Indices along further dimensions of a CZI file, such as ``"H 3"``; also in the names of the layers.
    """
    from decrappify.io import open_pyramid

    scene: int | str = number if not further else ", ".join([*names[number : number + 1], further])
    pyramid = open_pyramid(path, scene=scene)
    label = ", ".join([names[number]] * (len(names) > 1) + [further] * bool(further))
    if label and pyramid[0].name == path.name:
        pyramid[0] = pyramid[0].replace(name=f"{path.name} [{label}]")
    recorded = {"scene_name": label} if label else {}
    return layers_of(pyramid, path=str(path.absolute()), scene=scene, **recorded)
