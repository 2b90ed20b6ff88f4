"""Scenes of a file or folder: names, positions and further dimensions, and their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerData, LayerImage
from napari_decrappify.layers.movies import layers_of


@dataclass(frozen=True)
class SceneListing:
    """Scenes of a file or folder.

    Attributes
    ----------
    path : Path
        The file or folder.
    names : tuple of str
        Unique names, see `decrappify.scenes`.
    positions_um : tuple of (float, float) or None
        Stage positions (y, x); None if unknown.
    further : mapping of str to tuple of int
        Indices along further dimensions of a CZI file, such as detector elements or phases (H); those of the first
        scene that has some.
    kinds : mapping of str to str
        What these dimensions are.
    """

    path: Path
    names: tuple[str, ...]
    positions_um: tuple[tuple[float, float] | None, ...]
    further: Mapping[str, tuple[int, ...]]
    kinds: Mapping[str, str]

    @classmethod
    def of(cls, path: Path) -> SceneListing:
        """List the scenes of a file or folder.

        Raises
        ------
        MissingFileError, FormatError
            As for `decrappify.scenes`.
        """
        from decrappify.io import scene_details, scenes

        path = Path(path).absolute()
        details = scene_details(path)
        with_further = next((each for each in details if each.further), None)
        return cls(
            path,
            tuple(scenes(path)),
            tuple(each.position_um for each in details),
            dict(with_further.further) if with_further else {},
            dict(with_further.kinds) if with_further else {},
        )

    def label(self, number: int, picks: Mapping[str, int | str] | None = None) -> str:
        """Return the name of a scene with indices along further dimensions, ``""`` for the only one without any."""
        chosen = {letter: numbers[0] for letter, numbers in self.further.items()} | dict(picks or {})
        name = [self.names[number]] if len(self.names) > 1 else []
        return ", ".join([*name, *(f"{letter} {index}" for letter, index in chosen.items())])

    def read(self, number: int, picks: Mapping[str, int | str] | None = None) -> list[LayerData]:
        """Read a scene as lazy layers, at its stage position if the file has several.

        Parameters
        ----------
        number : int
            Number of the scene.
        picks : mapping of str to (int or str), optional
            Indices along further dimensions, ``"sum"`` for the sum over one; the first ones by default.
        """
        from decrappify.io import open_pyramid

        label = self.label(number, picks)
        scene: int | str = label if self.further else number
        pyramid = open_pyramid(self.path, scene=scene)
        if label and pyramid[0].name == self.path.name:
            pyramid[0] = pyramid[0].replace(name=f"{self.path.name} [{label}]")
        recorded: dict[str, Any] = {"path": str(self.path), "scene": scene, "n_scenes": len(self.names)}
        recorded["scenes"] = self.names
        if label:
            recorded |= {"scene_name": label}
        position = self.positions_um[number] if len(self.names) > 1 else None
        return layers_of(pyramid, position_um=position, **recorded)


def scene_like(listing: SceneListing, scene: str, images: Sequence[LayerImage]) -> tuple[LayerImage, ...]:
    """Open the same channels of another scene of the file that layers were read from, with their colors.

    Parameters
    ----------
    listing : SceneListing
        Scenes of the file, which may have changed since the layers were read.
    scene : str
        Name of the other scene.
    images : sequence of LayerImage
        Layers of one scene.

    Raises
    ------
    InputError
        If the file does not have the scene, or the scene one of the channels.
    """
    if scene not in listing.names:
        raise InputError(
            f"{listing.path.name} has changed, and no longer has scene {scene!r}; remove it, and open the file again"
        )
    number = listing.names.index(scene)
    picks = parse_picks(images[0].recorded.get("scene_name", ""), listing.further)
    opened = [LayerImage.from_tuple(*item) for item in listing.read(number, picks)]
    by_channel = {other.recorded.get("channel"): other for other in opened}
    missing = [image for image in images if image.recorded.get("channel") not in by_channel]
    if missing:
        name = missing[0].recorded.get("channel_name") or missing[0].name
        raise InputError(f"scene {scene!r} of {listing.path.name} has no channel {name!r}; remove it")
    return tuple(by_channel[image.recorded.get("channel")].looking_like(image) for image in images)


def parse_picks(label: str, further: Mapping[str, tuple[int, ...]]) -> dict[str, int | str]:
    """Return the indices along further dimensions in the label of a scene.

    >>> parse_picks("A1, H 3", {"H": (0, 1, 2, 3)}), parse_picks("A1, H sum", {"H": (0, 1)}), parse_picks("H 1", {})
    ({'H': 3}, {'H': 'sum'}, {})
    """
    found: dict[str, int | str] = {}
    for part in label.split(", "):
        letter, _, index = part.rpartition(" ")
        if letter in further:
            found[letter] = int(index) if index.isdecimal() else index
    return found
