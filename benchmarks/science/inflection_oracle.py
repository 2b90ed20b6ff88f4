"""What no detector of the GAN phase sees: does a biologist find the same spots, is the foreground right, and what did
the choice of a checkpoint cost. Pure functions; images are (Y, X), restored and truth in the same grey levels.

The detector looks at 64 validation patches, at spectra, PSNR and random features. The oracle looks at test images the
detector never had, with a matched filter whose threshold comes from the truth alone."""

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
    """Spots of restored images against those of the truth; add the scores of several images with ``+``.

    `n_right` of the `n_found` found spots are in the truth, `n_seen` of the `n_true` true ones are found."""

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
        """Share of the found spots that are not in the truth; 0 where none is found."""
        return 1 - self.n_right / self.n_found if self.n_found else 0.0

    @property
    def missed_rate(self) -> float:
        """Share of the true spots that are not found; 0 where there is none."""
        return 1 - self.n_seen / self.n_true if self.n_true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the right share of the found and the seen share of the true spots."""
        precision, recall = 1 - self.false_rate, 1 - self.missed_rate
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def matched_filter(image: Array, sigma: float) -> Array:
    """Correlate with a Gaussian spot of that sigma (pixels) less its surroundings, a wider Gaussian.

    In grey levels: the response is the least-squares amplitude of such a spot on a flat background.

    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> float(matched_filter(3 * np.exp(-(y**2 + x**2) / (2 * 1.5**2)) + 7, 1.5)[20, 20].round(2))
    3.0
    """
    wide = np.asarray(image, dtype=np.float64)
    width = 1.6 * sigma
    # The peak of a spot of unit height under either Gaussian.
    gain = sigma**2 / (2 * sigma**2) - sigma**2 / (sigma**2 + width**2)
    return np.asarray(
        (gaussian_filter(wide, sigma, mode="reflect") - gaussian_filter(wide, width, mode="reflect")) / gain
    )


def find_spots(image: Array, sigma: float, threshold: float, margin: int = 0) -> Array:
    """Places (n, 2) of the local maxima of the matched filter above a threshold in grey levels, off the margin."""
    response = matched_filter(image, sigma)
    places = np.argwhere((response == maximum_filter(response, 2 * int(np.ceil(sigma)) + 1)) & (response > threshold))
    return places[((places >= margin) & (places < np.array(image.shape) - margin)).all(axis=1)]


def spot_threshold(truth: Array, sigma: float, share: float = 0.15) -> float:
    """Amplitude that makes a spot: a share of the truth's brightest, the 99.5th percentile of its filtered maxima.

    From the truth (of a data set: all its test images), so that it is the same for every checkpoint."""
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
    """Match the spots of the restored image with those of the truth, one to one, within `reach` pixels (1.5 sigma).

    A spot near the threshold would be false or missed for a breath of amplitude. So a found spot is false only if the
    truth has none above `hysteresis` times the threshold, and a true one is missed only if the restored has none so.
    """
    reach = 1.5 * sigma if reach is None else reach
    margin = int(np.ceil(2 * sigma))  # half of a spot at the edge is not to be found; its partner may lie beyond it
    found, true = (find_spots(image, sigma, threshold, margin) for image in (restored, truth))
    faint_found, faint_true = (find_spots(image, sigma, hysteresis * threshold) for image in (restored, truth))
    seen, right = n_matches(true, faint_found, reach), n_matches(found, faint_true, reach)
    return SpotScore(len(true), seen, len(found), right)


def structure_score(restored: Array, truth: Array, *, sigma: float, share: float = 0.12) -> SpotScore:
    """Compare masks of fine bright structures, spots and ridges alike, pixel by pixel with one pixel of tolerance.

    A structure is where the matched filter exceeds a share of the truth's 99.5th percentile: the threshold comes from
    the truth, so a restoration that smooths faint structures away misses them, and one that invents texture is told.

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
    """Most pairs, one to one, of two sets of places (n, 2) that are at most `reach` apart.

    >>> n_matches(np.array([[0, 0], [0, 2]]), np.array([[0, 1], [9, 9]]), 1.5)
    1
    """
    if not len(one) or not len(other):
        return 0
    near = cdist(one, other) <= reach
    rows, columns = linear_sum_assignment(near, maximize=True)
    return int(near[rows, columns].sum())


def foreground(truth: Array) -> Array:
    """Pixels above Otsu's threshold. A background level plus 3 sigma would be no rule: these truths have no noise."""
    from skimage.filters import threshold_otsu

    wide = np.asarray(truth, dtype=np.float64)
    return np.asarray(wide > threshold_otsu(wide))


def foreground_ssim(restored: Array, truth: Array, data_range: float) -> float:
    """SSIM (Wang 2004) averaged over the foreground only; over dark background it is near 1 whatever was invented."""
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
    """What a choice among checkpoints cost.

    `regret` is the oracle's quality less the chosen one's, in units of the quality; `relative` is that over the span
    from the worst to the best, `percentile` the share of the other candidates that are no better (100: the best)."""

    oracle: int | None
    regret: float
    relative: float
    percentile: float


def judge(quality: Sequence[float], start: float, index: int | None) -> Choice:
    """Compare a choice with the oracle's; the higher the quality the better.

    `quality` is that of each checkpoint, `start` that of the pretrained generator, which is a candidate like the
    others and the choice where `index` is None; NaN (a diverged checkpoint) is as bad as the worst.

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
    """The last checkpoint within a share of the data (0.01, 0.02, 0.03): the rule a person quotes from DeOldify.

    >>> fixed_share([100, 200, 300], 10_000, 0.025), fixed_share([100], 10_000, 0.001)
    (1, None)
    """
    within = [k for k, seen in enumerate(images_seen) if seen <= share * images_total]
    return within[-1] if within else None


def random_regret(quality: Sequence[float], start: float) -> float:
    """Expected regret of a checkpoint drawn blindly: the mean over all checkpoints, no drawing needed."""
    return float(np.mean([judge(quality, start, k).regret for k in range(len(quality))]))
