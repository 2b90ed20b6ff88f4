"""Reference scores for the choice of a GAN checkpoint: spots, structures, foreground SSIM, and the regret of a choice.

Pure functions; images are (Y, X), restored image and reference in the same gray levels. The inflection detector uses
64 validation patches, spectra, PSNR and random features. These scores use test images that the detector does not see,
with a matched filter whose threshold is computed from the reference alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SpotScore:
    """Spots of restored images compared with those of the reference; scores of several images are added with ``+``.

    `n_right` of the `n_found` found spots are in the reference, `n_seen` of its `n_true` spots are found.
    """

    n_true: int
    n_seen: int
    n_found: int
    n_right: int

    def __add__(self, other: SpotScore) -> SpotScore:
        return SpotScore(
            self.n_true + other.n_true,
            self.n_seen + other.n_seen,
            self.n_found + other.n_found,
            self.n_right + other.n_right,
        )

    @property
    def false_rate(self) -> float:
        """Return the share of the found spots that are not in the reference; 0 if none is found."""
        return 1 - self.n_right / self.n_found if self.n_found else 0.0

    @property
    def missed_rate(self) -> float:
        """Return the share of the reference's spots that are not found; 0 if it has none."""
        return 1 - self.n_seen / self.n_true if self.n_true else 0.0

    @property
    def f1(self) -> float:
        """Compute the harmonic mean of precision and recall of the spots."""
        precision, recall = 1 - self.false_rate, 1 - self.missed_rate
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def matched_filter(image: Array, sigma: float) -> Array:
    """Correlate with a Gaussian spot of that sigma (pixels) minus its surroundings, a wider Gaussian.

    The response is in gray levels: the least-squares amplitude of such a spot on a flat background.

    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> float(matched_filter(3 * np.exp(-(y**2 + x**2) / (2 * 1.5**2)) + 7, 1.5)[20, 20].round(2))
    3.0
    """
    wide = np.asarray(image, dtype=np.float64)
    width = 1.6 * sigma
    # Peak of a spot of unit height after each Gaussian.
    gain = sigma**2 / (2 * sigma**2) - sigma**2 / (sigma**2 + width**2)
    return np.asarray(
        (gaussian_filter(wide, sigma, mode="reflect") - gaussian_filter(wide, width, mode="reflect")) / gain
    )


def find_spots(image: Array, sigma: float, threshold: float, margin: int = 0) -> Array:
    """Find local maxima (n, 2) of the matched filter above a threshold in gray levels, outside the margin."""
    response = matched_filter(image, sigma)
    places = np.argwhere((response == maximum_filter(response, 2 * int(np.ceil(sigma)) + 1)) & (response > threshold))
    return places[((places >= margin) & (places < np.array(image.shape) - margin)).all(axis=1)]


def spot_threshold(truth: Array, sigma: float, share: float = 0.15) -> float:
    """Compute the amplitude of a spot: a fraction of the 99.5th percentile of the reference's filtered maxima.

    It is computed from the references (all test images of a data set), so that it is the same for every checkpoint.
    """
    response = matched_filter(truth, sigma)
    peaks = response[(response == maximum_filter(response, 2 * int(np.ceil(sigma)) + 1)) & (response > 0)]
    return share * float(np.percentile(peaks, 99.5))


def spot_score(
    restored: Array,
    truth: Array,
    *,
    sigma: float,
    threshold: float,
    reach: float | None = None,
    hysteresis: float = 0.6,
) -> SpotScore:
    """Match the spots of the restored image with those of the reference, one to one, within `reach` pixels (1.5 sigma).

    For a spot near the threshold a small change of amplitude would decide between found and missed. So a found spot is
    false only if the reference has none above `hysteresis` times the threshold, and a reference spot is missed only if
    the restored image has none above that.
    """
    reach = 1.5 * sigma if reach is None else reach
    margin = int(np.ceil(2 * sigma))  # a spot at the edge is incomplete, and its match may lie outside the image
    found, true = (find_spots(image, sigma, threshold, margin) for image in (restored, truth))
    faint_found, faint_true = (find_spots(image, sigma, hysteresis * threshold) for image in (restored, truth))
    seen, right = n_matches(true, faint_found, reach), n_matches(found, faint_true, reach)
    return SpotScore(len(true), seen, len(found), right)


def structure_score(restored: Array, truth: Array, *, sigma: float, share: float = 0.12) -> SpotScore:
    """Compare masks of fine bright structures (spots and ridges) pixel by pixel with a tolerance of one pixel.

    A structure is where the matched filter exceeds a fraction of the reference's 99.5th percentile. The threshold is
    computed from the reference, so a restoration that smooths faint structures away misses them, and one that adds
    texture has false ones.

    >>> truth = np.zeros((40, 40)); truth[20] = 1
    >>> structure_score(truth, truth, sigma=1.5).f1, structure_score(0 * truth, truth, sigma=1.5).f1
    (1.0, 0.0)
    """
    response = matched_filter(truth, sigma)
    threshold = share * float(np.percentile(response, 99.5))
    true, found = response > threshold, matched_filter(restored, sigma) > threshold
    near_true, near_found = (maximum_filter(mask, 3) for mask in (true, found))
    return SpotScore(int(true.sum()), int((true & near_found).sum()), int(found.sum()), int((found & near_true).sum()))


def n_matches(one: Array, other: Array, reach: float) -> int:
    """Count the most one-to-one pairs of two sets of positions (n, 2) that are at most `reach` apart.

    >>> n_matches(np.array([[0, 0], [0, 2]]), np.array([[0, 1], [9, 9]]), 1.5)
    1
    """
    if not len(one) or not len(other):
        return 0
    near = cdist(one, other) <= reach
    rows, columns = linear_sum_assignment(near, maximize=True)
    return int(near[rows, columns].sum())


def foreground(truth: Array) -> Array:
    """Return the pixels above Otsu's threshold; the references have no noise from which to set a threshold."""
    from skimage.filters import threshold_otsu

    wide = np.asarray(truth, dtype=np.float64)
    return np.asarray(wide > threshold_otsu(wide))


def foreground_ssim(restored: Array, truth: Array, data_range: float) -> float:
    """Compute SSIM (Wang 2004) over the foreground only; over dark background it is near 1 for any restoration."""
    from skimage.metrics import structural_similarity

    _, values = structural_similarity(
        np.asarray(truth, dtype=np.float64),
        np.asarray(restored, dtype=np.float64),
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(values[foreground(truth)].mean())


@dataclass(frozen=True, slots=True)
class Choice:
    """Regret of a choice among checkpoints.

    `regret` is the oracle's quality minus the chosen one's, in units of the quality; `relative` divides it by the range
    from the worst to the best; `percentile` is the share of the other candidates that are not better (100: the best).
    """

    oracle: int | None
    regret: float
    relative: float
    percentile: float


def judge(quality: Sequence[float], start: float, index: int | None) -> Choice:
    """Compare a choice with the oracle's; higher quality is better.

    `quality` is that of each checkpoint, `start` that of the pretrained generator, which is a candidate like the
    others and the choice if `index` is None; NaN (a diverged checkpoint) counts as the worst.

    >>> judge([0.5, 0.8, 0.6], start=0.7, index=None)
    Choice(oracle=1, regret=0.1..., relative=0.33..., percentile=66.6...)
    """
    everything = np.array([start, *quality], dtype=float)
    everything = np.nan_to_num(everything, nan=float(np.nanmin(everything)))
    chosen = 0 if index is None else index + 1
    best = int(np.argmax(everything))
    regret, span = float(everything[best] - everything[chosen]), float(np.ptp(everything))
    others = np.delete(everything, chosen)
    return Choice(
        oracle=None if best == 0 else best - 1,
        regret=regret,
        relative=regret / span if span else 0.0,
        percentile=100 * float(np.mean(others <= everything[chosen])) if len(others) else 100.0,
    )


def fixed_share(images_seen: Sequence[int], images_total: int, share: float) -> int | None:
    """Return the last checkpoint within a share of the data (0.01, 0.02, 0.03): the rule of DeOldify.

    >>> fixed_share([100, 200, 300], 10_000, 0.025), fixed_share([100], 10_000, 0.001)
    (1, None)
    """
    within = [k for k, seen in enumerate(images_seen) if seen <= share * images_total]
    return within[-1] if within else None


def random_regret(quality: Sequence[float], start: float) -> float:
    """Compute the expected regret of a random checkpoint: the mean over all checkpoints."""
    return float(np.mean([judge(quality, start, k).regret for k in range(len(quality))]))
