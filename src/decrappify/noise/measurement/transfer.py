"""Photon-transfer curve of images with structure and motion: noise variance against mean gray level.

The bin of a pixel follows from pixels with independent noise (other frames, or the surroundings in a single image),
never from the pixel itself: binning by noisy values underestimates the gain of dim images by more than half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_BINS, _SPACING = 20, 1.5  # bins are narrower at the dim end, where most pixels are
_LEAST_PIXELS, _LEAST_FLAT, _LEAST_SHOWN = 150, 100, 40
_REACH = 3  # frames before and after a pair whose mean determines the bin
_CLIPPED = 0.005  # share of pixels with a clipped neighbor, above which a bin is not used
_OUTLIER = 5.0  # standard deviations
SCATTER = 0.1  # relative error of the variance of a point, at least, of real movies with few matching points


@dataclass(frozen=True, slots=True)
class Residuals:
    """Pixels of an image or movie: all arrays are (N,).

    Attributes
    ----------
    mean : float array
        Gray level, weighted as the noise of the residual.
    residual : float array
        Noise after removal of structure; its variance is that of one pixel of one frame.
    level : float array
        Gray level from independent pixels, which determines the bin.
    slope : float array
        Gradient of the independent image; steep pixels are not used.
    clipped : bool array
        Whether the kernel reaches a clipped pixel.
    """

    mean: Array
    residual: Array
    level: Array
    slope: Array
    clipped: Array


@dataclass(frozen=True, slots=True)
class Transfer:
    """Photon-transfer curve and the line ``variance = gain * mean + intercept``.

    Attributes
    ----------
    means, variances, counts : float array (bins,)
        Points of the curve.
    gain, intercept : float
        Parameters of the line.
    covariance : array (2, 2)
        Of gain and intercept, for independent pixels.
    misfit : float
        Chi squared per degree of freedom.
    background : float
        Variance of the dim pixels, up to the point with the lowest variance; outliers are included, since pixels of
        sCMOS cameras differ in their read noise.
    excluded : float array (n, 2)
        Mean and variance of bins that are not used, since their pixels are clipped or too few are flat.
    """

    means: Array
    variances: Array
    counts: Array
    gain: float
    intercept: float
    covariance: Array
    misfit: float
    background: float
    excluded: Array = field(default_factory=lambda: np.zeros((0, 2)))


def residuals(
    frames: Array, kernel: Array, factor: float = 1.0, limits: tuple[float, float] | None = None
) -> Residuals:
    """Compute residuals of consecutive frames (T, Y, X), or of a single image (1, Y, X).

    `factor` is the variance of the filtered noise of variance 1; gray levels at or beyond `limits` are
    clipped.
    """
    from scipy.ndimage import correlate, gaussian_filter, maximum_filter

    in_time = len(frames) > 1
    signal = (frames[1:] + frames[:-1]) / 2 if in_time else frames
    noise = (frames[:-1] - frames[1:]) / np.sqrt(2) if in_time else frames
    reach = kernel.shape[0] // 2
    inner = (slice(reach + 1, -reach - 1),) * 2
    found: list[list[Array]] = [[], [], [], [], []]
    for t, (one, difference) in enumerate(zip(signal, noise, strict=True)):
        others = _others(frames, t)
        level = _surroundings(one, reach) if others is None else gaussian_filter(others, 1.0)
        slope = np.hypot(*np.gradient(level))
        clipped = np.zeros(one.shape, np.bool_)
        if limits is not None:
            pair = frames[t : t + 2]
            outside = ((pair <= limits[0]) | (pair >= limits[1])).any(0)
            clipped = maximum_filter(outside, kernel.shape)
        images = (correlate(one, kernel**2), correlate(difference, kernel) / np.sqrt(factor), level, slope, clipped)
        for values, image in zip(found, images, strict=True):
            values.append(image[inner].ravel())
    return Residuals(*(np.concatenate(values) for values in found))


def join(parts: Sequence[Residuals]) -> Residuals:
    """Concatenate the pixels of several regions."""
    names = ("mean", "residual", "level", "slope", "clipped")
    return Residuals(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def photon_transfer(pixels: Residuals, flat: float = 0.5) -> Transfer | None:
    """Measure the curve and fit its line; None for fewer than 3 gray levels.

    `flat` is the share of the pixels of each bin, those with the smallest gradient, that is used.
    """
    bins, unused = _bins(pixels, flat)
    if len(bins) < 3:
        return None
    counts = np.array([len(pixels_of) for pixels_of in bins], np.float64)
    means = np.array([pixels.mean[b].mean() for b in bins])
    variances = np.array([truncated_variance(pixels.residual[b]) for b in bins])
    if variances.min() <= 0:
        return None
    fit = fit_line(means, variances, counts)
    for _ in range(3):  # outliers are judged by the fitted variance of the pixel, not by the skewed distribution
        slope, constant = fit[0]
        least = np.maximum(slope * means + constant, 1e-9) * 0.3
        keep = [
            b[np.square(pixels.residual[b]) < _OUTLIER**2 * np.maximum(slope * pixels.mean[b] + constant, smallest)]
            for b, smallest in zip(bins, least, strict=True)
        ]
        if min(map(len, keep)) < 10:
            break
        means = np.array([pixels.mean[b].mean() for b in keep])
        variances = np.array([np.square(pixels.residual[b]).mean() for b in keep])
        counts = np.array([len(b) for b in keep], np.float64)
        if variances.min() <= 0:
            return None
        fit = fit_line(means, variances, counts)
    (gain, intercept), covariance, misfit = fit
    excluded = [(pixels.mean[b].mean(), truncated_variance(pixels.residual[b])) for b in unused]
    points = np.array(excluded, np.float64).reshape(-1, 2)
    dim = np.concatenate(bins[: int(variances.argmin()) + 1])
    background = float(np.square(pixels.residual[dim]).mean())
    return Transfer(means, variances, counts, float(gain), float(intercept), covariance, misfit, background, points)


def truncated_variance(values: Array, limit: float = 3.5) -> float:
    """Estimate the variance of normal values without those beyond `limit` standard deviations."""
    from scipy.stats import norm

    spread = float(np.median(np.abs(values))) * 1.4826
    share = 1 - 2 * limit * norm.pdf(limit) / (2 * norm.cdf(limit) - 1)
    for _ in range(6):
        inside = np.abs(values) < limit * spread
        if not inside.any():
            break
        spread = float(np.sqrt(np.square(values[inside]).mean() / share))
    return spread * spread


def fit_line(x: Array, variances: Array, counts: Array) -> tuple[Array, Array, float]:
    """Fit a line to variances by iteratively reweighted least squares with Cauchy weights.

    Returns
    -------
    (gain, intercept), covariance (2, 2), chi squared per degree of freedom
    """
    design = np.stack([x, np.ones_like(x)], 1)
    weights = counts / variances**2
    for _ in range(30):
        root = np.sqrt(weights)
        line = np.linalg.lstsq(design * root[:, None], variances * root, rcond=None)[0]
        fitted = np.maximum(design @ line, 1e-3 * variances.max())
        off = (variances - fitted) / (fitted * np.sqrt(2 / counts))
        weights = counts / (2 * fitted**2) / (1 + (off / 2.385) ** 2)
    covariance = np.linalg.pinv((design * weights[:, None]).T @ design)
    return line, covariance, float(np.square(off).sum() / max(len(x) - 2, 1))


def scattered_line(transfer: Transfer) -> tuple[Array, Array, float]:
    """Fit a line to points that scatter by more than the number of their pixels explains.

    No point counts more than one with a relative error of 10 %. The errors are those of the jackknife over the points.

    Returns
    -------
    (gain, intercept), errors (2,), chi squared per degree of freedom
        The last of the line above the lowest variance, below which noise does not fall, and without the point that
        deviates most: the dimmest and the brightest one can contain pixels of another kind.
    """
    counts = transfer.counts / (1 + transfer.counts * SCATTER**2 / 2)
    points = np.stack([transfer.means, transfer.variances, counts])
    line = fit_line(*points)[0]
    number = points.shape[1]
    others = np.array([fit_line(*np.delete(points, k, axis=1))[0] for k in range(number)])
    fitted = np.maximum(line[0] * transfer.means + line[1], transfer.variances.min())
    off = (transfer.variances - fitted) / (fitted * np.sqrt(2 / counts))
    squares = np.sort(np.square(off))[:-1]
    return line, np.sqrt((number - 1) * others.var(axis=0)), float(squares.sum() / max(number - 3, 1))


def _bins(pixels: Residuals, flat: float) -> tuple[list[Array], list[Array]]:
    """Return the pixels of the bins that are used, and of those that are not but have enough pixels to be shown."""
    if not pixels.level.size:
        return [], []
    low, high = np.percentile(pixels.level, [0.2, 99.95])
    if high <= low:
        return [], []
    edges = low + (high - low) * np.linspace(0, 1, _BINS + 1) ** _SPACING
    numbers = np.digitize(pixels.level, edges) - 1
    found: list[Array] = []
    unused: list[Array] = []
    for number in range(_BINS):
        inside = np.flatnonzero(numbers == number)
        if len(inside) < _LEAST_SHOWN:
            continue
        # without its brightest pixels a bin with clipped ones would have less noise
        used = len(inside) >= _LEAST_PIXELS and pixels.clipped[inside].mean() <= _CLIPPED
        inside = inside[pixels.slope[inside] <= np.quantile(pixels.slope[inside], flat)]
        (found if used and len(inside) >= _LEAST_FLAT else unused).append(inside)
    return found, unused


def _others(frames: Array, t: int) -> Array | None:
    """Return the mean of the frames near t, without t and t + 1; None if there are none."""
    near = [k for k in range(max(0, t - _REACH), min(len(frames), t + 2 + _REACH)) if k not in (t, t + 1)]
    return None if len(frames) < 2 or not near else np.asarray(frames[near].mean(0))


def _surroundings(image: Array, reach: int) -> Array:
    """Smooth an image without the pixels that the kernel reaches."""
    from scipy.ndimage import gaussian_filter
    from scipy.signal import fftconvolve

    size = 8 * reach + 8
    ring = np.zeros((2 * size + 1,) * 2)
    ring[size, size] = 1
    ring = gaussian_filter(ring, 2.0 * reach)
    ring[size - reach : size + reach + 1, size - reach : size + reach + 1] = 0
    ring /= ring.sum()
    padded = np.pad(image, size, mode="symmetric")
    return np.asarray(fftconvolve(padded, ring, mode="valid"))
