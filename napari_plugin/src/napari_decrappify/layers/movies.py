"""Lazy layers of movies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from decrappify import Movie
from napari_decrappify.layers.attributes import calibration
from napari_decrappify.layers.image import METADATA, LayerData
from napari_decrappify.layers.lazy import MovieArray, as_dask

# Colormaps of napari for the channels of an image without colors, of two and of more channels.
_PAIR = {"magenta": "FF00FF", "green": "00FF00"}
_CYCLE = {"cyan": "00FFFF", "magenta": "FF00FF", "yellow": "FFFF00"}
_CYCLE |= {"blue": "0000FF", "green": "00FF00", "red": "FF0000"}


def layers_of(
    pyramid: Sequence[Movie], *, position_um: tuple[float, float] | None = None, **recorded: Any
) -> list[LayerData]:
    """Convert the resolution levels of a movie to lazy layers: one per channel, or one RGB layer.

    Parameters
    ----------
    pyramid : sequence of Movie
        From full to lowest resolution; usually one.
    position_um : (float, float), optional
        Position (y, x) of the first pixel; used if the pixel size is known.
    **recorded
        Added to the metadata of every layer, such as ``path`` and ``scene``.
    """
    movie = pyramid[0]
    n_t, n_c, n_z = movie.shape[:3]
    axes = "T" * (n_t > 1) + "Z" * (n_z > 1) + "YX"
    if is_rgb(movie):
        layers = [_layer(pyramid, axes, None, movie.name, None, recorded)]
    else:
        names = [movie.name if n_c == 1 else f"{movie.name} · {channel}" for channel in movie.channel_names]
        shown = zip(names, colormaps_of(movie.channel_colors), strict=True)
        layers = [_layer(pyramid, axes, c, name, colormap, recorded) for c, (name, colormap) in enumerate(shown)]
    if position_um is not None and None not in movie.pixel_size_um[1:]:
        for _, attributes, _ in layers:
            attributes["translate"] = [0.0] * (len(axes) - 2) + list(position_um)
    return layers


def is_rgb(movie: Movie) -> bool:
    """Return whether a movie is a color image or film: 8-bit channels named R, G and B."""
    return movie.channel_names == ("R", "G", "B") and movie.dtype == np.uint8


def colormaps_of(colors: Sequence[str | None]) -> list[str | None]:
    """Return the colormaps of channels; those without a color get different ones, as with napari's ``channel_axis``.

    One channel without a color is gray (None), alone or between colored ones.

    >>> colormaps_of([None, None]), colormaps_of(["00FF00", None]), colormaps_of([None])
    (['magenta', 'green'], ['#00FF00', None], [None])
    >>> colormaps_of(["00FFFF", None, None])
    ['#00FFFF', 'magenta', 'yellow']
    """
    n_without = sum(color is None for color in colors)
    if n_without < 2:
        return [None if color is None else f"#{color}" for color in colors]
    known = _PAIR if len(colors) == n_without == 2 else _CYCLE
    free = [name for name, color in known.items() if color not in colors] or list(known)
    names = cycle(free)
    return [next(names) if color is None else f"#{color}" for color in colors]


def _layer(
    pyramid: Sequence[Movie],
    axes: str,
    channel: int | None,
    name: str,
    colormap: str | None,
    recorded: dict[str, Any],
) -> LayerData:
    movie = pyramid[0]
    views = [MovieArray(level, axes + ("C" if channel is None else ""), channel or 0) for level in pyramid]
    attributes: dict[str, Any] = {"name": name, "rgb": channel is None, "multiscale": len(views) > 1}
    attributes |= calibration(movie, axes)
    details = recorded | {"array": views[0].name, "provenance": movie.provenance}
    if channel is not None:
        details |= {"channel": channel, "channel_name": movie.channel_names[channel]}
        if colormap is not None:
            attributes["colormap"] = colormap
        if movie.shape[1] > 1:
            attributes["blending"] = "additive"
    attributes["metadata"] = {METADATA: details}
    data = [as_dask(view) for view in views]
    return (data if len(data) > 1 else data[0], attributes, "image")
