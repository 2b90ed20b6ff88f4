"""Measured differences of methods from held-out photons."""

from __future__ import annotations

from dataclasses import dataclass, field

from decrappify.movie import Array

SHARE = 0.8  # of the photons that are restored; the others are compared


@dataclass(frozen=True, slots=True)
class Scores:
    """Comparison of a method with the target on each unit, a region or a block, in squared gray levels.

    Attributes
    ----------
    differences : array (N,)
        Mean squared difference from the target.
    sensitivity : float
        Mean over pixels of the variance times the derivative of a restored pixel by the same pixel of the source.
    """

    differences: Array
    sensitivity: float


@dataclass(frozen=True, slots=True)
class Thinning:
    """Result of the test.

    Attributes
    ----------
    model, gaussian : Scores
        Of the model, and of the best Gaussian filter.
    noise : array (N,)
        Variance of the noise of the target.
    variance : float
        Mean variance of the noise of the movie, by the calibration.
    shared : float
        Noise that both parts share, relative to that of the movie, at the finest detail; includes structure.
    sigma_space, sigma_time : float
        Widths of the Gaussian filter, in pixels and frames.
    n_regions : int
        Number of regions.
    example : tuple of arrays (Y, X)
        Of the region with the most contrast: first part, restored, filtered.
    images : tuple of lists of arrays (Y, X)
        Of each region: first part, restored, second part.
    """

    model: Scores
    gaussian: Scores
    noise: Array
    variance: float
    shared: float
    sigma_space: float
    sigma_time: float
    n_regions: int
    example: tuple[Array, ...] = field(repr=False, compare=False)
    images: tuple[list[Array], ...] = field(repr=False, compare=False)
