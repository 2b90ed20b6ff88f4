"""Lazy layers of movies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from decrappify import Movie
from napari_decrappify.layers.attributes import calibration
from napari_decrappify.layers.image import METADATA, LayerData
from napari_decrappify.layers.lazy import MovieArray, as_dask


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
        layers = [_layer(pyramid, axes, None, movie.name, recorded)]
    else:
        names = [movie.name if n_c == 1 else f"{movie.name} · {channel}" for channel in movie.channel_names]
        layers = [_layer(pyramid, axes, c, name, recorded) for c, name in enumerate(names)]
    if position_um is not None and None not in movie.pixel_size_um[1:]:
        for _, attributes, _ in layers:
            attributes["translate"] = [0.0] * (len(axes) - 2) + list(position_um)
    return layers


def is_rgb(movie: Movie) -> bool:
    """Return whether a movie is a color image or film: 8-bit channels named R, G and B."""
    return movie.channel_names == ("R", "G", "B") and movie.dtype == np.uint8


def _layer(pyramid: Sequence[Movie], axes: str, channel: int | None, name: str, recorded: dict[str, Any]) -> LayerData:
    movie = pyramid[0]
    views = [MovieArray(level, axes + ("C" if channel is None else ""), channel or 0) for level in pyramid]
    attributes: dict[str, Any] = {"name": name, "rgb": channel is None, "multiscale": len(views) > 1}
    attributes |= calibration(movie, axes)
    details = recorded | {"array": views[0].name, "provenance": movie.provenance}
    if channel is not None:
        details |= {"channel": channel, "channel_name": movie.channel_names[channel]}
        color = movie.channel_colors[channel]
        if color is not None:
            attributes["colormap"] = f"#{color}"
        if movie.shape[1] > 1:
            attributes["blending"] = "additive"
    attributes["metadata"] = {METADATA: details}
    data = [as_dask(view) for view in views]
    return (data if len(data) > 1 else data[0], attributes, "image")
