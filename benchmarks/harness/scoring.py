"""Degradation, restoration and scoring, identical for every benchmark with a known reference.

References are float32 (T, Y, X) in the gray levels of the file, so that noise is neither rounded nor clipped at black.
Signal 1, the bright level at which photons are counted, is the 99.8th percentile of the reference (4 × 4 blocks);
signal 0 is its 1st percentile. The data range of PSNR, SSIM and flicker is max - min of the whole reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import corpus
from benchmarks.harness.results import UNKNOWN
from decrappify import Crappifier, Movie, load_model, restore
from decrappify.crappify import Gaussian, Part, Poisson, Speckle, crappify_movie
from decrappify.metrics.scorecard import score_movie
from decrappify.normalization import measure

Array = NDArray[Any]
Figures = dict[str, float | None]

# Photons at the bright level, and read noise as a fraction of it.
LEVELS: dict[str, tuple[Part, ...]] = {
    "10 photons": (Poisson(photons=10.0), Gaussian(sigma=0.02)),
    "40 photons": (Poisson(photons=40.0), Gaussian(sigma=0.01)),
}
# The same as (photons, read noise), for baselines with known noise.
NOISE = {"10 photons": (10.0, 0.02), "40 photons": (40.0, 0.01)}
# Of electron micrographs: noise that grows with brightness, and noise of the detector, as fractions of the range.
EM_LEVELS: dict[str, tuple[Part, ...]] = {
    "EM, weak noise": (Speckle(variance=0.005), Gaussian(sigma=0.04)),
    "EM, strong noise": (Speckle(variance=0.02), Gaussian(sigma=0.1)),
}
LEVELS_IN_WORDS = "10 photons + 2 % read noise, 40 photons + 1 % read noise at the bright level (99.8th percentile)"
EM_LEVELS_IN_WORDS = "speckle of variance 0.005 + 4 % detector noise, or 0.02 + 10 %"
FIGURES = ("psnr", "ssim", "tde", "tdr", "flicker_floor")


def truths(name: str, n_frames: int | None = None, side: int | None = None) -> dict[str, Array]:
    """Read the first frames of each channel of a corpus file, or their central `side` pixels, as references by name."""
    movie = corpus.load(name)
    rows, columns = (
        slice(None) if side is None else slice(max(0, (length - side) // 2), (length + side) // 2)
        for length in movie.shape[3:]
    )
    short = name.rpartition("/")[2].partition(".")[0]
    several = movie.shape[1] > 1
    return {
        short + (f" c{c}" if several else ""): np.asarray(movie.select(slice(0, n_frames), c))[
            :, 0, 0, rows, columns
        ].astype(np.float32)
        for c in range(movie.shape[1])
    }


def degrade(truth: Array, steps: Sequence[Part], seed: int = 0) -> Array:
    """Apply a crappifier to a reference (T, Y, X)."""
    return np.asarray(crappify_movie(Movie.from_array(truth), Crappifier(steps), seed=seed))[:, 0, 0]


def detector(truth: Array, source: Array, level: str) -> tuple[float, float, float]:
    """Return gain, offset and read noise of `degrade` at a level, in gray levels of the reference (T, Y, X).

    The gain is 0 for micrographs, whose noise is taken as additive, with its standard deviation as read noise.
    """
    if level in EM_LEVELS:
        return 0.0, 0.0, float(np.std(source - truth))
    signal = measure(Movie.from_array(truth))
    photons, read_noise = NOISE[level]
    return signal.scale / photons, signal.offset, read_noise * signal.scale


def restored(source: Array, model: Any) -> Array:
    """Restore a source (T, Y, X) with a model, given as a model, a name or a file."""
    return np.asarray(restore(Movie.from_array(source), model))[:, 0, 0]


def figures(result: Array, truth: Array) -> Figures:
    """Compute PSNR, SSIM and, for a movie, TDE, TDR and the flicker floor."""
    card = score_movie(result, truth).to_dict()
    return {name: card[name] for name in FIGURES}


def identity(model: Any) -> str:
    """Return the first 12 digits of the SHA-256 of a model, which identifies the model of a row.

    That of a model file that does not exist is unknown: rows measured with it can be shown, but not measured again.
    """
    if str(model).endswith(".safetensors") and not Path(model).exists():
        return UNKNOWN
    return load_model(model).sha256[:12]


def mean(values: Sequence[float | None]) -> float | None:
    """Compute the mean of the values that are not None."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
