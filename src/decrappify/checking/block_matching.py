"""BM3D on held-out photons, on small parts of some regions; used if the package bm3d is installed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.benchmarking.camera import Camera
from decrappify.checking.comparison import ratio_db
from decrappify.metrics.block_matching import STRENGTHS, bm3d_filtered
from decrappify.movie import Array
from decrappify.noise.pixels.splitting import NoiseSplitter

_REGIONS, _SIDE, _CUT = 4, 96, 8


def bm3d_lead(
    splitter: NoiseSplitter, share: float, first: Sequence[Array], restored: Sequence[Array], target: Sequence[Array]
) -> tuple[float | None, float | None]:
    """Return by how many dB the squared error of BM3D is below that of a model, and its standard error.

    BM3D has the strength with the lowest error. It is run on stabilized noise, on the central 96 x 96 pixels of at
    most 4 regions. None for correlated noise, and if the errors are smaller than their uncertainty.

    Parameters
    ----------
    splitter : NoiseSplitter
        Of the noise of the movie.
    share : float
        Of the light in `first`.
    first, restored, target : sequences of arrays (Y, X)
        Per region: source, restored source, and held-out part.
    """
    if splitter.is_correlated or splitter.gain <= 0:
        return None, None
    camera = Camera(splitter.gain / share, -splitter.intercept / splitter.gain)
    picks = evenly_spaced(len(first), _REGIONS)
    ours, noise, best = [], [], None
    for k in picks:
        source, result, other = (_middle(images[k]) for images in (first, restored, target))
        ours.append(_error(result, other))
        noise.append(share * _error(source, other))
    for strength in STRENGTHS:
        errors = []
        for k in picks:
            filtered = camera.restored(bm3d_filtered(camera.stabilized(_middle(first[k])), strength))
            errors.append(_error(filtered, _middle(target[k])))
        if best is not None and np.mean(errors) >= np.mean(best):
            break
        best = errors
    assert best is not None
    lead, error = ratio_db(np.array([best, ours]) - np.array(noise))
    return (None, None) if np.isnan(lead) else (lead, error)


def _middle(image: Array) -> Array:
    rows, columns = (
        slice((length - min(length, _SIDE)) // 2, (length + min(length, _SIDE)) // 2) for length in image.shape
    )
    return np.asarray(image[rows, columns], np.float64)


def _error(one: Array, other: Array) -> float:
    difference = (one - other)[_CUT:-_CUT, _CUT:-_CUT]
    return float(np.square(difference).mean())
