"""Scenes of layers: layers of one scene of a file are the channels of one movie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decrappify import Movie
from decrappify.errors import InputError
from napari_decrappify.layers.files.channels import channel_names, stored_names
from napari_decrappify.layers.image import METADATA, LayerImage

_COLORS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF", "cyan": "00FFFF", "magenta": "FF00FF"}
_COLORS |= {"yellow": "FFFF00", "gray": "FFFFFF"}


@dataclass(frozen=True)
class LayerScene:
    """Layers that are the channels of one scene.

    Attributes
    ----------
    name : str
        Name of the scene in its file; for files with one scene the name of the file, or of the only layer.
    images : tuple of LayerImage
        The channels, in the order of the file.
    """

    name: str
    images: tuple[LayerImage, ...]


def origin_of(image: LayerImage) -> dict[str, Any]:
    """Return the file, scene and channel that a layer was read or restored from; empty if unknown."""
    return _origin(image.recorded)


def _origin(recorded: Mapping[str, Any]) -> dict[str, Any]:
    source = recorded.get("source", recorded)
    return {key: source[key] for key in ("path", "scene", "scene_name", "channel") if source.get(key) is not None}


def layer_of(layers: Iterable[Any], image: LayerImage) -> Any:
    """Return the layer of a snapshot, by its pixels, its channel in a file, or its name; None if there is none."""
    found, origin = list(layers), origin_of(image)
    same_pixels = [layer for layer in found if _pixels_of(layer) is image.data]
    same_channel = [layer for layer in found if origin and _source_channel(layer) == origin]
    named = [layer for layer in found if layer.name == image.name]
    return next(iter([*same_pixels, *same_channel, *named]), None)


def _source_channel(layer: Any) -> dict[str, Any]:
    """Return file, scene and channel of a layer; empty for a restored one."""
    recorded = layer.metadata.get(METADATA, {})
    return {} if "restored_from" in recorded else _origin(recorded)


def _pixels_of(layer: Any) -> Any:
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def scenes_of(images: Sequence[LayerImage]) -> list[LayerScene]:
    """Group layers by the scene that they were read or restored from.

    Layers of unknown origin are one scene if their shapes are equal, as those of different channels are.
    """
    groups: dict[tuple[Any, ...], list[LayerImage]] = {}
    for image in images:
        origin = origin_of(image)
        key = (origin.get("path"), origin.get("scene"), image.axes, tuple(image.data.shape), str(image.data.dtype))
        groups.setdefault((*key, image.name) if image.is_rgb else key, []).append(image)
    return [_scene(group) for group in groups.values()]


def movie_of(images: Sequence[LayerImage], movies: Sequence[Movie]) -> Movie:
    """Combine the movies of layers, one channel each, to one with their names and colors.

    Parameters
    ----------
    images : sequence of LayerImage
        The layers.
    movies : sequence of Movie
        Their movies, see `LayerImage.movie`.

    Raises
    ------
    InputError
        If the layers differ in shape or dtype.
    """
    movie = movies[0] if len(movies) == 1 else _together(images, movies)
    if movie.shape[1] != len(images):
        return movie
    return movie.replace(channel_colors=[color_of(image) for image in images])


def color_of(image: LayerImage) -> str | None:
    """Return the color of a layer's colormap as RRGGBB; None for gray and for colormaps of several colors."""
    colormap = image.attributes.get("colormap")
    name = str(colormap.get("name") if isinstance(colormap, Mapping) else getattr(colormap, "name", colormap))
    if name in _COLORS:
        return None if name == "gray" else _COLORS[name]
    return name.lstrip("#").upper()[:6] if name.startswith("#") and len(name) in (7, 9) else None


def _scene(group: list[LayerImage]) -> LayerScene:
    images = sorted(group, key=lambda image: origin_of(image).get("channel", 0))
    origin = origin_of(images[0])
    name = origin.get("scene_name") or (images[0].name if len(images) == 1 else Path(origin.get("path", "")).name)
    return LayerScene(str(name) or images[0].name, tuple(images))


def _together(images: Sequence[LayerImage], movies: Sequence[Movie]) -> Movie:
    first = movies[0]
    for image, movie in zip(images, movies, strict=True):
        if movie.shape != first.shape or movie.dtype != first.dtype or movie.shape[1] != 1:
            raise InputError(
                f"layer {image.name!r} has shape {movie.shape} (T, C, Z, Y, X) and dtype {movie.dtype}, expected "
                f"{(first.shape[0], 1, *first.shape[2:])} and {first.dtype} like {images[0].name!r}; save it separately"
            )
    return first.map_regions(
        lambda t, c, z, rows, columns: movies[c].region(t, 0, z, rows, columns),
        shape=(first.shape[0], len(movies), *first.shape[2:]),
        others=list(movies[1:]),
        channel_names=stored_names(images),
        channel_colors=None,
        provenance=_provenance(channel_names(images), movies),
    )


def _provenance(names: Sequence[str], movies: Sequence[Movie]) -> dict[str, Any]:
    """Return the provenance of the movies if it is the same, else one entry per channel."""
    found = [movie.provenance for movie in movies]
    return found[0] if all(each == found[0] for each in found) else {"channels": dict(zip(names, found, strict=True))}
