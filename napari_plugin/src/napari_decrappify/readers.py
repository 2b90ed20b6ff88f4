"""Readers: CZI, TIFF (LSM and STK, too), OME-Zarr, films and folders of images as lazy layers.

They use `decrappify.io.open_pyramid`. A film is a layer of gray levels or an RGB layer, of which only the displayed
frames are decoded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from decrappify.errors import Cancelled
from napari_decrappify.layers.files.listing import SceneListing
from napari_decrappify.layers.image import LayerData
from napari_decrappify.layers.results.trust import with_trust_layers
from napari_decrappify.waiting import computed
from napari_decrappify.workers.running.words import control_names

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
    """Read all scenes of a file or folder, or only the first if there are many, without blocking the window.

    Films of many frames are indexed, and each scene of a file is opened, which can take seconds.
    """
    with control_names(), suppress(Cancelled):
        return computed(lambda: _layers(Path(path)))
    nothing: Any = (None,)  # for napari
    return [nothing]


def _layers(path: Path) -> list[LayerData]:
    listing = SceneListing.of(path)
    omitted = _omitted(listing)
    if omitted:
        warnings.warn(
            f"{listing.path.name} contains {omitted}; open others by the widget Scenes (menu Plugins, decrappify)",
            stacklevel=3,
        )
    count = len(listing.names)
    scenes = [listing.read(number) for number in range(count if count <= SCENES_SHOWN else 1)]
    _hide_overlapping(scenes)
    return with_trust_layers(listing.path, [layer for scene in scenes for layer in scene])


def _hide_overlapping(scenes: Sequence[Sequence[LayerData]]) -> None:
    """Hide channels of scenes at the place of an earlier scene, as on plates without positions: they would be added."""
    taken: list[list[float]] = []
    for scene in scenes:
        place = [float(value) for value in scene[0][1].get("translate", (0.0, 0.0))[-2:]]
        for _, attributes, _ in scene:
            if place in taken and attributes.get("blending") == "additive":
                attributes["visible"] = False
        taken.append(place)


def _omitted(listing: SceneListing) -> str:
    """Return what is not opened by default, empty if everything is."""
    count = len(listing.names)
    parts = [f"{count} scenes, of which the first was opened"] if count > SCENES_SHOWN else []
    for letter, numbers in listing.further.items():
        parts.append(f"{len(numbers)} {listing.kinds[letter]}, of which {letter} {numbers[0]} was opened")
    return "; ".join(parts)
