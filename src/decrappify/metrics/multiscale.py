"""Relatives of SSIM: over several scales, without the dark background's bonus, and on the foreground alone.

All use the Gaussian window (sigma 1.5, 11 × 11), K1 = 0.01, K2 = 0.03 and population variances of Wang et al. 2004, and
only windows that lie wholly inside the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar

from decrappify.errors import InputError
from decrappify.metrics.fidelity import SSIM_WINDOW
from decrappify.metrics.pairs import check_data_range, checked_pair, frames, range_of
from decrappify.movie import Array

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
BACKGROUND_PERCENTILE = 3.0
_MARGIN = SSIM_WINDOW // 2
_GAIN_FACTOR = 2.0


class MultiscaleSSIM(NamedTuple):
    """`value` (1 is perfect) over `n_scales` scales; compare only at equal numbers of scales."""

    value: float
    n_scales: int


class MicroSSIM(NamedTuple):
    """`values`, one per image (1 is perfect), after all restored images were multiplied by one `gain`."""

    values: tuple[float, ...]
    gain: float


class ForegroundSSIM(NamedTuple):
    """`value` (1 is perfect) over the windows whose center is foreground, which are this `share` of all."""

    value: float
    share: float


@dataclass(frozen=True, slots=True)
class SSIMTerms:
    """What SSIM needs of each window of an image pair: two means, two variances, the covariance."""

    restored_mean: Array
    truth_mean: Array
    restored_variance: Array
    truth_variance: Array
    covariance: Array

    @classmethod
    def of(cls, restored: Array, truth: Array) -> SSIMTerms:
        """Terms of a float64 (Y, X) pair: maps of (Y - 10, X - 10) window centers."""
        r, g = _windowed(restored), _windowed(truth)
        return cls(
            r,
            g,
            _windowed(restored * restored) - r * r,
            _windowed(truth * truth) - g * g,
            _windowed(restored * truth) - r * g,
        )

    def structure(self, data_range: float, gain: float = 1.0) -> Array:
        """Contrast and structure: SSIM without its brightness factor, the restored image multiplied by `gain`."""
        c2 = (0.03 * data_range) ** 2
        variances = gain**2 * self.restored_variance + self.truth_variance
        return np.asarray((2 * gain * self.covariance + c2) / (variances + c2))

    def similarity(self, data_range: float, gain: float = 1.0) -> Array:
        """SSIM of every window, the restored image multiplied by `gain`."""
        c1 = (0.01 * data_range) ** 2
        brightness = 2 * gain * self.restored_mean * self.truth_mean + c1
        brightness = brightness / (gain**2 * self.restored_mean**2 + self.truth_mean**2 + c1)
        return np.asarray(brightness * self.structure(data_range, gain))

    def picked(self, centers: Array) -> SSIMTerms:
        """Terms of chosen windows only: a mask, or flat indices."""
        maps = (self.restored_mean, self.truth_mean, self.restored_variance, self.truth_variance, self.covariance)
        if centers.dtype == bool:
            return SSIMTerms(*(values[centers] for values in maps))
        return SSIMTerms(*(values.ravel()[centers] for values in maps))

    @staticmethod
    def joined(several: Sequence[SSIMTerms]) -> SSIMTerms:
        """Terms of several images as one flat list of windows."""
        names = ("restored_mean", "truth_mean", "restored_variance", "truth_variance", "covariance")
        return SSIMTerms(*(np.concatenate([getattr(terms, name).ravel() for terms in several]) for name in names))


def ms_ssim(restored: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> MultiscaleSSIM:
    """Multi-scale SSIM (Wang, Simoncelli and Bovik 2003), averaged over frames.

    Five scales by halving need frames of more than 160 pixels. In smaller ones the coarsest scales are dropped, the
    weights of the rest are scaled to sum 1, and `n_scales` says so.

    Parameters
    ----------
    restored, truth : array-like
        (Y, X) or (T, Y, X), equal shapes, at least 11 × 11 pixels.
    data_range : float, optional
        D in grey levels; max - min of the whole truth by default.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, frames are smaller, or the truth is constant and `data_range` not given.

    Examples
    --------
    >>> truth = np.random.default_rng(0).random((64, 64))
    >>> ms_ssim(truth, truth)
    MultiscaleSSIM(value=1.0, n_scales=3)
    """
    restored, truth = _checked(restored, truth, "MS-SSIM")
    width = range_of(truth, data_range)
    pairs = zip(frames(restored, "restored"), frames(truth, "truth"), strict=True)
    values = [frame_ms_ssim(r, g, width) for r, g in pairs]
    return MultiscaleSSIM(float(np.mean(values)), n_scales(truth.shape[1:]))


def n_scales(shape: tuple[int, ...]) -> int:
    """How many scales frames of (Y, X) pixels allow: each halving must leave more than 10 pixels.

    >>> n_scales((161, 300)), n_scales((160, 300)), n_scales((11, 11))
    (5, 4, 1)
    """
    return sum(min(shape) > (SSIM_WINDOW - 1) * 2**k for k in range(len(SCALE_WEIGHTS)))


def frame_ms_ssim(restored: Array, truth: Array, data_range: float) -> float:
    """MS-SSIM of one float64 (Y, X) pair of at least 11 × 11 pixels."""
    count = n_scales(truth.shape)
    weights = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    product = 1.0
    for scale, weight in enumerate(weights):
        terms = SSIMTerms.of(restored, truth)
        last = scale == count - 1
        value = float((terms.similarity if last else terms.structure)(data_range).mean())
        product *= max(value, 0.0) ** weight  # a negative correlation has no root; it counts as none
        restored, truth = _halved(restored), _halved(truth)
    return float(product)


def micro_ssim(
    restored: Sequence[ArrayLike],
    truth: Sequence[ArrayLike],
    *,
    data_range: float | None = None,
    background_percentile: float = BACKGROUND_PERCENTILE,
) -> MicroSSIM:
    """SSIM for fluorescence: without background, and with one gain for the whole dataset (Ashesh et al. 2024).

    The dark background of a microscope image sets SSIM close to 1 whatever happens to the cells. So a low percentile of
    each image is taken off it, and one gain for all restored images is chosen that makes their mean SSIM highest; a
    method cannot gain by a gain of its own for each image.

    Parameters
    ----------
    restored, truth : sequence of array-like
        The dataset: (Y, X) or (T, Y, X) images, equal shapes within a pair, at least 11 × 11 pixels.
    data_range : float, optional
        D in grey levels for all images; by default each pair's is max - min of its truth.
    background_percentile : float
        What counts as background, 0 to 100.

    Raises
    ------
    InputError
        If the two lists differ in length or are empty, and as `ms_ssim`.

    Examples
    --------
    >>> truth = np.random.default_rng(0).random((2, 32, 32))
    >>> scores = micro_ssim([image / 4 + 9 for image in truth], list(truth))
    >>> [round(value, 4) for value in scores.values], round(scores.gain, 3)
    ([1.0, 1.0], 4.0)
    """
    if len(restored) != len(truth) or not len(truth):
        raise InputError(
            f"there are {len(restored)} restored and {len(truth)} true images, need equally many, at least 1"
        )
    terms = []
    for r, g in zip(restored, truth, strict=True):
        r_stack, g_stack = _checked(r, g, "MicroSSIM")
        width = range_of(g_stack, None) if data_range is None else check_data_range(data_range)
        levels = [np.percentile(stack, background_percentile) for stack in (r_stack, g_stack)]
        pairs = zip(frames(r_stack, "restored"), frames(g_stack, "truth"), strict=True)
        terms.append(
            SSIMTerms.joined([SSIMTerms.of((a - levels[0]) / width, (b - levels[1]) / width) for a, b in pairs])
        )
    gain = best_gain(terms)
    return MicroSSIM(tuple(float(one.similarity(1.0, gain).mean()) for one in terms), gain)


def best_gain(terms: Sequence[SSIMTerms]) -> float:
    """Find the one gain of the restored images at which SSIM (D = 1), averaged over images, is highest.

    It is sought within a factor of 2 around the ratio of the contrasts. Without that bound the dark background, which
    a gain of 0 makes perfect, can outvote the cells.
    """

    def loss(log_gain: float) -> float:
        return -float(np.mean([one.similarity(1.0, np.exp(log_gain)).mean() for one in terms]))

    contrasts = [(float(one.truth_mean.std()), float(one.restored_mean.std())) for one in terms]
    known = [np.log(truth / restored) for truth, restored in contrasts if truth > 0 and restored > 0]
    center = float(np.mean(known)) if known else 0.0
    bounds = (center - np.log(_GAIN_FACTOR), center + np.log(_GAIN_FACTOR))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def foreground_ssim(restored: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> ForegroundSSIM:
    """SSIM over bright structure only: windows whose true center lies above the truth's Otsu threshold.

    Parameters
    ----------
    restored, truth : array-like
        (Y, X) or (T, Y, X), equal shapes, the same grey levels, at least 11 × 11 pixels.
    data_range : float, optional
        D in grey levels; max - min of the whole truth by default.

    Returns
    -------
    ForegroundSSIM
        ``(value, share)``; value is NaN where no window's center is foreground.

    Raises
    ------
    InputError
        As `ms_ssim`, and for a constant truth.

    Examples
    --------
    >>> truth = np.random.default_rng(0).random((32, 32))
    >>> foreground_ssim(truth, truth).value
    1.0
    """
    restored, truth = _checked(restored, truth, "foreground SSIM")
    range_of(truth, None)  # refuses a constant truth
    width, threshold = range_of(truth, data_range), otsu(truth)
    pairs = zip(frames(restored, "restored"), frames(truth, "truth"), strict=True)
    found = [frame_foreground(r, g, width, threshold) for r, g in pairs]
    values = np.concatenate([values for values, _ in found])
    n_windows = sum(count for _, count in found)
    return ForegroundSSIM(float(values.mean()) if values.size else float("nan"), values.size / n_windows)


def frame_foreground(restored: Array, truth: Array, data_range: float, threshold: float) -> tuple[Array, int]:
    """SSIM of the foreground windows of one float64 (Y, X) pair, and how many windows there are."""
    centers = truth[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] > threshold
    return SSIMTerms.of(restored, truth).picked(centers).similarity(data_range), centers.size


def otsu(image: Array) -> float:
    """Otsu's threshold between dark and bright, over all frames."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(image.astype(np.float64)))  # type: ignore[no-untyped-call]


def _windowed(image: Array) -> Array:
    smooth = gaussian_filter(image, 1.5, truncate=3.5)
    return np.asarray(smooth[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])


def _halved(image: Array) -> Array:
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    blocks = image[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _checked(restored: ArrayLike, truth: ArrayLike, what: str) -> tuple[Array, Array]:
    one, two = checked_pair(restored, truth)
    if min(two.shape[1:]) < SSIM_WINDOW:
        raise InputError(
            f"frames are {two.shape[1]} × {two.shape[2]} pixels, {what} needs at least {SSIM_WINDOW} × {SSIM_WINDOW}"
        )
    return one, two
