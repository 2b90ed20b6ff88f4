"""Sample data: a simulated movie with its ground truth, and a movie with a degraded copy."""

from __future__ import annotations

from decrappify import Movie
from decrappify.samples import simulate
from napari_decrappify.layers.image import LayerData
from napari_decrappify.layers.movies import layers_of

_SIZE = (256, 256)
_FRAMES = 24


def simulated_movie() -> list[LayerData]:
    """Return a simulated noisy movie of a cell, and the same movie without noise."""
    sample = simulate("cell", n_frames=_FRAMES, size=_SIZE, seed=0)
    return _layers(sample.noisy, sample.truth.replace(name="cell-reference"))


def degraded_copy() -> list[LayerData]:
    """Return a movie and a crappified copy of it, as used for training."""
    from decrappify.crappify import crappifier_preset, crappify_movie

    clean = simulate("filaments", n_frames=_FRAMES, size=_SIZE, seed=1).truth.replace(name="filaments")
    degraded = crappify_movie(clean, crappifier_preset("confocal")).replace(name=f"{clean.name}-degraded")
    return _layers(degraded, clean)


def _layers(*movies: Movie) -> list[LayerData]:
    """Return one layer per movie, in reverse order, so that the first is on top in napari."""
    return [layer for movie in reversed(movies) for layer in layers_of([movie])]
