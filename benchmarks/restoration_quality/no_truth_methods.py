"""Images with a known reference and a ladder of restorations of them, from good to grossly wrong.

Part of `no_truth_figures.py`. Every restoration is a function of the noisy image alone (and of fixed places and
levels), so that it can also be applied to a part of the photons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter, uniform_filter

from benchmarks.harness import corpus
from benchmarks.harness.scoring import degrade, truths
from benchmarks.restoration_quality.real_noise import PAIRS
from decrappify import Movie
from decrappify.crappify import CorrelatedNoise, Gaussian, Part, Poisson
from decrappify.metrics.no_reference.blind import noise_sigma
from decrappify.normalization import measure

Array = NDArray[Any]
Restoration = Callable[[Array], Array]

SIDE = 192  # pixels of the evaluated region, the one with the most structure
IMAGES = {
    "neurons": ("highres/ssi_neurons768x768.png", "ssi_neurons768x768"),
    "cell": ("highres/neubias_xyc_16bit__cell_dna_mts_actin.tif", "neubias_xyc_16bit__cell_dna_mts_actin c1"),
    "membrane": ("highres/ssi_membrane924x924.png", "ssi_membrane924x924"),
    "speckles": ("highres/speckles_1-162hrh2ax2.tif", "speckles_1-162hrh2ax2"),
    "microglia": ("movies/microglia_maxproj_122f.tif", "microglia_maxproj_122f"),
    "cancer nuclei": ("movies/cancer_cell_nuclei_48f.tif", "cancer_cell_nuclei_48f"),
}
# Photons at the bright level, read noise in photons, and sigma in pixels of the kernel that correlates the noise.
LEVELS = {
    "3 photons": (3.0, 0.1, 0.0),
    "10 photons": (10.0, 0.2, 0.0),
    "40 photons": (40.0, 0.4, 0.0),
    "10 photons, correlated": (10.0, 0.2, 0.7),
}
GAUSSIANS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
# Restorations that are compared with each other, and those that should be recognized as wrong.
LADDER = (
    "input",
    *(f"Gaussian {sigma:g}" for sigma in GAUSSIANS),
    "median 3",
    "median 5",
    "non-local means",
    "total variation",
    "model",
    "model, blurred",
    "model + input",
)
FAILURES = (
    "false spots",
    "erased structure",
    "sharpened",
    "noise kept as spots",
    "contrast 0.6",
    "offset 10 %",
    "shift of 1 px",
    "Gaussian 8",
    "constant image",
    "another field",
)
_SPOTS, _ERASED = 40, 8


@dataclass(frozen=True)
class Case:
    """A noisy image, its reference in the gray levels of the noisy image, and gain and intercept of its variance."""

    source: Array
    truth: Array
    gain: float
    intercept: float


def cases() -> dict[str, Callable[[], Case]]:
    """Return all cases by name: real pairs, then degraded held-out images."""
    found: dict[str, Callable[[], Case]] = {name: partial(_real, *files) for name, files in PAIRS.items()}
    for image, (file, label) in IMAGES.items():
        for seed, level in enumerate(LEVELS, 1):
            found[f"{image}, {level}"] = partial(_simulated, file, label, level, seed)
    return found


def _real(low: str, high: str) -> Case:
    source, truth = (np.asarray(corpus.load(f"pairs/{name}"))[0, 0, 0].astype(np.float64) for name in (low, high))
    slope, level = np.polyfit(truth.ravel(), source.ravel(), 1)
    return Case(source, slope * truth + level, *_measured_camera(source, slope * truth + level))


def _measured_camera(source: Array, truth: Array) -> tuple[float, float]:
    """Return gain and intercept of the variance of the difference, at 18 levels between the darkest and brightest."""
    order = np.array_split(np.argsort(truth, axis=None), 20)[1:-1]
    mean, variance = np.array([(truth.flat[part].mean(), (source - truth).flat[part].var()) for part in order]).T
    gain, intercept = np.polyfit(mean, variance, 1, w=1 / variance)
    return float(gain), float(intercept)


def _simulated(file: str, label: str, level: str, seed: int) -> Case:
    truth = truths(file, 1)[label]
    signal = measure(Movie.from_array(truth))
    photons, read_noise, _ = LEVELS[level]
    gain = signal.scale / photons
    source = degrade(truth, _parts(level), seed)
    intercept = (read_noise * gain) ** 2 - gain * signal.offset
    return Case(source[0].astype(np.float64), truth[0].astype(np.float64), gain, intercept)


def _parts(level: str) -> list[Part]:
    photons, read_noise, width = LEVELS[level]
    if width:
        return [CorrelatedNoise(photons=photons, read_noise=read_noise, sigma=width)]
    return [Poisson(photons=photons), Gaussian(sigma=read_noise / photons)]


def region(truth: Array) -> tuple[slice, slice]:
    """Return the square with the highest variance, after smoothing by 1 px."""
    side = min(SIDE, *truth.shape)
    smooth = gaussian_filter(truth, 1)
    corners = [(y, x) for y in range(0, truth.shape[0] - side + 1, 64) for x in range(0, truth.shape[1] - side + 1, 64)]
    y, x = max(corners, key=lambda corner: smooth[corner[0] : corner[0] + side, corner[1] : corner[1] + side].var())
    return slice(y, y + side), slice(x, x + side)


class Ladder:
    """All restorations for one region; `model` maps an image to its restoration."""

    def __init__(self, truth: Array, another: Array, model: Restoration) -> None:
        self._model = model
        self._range = float(np.ptp(np.percentile(truth, (1, 99.8))))
        self._spots = self._range / 2 * _spots(truth.shape)
        self._dark = float(np.percentile(truth, 30))
        self._erased = _brightest(truth)
        self._another = another

    def __call__(self, image: Array) -> dict[str, Array]:
        """Return the restorations of an image by name: `LADDER`, then `FAILURES`."""
        found = {"input": image} | {f"Gaussian {s:g}": gaussian_filter(image, s) for s in GAUSSIANS}
        found |= {"median 3": median_filter(image, 3), "median 5": median_filter(image, 5)}
        found |= {"non-local means": _non_local_means(image), "total variation": _total_variation(image)}
        model = self._model(image)
        found |= {"model": model, "model, blurred": gaussian_filter(model, 1), "model + input": (model + image) / 2}
        fine = gaussian_filter(image, 0.8) - gaussian_filter(image, 2.5)
        limit = 2.5 * 1.4826 * float(np.median(np.abs(fine - np.median(fine))))
        return found | {
            "false spots": model + self._spots,
            "erased structure": np.where(self._erased, np.minimum(model, self._dark), model),
            "sharpened": model + 1.5 * (model - gaussian_filter(model, 1)),
            "noise kept as spots": model + 2 * np.maximum(fine - limit, 0),
            "contrast 0.6": model.mean() + 0.6 * (model - model.mean()),
            "offset 10 %": model + 0.1 * self._range,
            "shift of 1 px": np.roll(model, 1, 1),
            "Gaussian 8": gaussian_filter(image, 8),
            "constant image": np.full_like(image, image.mean()),
            "another field": self._another,
        }


def another_field(truth: Array, shown: tuple[slice, slice]) -> Array:
    """Return the rotated image in the same region, with the mean and contrast of the region."""
    turned = np.rot90(truth, 2)[shown]
    return np.asarray((turned - turned.mean()) / turned.std() * truth[shown].std() + truth[shown].mean())


def _spots(shape: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(0)
    points = np.zeros(shape)
    points[rng.integers(8, shape[0] - 8, _SPOTS), rng.integers(8, shape[1] - 8, _SPOTS)] = 1
    smooth = gaussian_filter(points, 1.2)
    return np.asarray(smooth / smooth.max())


def _brightest(truth: Array) -> NDArray[np.bool_]:
    """Return a mask of the brightest squares of 15 pixels that do not overlap."""
    mean = uniform_filter(gaussian_filter(truth, 1), 12)
    inside = np.zeros(truth.shape, bool)
    inside[12:-12, 12:-12] = True
    mean[~inside] = -np.inf
    mask = np.zeros(truth.shape, bool)
    for _ in range(_ERASED):
        y, x = np.unravel_index(int(mean.argmax()), mean.shape)
        mask[y - 7 : y + 8, x - 7 : x + 8] = True
        mean[max(0, y - 20) : y + 20, max(0, x - 20) : x + 20] = -np.inf
    return mask


def _non_local_means(image: Array) -> Array:
    from skimage.restoration import denoise_nl_means

    sigma, mean = noise_sigma(image), image.mean()
    units = (image - mean) / sigma
    return np.asarray(
        mean + sigma * denoise_nl_means(units, patch_size=5, patch_distance=6, h=0.8, sigma=1.0, fast_mode=True)
    )


def _total_variation(image: Array) -> Array:
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(image, weight=1.2 * noise_sigma(image), max_num_iter=60))  # type: ignore[no-untyped-call]


def masked(image: Array) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
    """Yield the image with every 16th pixel replaced by the mean of its neighborhood, and the mask of these pixels."""
    y, x = np.indices(image.shape)
    for row, column in ((0, 0), (1, 2), (2, 3)):
        mask = (y % 4 == row) & (x % 4 == column)
        weight = gaussian_filter((~mask).astype(float), 0.8)
        yield np.where(mask, gaussian_filter(image * ~mask, 0.8) / weight, image), mask
