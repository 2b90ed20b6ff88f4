"""Oracle baseline: the Gaussian filter whose widths maximize PSNR against the reference."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.metrics.fidelity import psnr, si_psnr
from decrappify.metrics.sums.pairs import checked_pair, decibel, frames, range_of
from decrappify.movie import Array

_SPACE_GRID = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5)
_TIME_GRID = (0.0, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0)
_REFINEMENTS = (1.25, 1.12, 1.06)
_SEARCH_FRAMES = 32
_SEARCH_PIXELS = 2**20


class BestGaussian(NamedTuple):
    """The Gaussian filter with the highest PSNR, and its result.

    Attributes
    ----------
    sigma_space : float
        Standard deviation along Y and X, in pixels.
    sigma_time : float
        Standard deviation along T, in frames; 0 for a still.
    restored : ndarray
        The filtered source, float64, of the source's shape.
    psnr : float
        PSNR of all of `restored` in dB; SI-PSNR if levels were fitted.
    """

    sigma_space: float
    sigma_time: float
    restored: Array
    psnr: float


def best_gaussian(
    source: ArrayLike,
    reference: ArrayLike,
    *,
    data_range: float | None = None,
    fit_levels: bool = False,
    in_time: bool = True,
) -> BestGaussian:
    """Filter `source` with the Gaussian in space and time that has the highest PSNR against `reference`.

    An oracle: the sigmas are chosen per movie from the reference, which is unknown in practice. A coarse grid over both
    sigmas is refined in three rounds to steps of 6 %, on up to 32 frames (a million pixels) spread over the movie, each
    filtered in time with all its neighbors. The best pair is then applied to the whole movie.

    Parameters
    ----------
    source, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, the same gray levels.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default.
    fit_levels : bool
        Whether to maximize SI-PSNR instead, if the gray levels of source and reference differ by a gain and an offset.
    in_time : bool
        Whether to filter along T, too; False for slices.

    Returns
    -------
    BestGaussian
        ``(sigma_space, sigma_time, restored, psnr)``.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, or the reference is constant and `data_range` not given.
    """
    noisy, target = checked_pair(source, reference, ("source", "reference"))
    width = range_of(target, data_range)
    for _ in frames(noisy, "source"):
        pass  # raises for NaN, which the filter would spread to its neighbors
    n_picks = min(_SEARCH_FRAMES, len(noisy), max(2, _SEARCH_PIXELS // noisy[0].size))
    picks = evenly_spaced(len(noisy), n_picks, ends=False)
    times = _TIME_GRID if in_time and len(noisy) > 1 else (0.0,)
    sigma_space, sigma_time = _Search(noisy, picks, target[picks], width, fit_levels).best(times)
    restored = gaussian_filter(noisy.astype(np.float64), (sigma_time, sigma_space, sigma_space))
    score = (si_psnr if fit_levels else psnr)(restored, target, data_range=width)
    return BestGaussian(sigma_space, sigma_time, restored.reshape(np.shape(source)), score)


def best_gaussian_of_window(window: ArrayLike, reference: ArrayLike, *, data_range: float = 1.0) -> BestGaussian:
    """Filter the middle frame of a window like `best_gaussian`, with the highest PSNR against one reference frame.

    Parameters
    ----------
    window : array-like
        (T, Y, X), T odd.
    reference : array-like
        (Y, X), the ground truth of the middle frame.
    data_range : float
        D in the units of both.

    Returns
    -------
    BestGaussian
        `restored` is (Y, X).

    Examples
    --------
    >>> cells = gaussian_filter(np.random.default_rng(0).random((32, 32)), 2)
    >>> window = cells + np.random.default_rng(1).normal(0, 0.05, (3, 32, 32))
    >>> best = best_gaussian_of_window(window, cells)
    >>> best.sigma_time > 1, best.restored.shape
    (True, (32, 32))
    """
    best = best_gaussian_of_windows(np.asarray(window)[None], np.asarray(reference)[None], data_range=data_range)
    return best._replace(restored=best.restored[0])


def best_gaussian_of_windows(windows: ArrayLike, references: ArrayLike, *, data_range: float = 1.0) -> BestGaussian:
    """Filter the middle frames of windows with the one Gaussian that has the highest PSNR against all references.

    Parameters
    ----------
    windows : array-like
        (N, T, Y, X), T odd.
    references : array-like
        (N, Y, X), the ground truth of the middle frames.
    data_range : float
        D in the units of both.

    Returns
    -------
    BestGaussian
        `restored` is (N, Y, X).
    """
    source, target = np.asarray(windows, np.float64), np.asarray(references, np.float64)
    search = _WindowSearch(source, target, data_range)
    sigma_space, sigma_time = search.best(_TIME_GRID if source.shape[1] > 1 else (0.0,))
    restored = search.filtered(sigma_space, sigma_time)
    return BestGaussian(sigma_space, sigma_time, restored, psnr(restored, target, data_range=data_range))


def filtered_windows(windows: ArrayLike, sigma_space: float, sigma_time: float) -> Array:
    """Filter the middle frames of windows (N, T, Y, X) with one Gaussian, as `best_gaussian_of_windows`; (N, Y, X)."""
    source = np.asarray(windows, np.float64)
    unused = source[:, 0]  # the reference of the search
    return _WindowSearch(source, unused, 1.0).filtered(sigma_space, sigma_time)


class _Search:
    """Search on the frames `picks` of `source`, whose ground truth is `reference`."""

    def __init__(
        self, source: Array, picks: NDArray[np.int64], reference: Array, data_range: float, fit_levels: bool
    ) -> None:
        self._source, self._picks, self._data_range = source, picks, data_range
        self._fit_levels = fit_levels
        self._reference = reference.astype(np.float64)
        self._scores: dict[tuple[float, float], float] = {}
        self._in_time: dict[float, Array] = {}

    def best(self, times: tuple[float, ...]) -> tuple[float, float]:
        """Return the best sigmas in space and time; `times` is the coarse grid of the second."""
        self._try([(space, time) for time in times for space in _SPACE_GRID])
        for factor in _REFINEMENTS:
            space, time = self._best_so_far()
            self._in_time = {time: self._in_time[time]}
            self._try([(space * a, time * b) for b in (1 / factor, 1, factor) for a in (1 / factor, 1, factor)])
        return self._best_so_far()

    def _best_so_far(self) -> tuple[float, float]:
        return max(self._scores, key=lambda sigmas: self._scores[sigmas])

    def _try(self, candidates: list[tuple[float, float]]) -> None:
        for space, time in candidates:
            if (space, time) not in self._scores:
                self._scores[space, time] = self._score(self.filtered(space, time))

    def _score(self, filtered: Array) -> float:
        """Return the value of `psnr` or `si_psnr`; that of `psnr` without its checks and other sums."""
        if self._fit_levels:
            return si_psnr(filtered, self._reference, data_range=self._data_range)
        squares = 0.0
        for error in filtered - self._reference:
            squares += float(error.ravel() @ error.ravel())
        return decibel(self._data_range, math.sqrt(squares / filtered.size))

    def filtered(self, space: float, time: float) -> Array:
        """Return the selected frames, filtered with both sigmas."""
        in_time = self._filtered_in_time(time)
        if space == 0:
            return in_time
        rows = gaussian_filter1d(in_time, space, axis=1)
        return np.asarray(gaussian_filter1d(rows, space, axis=2, output=rows))

    def _filtered_in_time(self, sigma: float) -> Array:
        """Filter the selected frames in time, reading only the frames with a weight above 0."""
        if sigma not in self._in_time:
            # The filter with reflected ends is a symmetric matrix, so filtering unit vectors yields its rows.
            self._in_time[sigma] = np.stack([self._weighted(row) for row in self._weights(sigma)])
        return self._in_time[sigma]

    def _weights(self, sigma: float) -> Array:
        """Return the weight of every frame (columns) in each selected one."""
        weights = np.zeros((len(self._picks), len(self._source)))
        weights[np.arange(len(self._picks)), self._picks] = 1
        return np.asarray(gaussian_filter1d(weights, sigma, axis=1)) if sigma > 0 else weights

    def _weighted(self, weights: Array) -> Array:
        total = np.zeros(self._source.shape[1:])
        for t in np.flatnonzero(weights):
            total += weights[t] * self._source[t]
        return total


class _WindowSearch(_Search):
    """Search on the middle frames of windows (N, T, Y, X), each filtered in time within its window."""

    def __init__(self, windows: Array, reference: Array, data_range: float) -> None:
        n_windows, self._length = windows.shape[:2]
        picks = np.arange(n_windows) * self._length + self._length // 2
        super().__init__(windows.reshape(-1, *windows.shape[2:]), picks, reference, data_range, fit_levels=False)

    def _weights(self, sigma: float) -> Array:
        row = np.zeros(self._length)
        row[self._length // 2] = 1
        return np.kron(np.eye(len(self._picks)), gaussian_filter1d(row, sigma) if sigma > 0 else row)
