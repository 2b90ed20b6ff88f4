"""Sample data: a simulated movie with its truth, and a good movie beside a degraded copy."""

from __future__ import annotations

from decrappify import Movie
from decrappify.samples import simulate
from napari_decrappify.layers import LayerData, layers_of

_SIZE = (256, 256)
_FRAMES = 24


def simulated_movie() -> list[LayerData]:
    """Give a noisy movie of a cell, as a microscope would record it, and the same without noise."""
    sample = simulate("cell", n_frames=_FRAMES, size=_SIZE, seed=0)
    return _layers(sample.noisy, sample.truth)


def degraded_copy() -> list[LayerData]:
    """Give a good movie and a copy that a crappifier made bad: what a model is trained on."""
    from decrappify.crappify import crappifier_preset, crappify_movie

    good = simulate("filaments", n_frames=_FRAMES, size=_SIZE, seed=1).truth
    bad = crappify_movie(good, crappifier_preset("confocal"))
    bad.name = f"{good.name} degraded"
    return _layers(bad, good)


def _layers(*movies: Movie) -> list[LayerData]:
    """One layer a movie, the first on top as napari shows them: added last."""
    return [layer for movie in reversed(movies) for layer in layers_of([movie])]
