"""Sample data: a simulated movie with its ground truth, and a movie with a degraded copy."""

from __future__ import annotations

from decrappify import Movie
from decrappify.samples import simulate
from napari_decrappify.layers.image import LayerData
from napari_decrappify.layers.movies import layers_of
from napari_decrappify.waiting import computed

_SIZE = (256, 256)
_FRAMES = 24


def simulated_movie() -> list[LayerData]:
    """Return a simulated noisy movie of a cell, and the same movie without noise."""
    sample = computed(lambda: simulate("cell", n_frames=_FRAMES, size=_SIZE, seed=0))
    return _layers(sample.noisy, sample.truth.replace(name="cell-reference"))


def degraded_copy() -> list[LayerData]:
    """Return a movie and a crappified copy of it, as used for training."""
    from decrappify.crappify import crappifier_preset, crappify_movie

    clean = computed(lambda: simulate("filaments", n_frames=_FRAMES, size=_SIZE, seed=1)).truth
    clean = clean.replace(name="filaments")
    degraded = crappify_movie(clean, crappifier_preset("confocal")).replace(name=f"{clean.name}-degraded")
    return _layers(degraded, clean)


def _layers(degraded: Movie, clean: Movie) -> list[LayerData]:
    """Return a layer of each movie; the last one, which is on top in napari, is the degraded movie."""
    return layers_of([clean]) + layers_of([degraded], is_degraded=True)
