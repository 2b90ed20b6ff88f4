"""Variants of SSIM: multi-scale, background-corrected (MicroSSIM), and foreground-only.

All use the Gaussian window (sigma 1.5, 11 × 11), K1 = 0.01, K2 = 0.03 and population variances of Wang et al. 2004, and
only windows that are entirely inside the frame.
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
from decrappify.metrics.sums.pairs import check_data_range, checked_pair, frames, range_of
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
    """`value` (1 is perfect) over the windows with a foreground center, a `share` of all."""

    value: float
    share: float


@dataclass(frozen=True, slots=True)
class SSIMTerms:
    """Local statistics of SSIM for each window of an image pair: two means, two variances, the covariance."""

    restored_mean: Array
    reference_mean: Array
    restored_variance: Array
    reference_variance: Array
    covariance: Array

    @classmethod
    def of(cls, restored: Array, reference: Array) -> SSIMTerms:
        """Compute the terms of a float64 (Y, X) pair: maps of (Y - 10, X - 10) window centers."""
        r, g = _windowed(restored), _windowed(reference)
        return cls(
            r,
            g,
            _windowed(restored * restored) - r * r,
            _windowed(reference * reference) - g * g,
            _windowed(restored * reference) - r * g,
        )

    def structure(self, data_range: float, gain: float = 1.0) -> Array:
        """Compute SSIM without its brightness factor, the restored image multiplied by `gain`."""
        c2 = (0.03 * data_range) ** 2
        variances = gain**2 * self.restored_variance + self.reference_variance
        return np.asarray((2 * gain * self.covariance + c2) / (variances + c2))

    def similarity(self, data_range: float, gain: float = 1.0) -> Array:
        """Compute SSIM of every window, the restored image multiplied by `gain`."""
        c1 = (0.01 * data_range) ** 2
        brightness = 2 * gain * self.restored_mean * self.reference_mean + c1
        brightness = brightness / (gain**2 * self.restored_mean**2 + self.reference_mean**2 + c1)
        return np.asarray(brightness * self.structure(data_range, gain))

    def picked(self, centers: Array) -> SSIMTerms:
        """Select windows by a mask or by flat indices."""
        maps = (
            self.restored_mean,
            self.reference_mean,
            self.restored_variance,
            self.reference_variance,
            self.covariance,
        )
        if centers.dtype == bool:
            return SSIMTerms(*(values[centers] for values in maps))
        return SSIMTerms(*(values.ravel()[centers] for values in maps))

    @staticmethod
    def joined(several: Sequence[SSIMTerms]) -> SSIMTerms:
        """Concatenate the terms of several images to one flat list of windows."""
        names = ("restored_mean", "reference_mean", "restored_variance", "reference_variance", "covariance")
        return SSIMTerms(*(np.concatenate([getattr(terms, name).ravel() for terms in several]) for name in names))


def ms_ssim(restored: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> MultiscaleSSIM:
    """Compute multi-scale SSIM (Wang, Simoncelli and Bovik 2003), averaged over frames.

    Five scales, each half as large as the previous one, need frames of more than 160 pixels. For smaller frames the
    coarsest scales are omitted, the remaining weights are scaled to sum to 1, and `n_scales` is their number.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, at least 11 × 11 pixels.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, frames are smaller, or the reference is constant and `data_range` not given.

    Examples
    --------
    >>> reference = np.random.default_rng(0).random((64, 64))
    >>> ms_ssim(reference, reference)
    MultiscaleSSIM(value=1.0, n_scales=3)
    """
    restored, reference = _checked(restored, reference, "MS-SSIM")
    width = range_of(reference, data_range)
    pairs = zip(frames(restored, "restored"), frames(reference, "reference"), strict=True)
    values = [frame_ms_ssim(r, g, width) for r, g in pairs]
    return MultiscaleSSIM(float(np.mean(values)), n_scales(reference.shape[1:]))


def n_scales(shape: tuple[int, ...]) -> int:
    """Return the number of scales for frames of (Y, X) pixels: each halving must leave more than 10 pixels.

    >>> n_scales((161, 300)), n_scales((160, 300)), n_scales((11, 11))
    (5, 4, 1)
    """
    return sum(min(shape) > (SSIM_WINDOW - 1) * 2**k for k in range(len(SCALE_WEIGHTS)))


def frame_ms_ssim(restored: Array, reference: Array, data_range: float) -> float:
    """Compute MS-SSIM of one float64 (Y, X) pair of at least 11 × 11 pixels."""
    count = n_scales(reference.shape)
    weights = np.array(SCALE_WEIGHTS[:count]) / sum(SCALE_WEIGHTS[:count])
    product = 1.0
    for scale, weight in enumerate(weights):
        terms = SSIMTerms.of(restored, reference)
        last = scale == count - 1
        value = float((terms.similarity if last else terms.structure)(data_range).mean())
        product *= max(value, 0.0) ** weight  # a negative correlation has no real root and counts as 0
        restored, reference = _halved(restored), _halved(reference)
    return float(product)


def micro_ssim(
    restored: Sequence[ArrayLike],
    reference: Sequence[ArrayLike],
    *,
    data_range: float | None = None,
    background_percentile: float = BACKGROUND_PERCENTILE,
) -> MicroSSIM:
    """Compute MicroSSIM: SSIM without background and with one gain for the whole dataset (Ashesh et al. 2024).

    The dark background of a microscope image keeps SSIM close to 1 regardless of the cells. A low percentile is
    therefore subtracted from each image, and one gain for all restored images is chosen that maximizes their mean SSIM;
    a separate gain per image would favor methods with unstable brightness.

    Parameters
    ----------
    restored, reference : sequence of array-like
        The dataset: (Y, X) or (T, Y, X) images, equal shapes within a pair, at least 11 × 11 pixels.
    data_range : float, optional
        D in gray levels for all images; by default each pair's is max - min of its reference.
    background_percentile : float
        Percentile of the background level, 0 to 100.

    Raises
    ------
    InputError
        If the two lists differ in length or are empty, and as `ms_ssim`.

    Examples
    --------
    >>> reference = np.random.default_rng(0).random((2, 32, 32))
    >>> scores = micro_ssim([image / 4 + 9 for image in reference], list(reference))
    >>> [round(value, 4) for value in scores.values], round(scores.gain, 3)
    ([1.0, 1.0], 4.0)
    """
    if len(restored) != len(reference) or not len(reference):
        raise InputError(
            f"there are {len(restored)} restored and {len(reference)} reference images, "
            "expected equally many, at least 1"
        )
    terms = []
    for r, g in zip(restored, reference, strict=True):
        r_stack, g_stack = _checked(r, g, "MicroSSIM")
        width = range_of(g_stack, None) if data_range is None else check_data_range(data_range)
        levels = [np.percentile(stack, background_percentile) for stack in (r_stack, g_stack)]
        pairs = zip(frames(r_stack, "restored"), frames(g_stack, "reference"), strict=True)
        terms.append(
            SSIMTerms.joined([SSIMTerms.of((a - levels[0]) / width, (b - levels[1]) / width) for a, b in pairs])
        )
    gain = best_gain(terms)
    return MicroSSIM(tuple(float(one.similarity(1.0, gain).mean()) for one in terms), gain)


def best_gain(terms: Sequence[SSIMTerms]) -> float:
    """Return the gain of the restored images that maximizes SSIM (D = 1) averaged over images.

    The search is limited to a factor of 2 around the ratio of the contrasts. Otherwise the dark background, which is
    perfect at a gain of 0, can outweigh the cells.
    """

    def loss(log_gain: float) -> float:
        return -float(np.mean([one.similarity(1.0, np.exp(log_gain)).mean() for one in terms]))

    contrasts = [(float(one.reference_mean.std()), float(one.restored_mean.std())) for one in terms]
    known = [np.log(reference / restored) for reference, restored in contrasts if reference > 0 and restored > 0]
    center = float(np.mean(known)) if known else 0.0
    bounds = (center - np.log(_GAIN_FACTOR), center + np.log(_GAIN_FACTOR))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def foreground_ssim(restored: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> ForegroundSSIM:
    """Compute SSIM of bright structure only: windows centered above the reference's Otsu threshold.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, the same gray levels, at least 11 × 11 pixels.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default.

    Returns
    -------
    ForegroundSSIM
        ``(value, share)``; value is NaN if no window has a foreground center.

    Raises
    ------
    InputError
        As `ms_ssim`, and for a constant reference.

    Examples
    --------
    >>> reference = np.random.default_rng(0).random((32, 32))
    >>> foreground_ssim(reference, reference).value
    1.0
    """
    restored, reference = _checked(restored, reference, "foreground SSIM")
    range_of(reference, None)  # raises for a constant reference
    width, threshold = range_of(reference, data_range), otsu(reference)
    pairs = zip(frames(restored, "restored"), frames(reference, "reference"), strict=True)
    found = [frame_foreground(r, g, width, threshold) for r, g in pairs]
    values = np.concatenate([values for values, _ in found])
    n_windows = sum(count for _, count in found)
    return ForegroundSSIM(float(values.mean()) if values.size else float("nan"), values.size / n_windows)


def frame_foreground(restored: Array, reference: Array, data_range: float, threshold: float) -> tuple[Array, int]:
    """Compute SSIM of the foreground windows of one float64 (Y, X) pair, and the number of all windows."""
    centers = reference[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] > threshold
    return SSIMTerms.of(restored, reference).picked(centers).similarity(data_range), centers.size


def otsu(image: Array) -> float:
    """Compute Otsu's threshold between dark and bright, over all frames."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(image.astype(np.float64)))  # type: ignore[no-untyped-call]


def _windowed(image: Array) -> Array:
    smooth = gaussian_filter(image, 1.5, truncate=3.5)
    return np.asarray(smooth[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])


def _halved(image: Array) -> Array:
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    blocks = image[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _checked(restored: ArrayLike, reference: ArrayLike, what: str) -> tuple[Array, Array]:
    one, two = checked_pair(restored, reference)
    if min(two.shape[1:]) < SSIM_WINDOW:
        raise InputError(
            f"frames are {two.shape[1]} × {two.shape[2]} pixels, {what} needs at least {SSIM_WINDOW} × {SSIM_WINDOW}"
        )
    return one, two
