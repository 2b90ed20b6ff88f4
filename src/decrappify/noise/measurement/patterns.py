"""Noise of rows and columns, hot pixels and fixed pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown

Array = NDArray[Any]
_PARTS, _GAP = 4, 5  # segments of a row, and the pixels between two that correlated noise may join
_SIGNIFICANT = 3.0
_ISOLATION, _LEAST_FRAMES = 4.0, 4
_HOT, _LEAST_DARK = 8.0, 4


def line_noise(differences: Sequence[Array], axis: int) -> Estimate:
    """Estimate the standard deviation of the offsets of rows (axis 1) or columns (axis 2) from differences of frames.

    Offsets of a line are common to its segments, noise of pixels is not: the variance of the offsets is the covariance
    of the means of separate segments, after the second difference across lines has removed structure.

    Parameters
    ----------
    differences : sequence of arrays (N, Y, X)
        Differences of successive frames, divided by the square root of 2.
    axis : int
        1 for rows, 2 for columns.
    """
    products = []
    for images in differences:
        lines = images if axis == 1 else images.transpose(0, 2, 1)
        width = lines.shape[2] // _PARTS
        if width < 2 * _GAP or lines.shape[1] < 8:
            continue
        means = [lines[:, :, k * width : (k + 1) * width - _GAP].mean(2) for k in range(_PARTS)]
        sharp = [(2 * one[:, 1:-1] - one[:, 2:] - one[:, :-2]) / np.sqrt(6) for one in means]
        products += [sharp[i] * sharp[j] for i in range(_PARTS) for j in range(i)]
    if not products:
        return unknown("requires successive frames of at least 40 pixels along the lines and 8 across")
    variance = float(np.mean([_trimmed_mean(one) for one in products]))
    per_frame = np.concatenate([one.mean(1) for one in products])
    error = float(per_frame.std() / np.sqrt(max(len(per_frame) / 6, 1)))  # 6 pairs of segments share their pixels
    if variance <= _SIGNIFICANT * error:
        below = np.sqrt(max(variance, 0) + _SIGNIFICANT * error)
        return Estimate(0.0, float(below / _SIGNIFICANT), note=f"not detected; below {below:.2g} gray levels")
    return Estimate(float(np.sqrt(variance)), float(error / (2 * np.sqrt(variance))))


def hot_pixels(frames: Array) -> Estimate:
    """Estimate the share of pixels far brighter than all their neighbors in every frame.

    Parameters
    ----------
    frames : array (T, Y, X)
        At least 4 frames of one region. Optics spread light over neighbors, so that an isolated pixel is a defect.
    """
    if len(frames) < _LEAST_FRAMES:
        return unknown(f"requires at least {_LEAST_FRAMES} frames")
    hot = isolated(frames)[0]
    return _share(int(hot.sum()), hot.size)


def hot_level(frames: Array) -> Estimate:
    """Estimate the mean excess of the pixels that `hot_pixels` counts, in gray levels."""
    if len(frames) < _LEAST_FRAMES:
        return unknown(f"requires at least {_LEAST_FRAMES} frames")
    hot, excess = isolated(frames)
    return _level(excess[hot])


def isolated(frames: Array) -> tuple[Array, Array]:
    """Return a mask of isolated bright pixels (Y - 2, X - 2), and the excess over the mean of their neighbors."""
    from scipy.ndimage import correlate, maximum_filter, minimum_filter

    median = np.median(frames, 0)
    ring = np.ones((3, 3), np.bool_)
    ring[1, 1] = False
    highest, lowest = maximum_filter(median, footprint=ring), minimum_filter(median, footprint=ring)
    noise = 1.2533 * frames.std(0) / np.sqrt(len(frames))
    hot = (median - highest) > np.maximum(_ISOLATION * (highest - lowest), _SIGNIFICANT * noise)
    inside = (slice(1, -1),) * 2
    return hot[inside], (median - correlate(median, ring / 8.0))[inside]


def dark_hot_pixels(mean: Array, noise: float) -> tuple[Estimate, Estimate]:
    """Estimate the share of hot pixels in the mean dark frame and their mean excess over its median.

    `noise` is the standard deviation of the mean.
    """
    excess = mean - float(np.median(mean))
    spread = max(1.4826 * float(np.median(np.abs(excess))), noise)
    hot = excess > _HOT * spread
    return _share(int(hot.sum()), mean.size), _level(excess[hot])


def fixed_pattern(dark: Array, variance: float) -> Estimate:
    """Estimate the standard deviation of the offsets of pixels from dark frames (T, Y, X).

    `variance` is the mean variance of a pixel in time; its share that remains in the mean of the frames is subtracted.
    """
    if len(dark) < _LEAST_DARK:
        return unknown(f"requires at least {_LEAST_DARK} dark frames, found {len(dark)}")
    mean = dark.mean(0)
    low, high = np.percentile(mean, [0.5, 99.5])
    values = mean[(mean >= low) & (mean <= high)] if high > low else mean.ravel()
    remaining = float(values.var()) - variance / len(dark)
    error = float(values.var() * np.sqrt(2 / values.size))
    if remaining <= _SIGNIFICANT * error:
        below = float(np.sqrt(max(remaining, 0) + _SIGNIFICANT * error))
        return Estimate(0.0, below / _SIGNIFICANT, note=f"not detected; below {below:.2g} gray levels")
    return Estimate(float(np.sqrt(remaining)), float(error / (2 * np.sqrt(remaining))))


def _share(count: int, total: int) -> Estimate:
    note = f"{count} of {total} sampled pixels"
    return Estimate(count / total, float(np.sqrt(max(count, 1)) / total), note=note)


def _level(excess: Array) -> Estimate:
    if not excess.size:
        return unknown("no hot pixels were found")
    return Estimate(float(excess.mean()), float(excess.std() / np.sqrt(len(excess))) if len(excess) > 1 else None)


def _trimmed_mean(values: Array) -> float:
    """Return the mean without the frames' largest deviations: moving structure has heavy tails."""
    flat = np.sort(values, axis=None)
    cut = len(flat) // 200
    return float(flat[cut : len(flat) - cut].mean())
