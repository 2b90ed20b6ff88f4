"""Metrics of one restored view: most from every frame in one pass, expensive ones from sampled frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.benchmarking.inputs.movies import mapped, upsampled
from decrappify.benchmarking.inputs.pairs import View
from decrappify.metrics.decorrelation import decorrelation_resolution
from decrappify.metrics.fidelity import SSIM_WINDOW
from decrappify.metrics.multiscale import (
    BACKGROUND_PERCENTILE,
    SSIMTerms,
    best_gain,
    frame_foreground,
    frame_ms_ssim,
    n_scales,
    otsu,
)
from decrappify.metrics.no_reference.blind import ResidualSums
from decrappify.metrics.quantities import Quantities
from decrappify.metrics.registry import list_metrics
from decrappify.metrics.resolution import RingCorrelation, correlation_from
from decrappify.metrics.scoring.evaluation import SAMPLED_FRAMES, SAMPLED_PIXELS, ScoreOptions, evaluate
from decrappify.metrics.sums.pairs import PairSums, check_data_range, finite, measured_range
from decrappify.metrics.sums.spectrum import SMALLEST_SIDE, RingSums, Spectrum
from decrappify.movie import Array, Movie

_SAMPLED_SIDE = 2048
_WINDOWS = 2**15
_SMALLEST_DECORRELATION = 32


@dataclass(frozen=True)
class Ground:
    """Measurements that all methods of one view share.

    Attributes
    ----------
    frames : tuple of int
        Frames for MS-SSIM, MicroSSIM, foreground SSIM, FRC and spectra: all, or 16 spread over the movie, fewer if they
        are large.
    rows, columns : slice
        The used part of these frames: all, or the central 2048 pixels.
    data_range : float
        D in gray levels.
    threshold, background : float or None
        Otsu's threshold and the background percentile of the reference's sampled frames.
    enlarged : Movie
        The source on the reference's grid.
    """

    view: View
    frames: tuple[int, ...]
    rows: slice
    columns: slice
    data_range: float
    data_range_from: str
    enlarged: Movie
    threshold: float | None
    background: float | None
    source_resolution_px: float | None
    reference_resolution_px: float | None

    @property
    def sampled_size(self) -> tuple[int, int]:
        """Pixels (Y, X) of the sampled part."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def sample(self, movie: Movie, t: int, role: str) -> Array:
        """Read the sampled part of a frame as float64."""
        return finite(movie.region(t, 0, 0, self.rows, self.columns), t, role)


@dataclass
class Score:
    """Metrics of one method on one view, and the curves of its plots.

    Attributes
    ----------
    values : dict of str to float or None
        Key to value; None if a metric does not apply.
    """

    values: dict[str, float | None]
    frc: RingCorrelation | None = None
    spectrum: Spectrum | None = None
    reference_spectrum: Spectrum | None = None
    terms: SSIMTerms | None = field(default=None, repr=False)

    def add(self, quantities: Quantities) -> None:
        """Compute the metrics for which all quantities are available."""
        for metric in list_metrics("report"):
            if all(name in quantities for name in metric.needs):
                self.values[metric.key] = metric.compute(quantities)


def survey(view: View, data_range: float | None) -> Ground:
    """Measure the data range, the sampled frames and the reference's levels of a view."""
    reference, source = view.reference, view.source
    n_frames, (height, width) = source.shape[0], (size * view.pair.scale for size in source.shape[3:])
    rows, columns = _middle(height), _middle(width)
    most = max(1, SAMPLED_PIXELS // ((rows.stop - rows.start) * (columns.stop - columns.start)))
    picks = evenly_spaced(n_frames, min(SAMPLED_FRAMES, most))
    given = None if data_range is None else check_data_range(data_range)
    basis, role = (source, "source") if reference is None else (reference, "reference")
    sampled = None if reference is None else np.stack([reference.region(int(t), 0, 0, rows, columns) for t in picks])
    return Ground(
        view=view,
        frames=tuple(int(t) for t in picks),
        rows=rows,
        columns=columns,
        data_range=_range(basis, role) if given is None else given,
        data_range_from=role if given is None else "given",
        enlarged=on_levels(upsampled(source, view.pair.scale), view)[0],
        threshold=None if sampled is None else otsu(sampled),
        background=None if sampled is None else float(np.percentile(sampled, BACKGROUND_PERCENTILE)),
        source_resolution_px=_decorrelation(source),
        reference_resolution_px=None if reference is None else _decorrelation(reference),
    )


def score(ground: Ground, raw: Movie) -> tuple[Score, Movie]:
    """Score one restored view (T, 1, 1, Y, X) on the grid of the reference.

    Returns
    -------
    tuple of Score and Movie
        The score without metrics that need all views (`Score.add`), and the movie in the gray levels of the reference.
    """
    view = ground.view
    restored, slope = on_levels(raw, view)
    quantities = evaluate(
        restored,
        view.reference,
        ground.enlarged,
        ScoreOptions(data_range=ground.data_range),
        with_motion=view.kind == "movie",
        scale=view.pair.scale,
    ).quantities
    if slope is not None:
        quantities.update({"affine_slope": slope, "residual": _residual(view, raw)})
    result = Score({})
    if view.reference is not None:
        quantities.update(_sampled(result, ground, restored, view.reference))
    elif min(restored.shape[3:]) >= SMALLEST_SIDE:
        sums = RingSums()
        for t in ground.frames:
            sums.add(ground.sample(restored, t, "restored"), ground.sample(ground.enlarged, t, "source"))
        result.spectrum = sums.spectra()[0]
    result.add(quantities)
    return result, restored


def on_levels(movie: Movie, view: View) -> tuple[Movie, float | None]:
    """Map a movie to the gray levels of the reference by one affine fit if ``pair.fit_levels`` is set.

    Returns
    -------
    tuple of Movie and float or None
        The movie, and the slope of the fit; None without a fit.
    """
    reference = view.reference
    if reference is None or not view.pair.fit_levels:
        return movie, None
    sums = PairSums()
    for t in range(movie.shape[0]):
        sums.add(_frame(movie, t, "restored"), _frame(reference, t, "reference"))
    slope, intercept = sums.slope, sums.intercept
    return mapped(movie, lambda frame: slope * frame + intercept), slope


def finish_micro_ssim(scores: list[Score]) -> float | None:
    """Compute MicroSSIM of the scores of one method with one gain for all of them, and return the gain."""
    terms = [score.terms for score in scores if score.terms is not None]
    if not terms:
        return None
    gain = best_gain(terms)
    for score in scores:
        if score.terms is not None:
            score.add(Quantities({"ssim_terms": score.terms, "micro_ssim_gain": gain}))
            score.terms = None
    return gain


def _sampled(result: Score, ground: Ground, restored: Movie, reference: Movie) -> dict[str, Any]:
    """Measure the quantities of the sampled frames, and keep curves and SSIM terms in `result`."""
    width, shape = ground.data_range, ground.sampled_size
    pairs = [(ground.sample(restored, t, "restored"), ground.sample(reference, t, "reference")) for t in ground.frames]
    quantities: dict[str, Any] = {}
    if min(shape) >= SSIM_WINDOW:
        found = [frame_foreground(r, g, width, float(ground.threshold or 0)) for r, g in pairs]
        quantities["foreground_similarity"] = np.concatenate([values for values, _ in found])
        quantities["mean_ms_ssim"] = np.mean([frame_ms_ssim(r, g, width) for r, g in pairs])
        result.terms = _micro_terms(pairs, ground)
    if min(shape) >= SMALLEST_SIDE:
        sums = RingSums()
        for r, g in pairs:
            sums.add(r, g)
        result.frc = quantities["ring_correlation"] = correlation_from(sums)
        result.spectrum, result.reference_spectrum = sums.spectra()
        quantities["band_ratios"] = sums.band_ratios()
    return quantities


def _residual(view: View, raw: Movie) -> ResidualSums:
    """Return the sums of source minus result in the source's own gray levels, before any fit."""
    source, sums = upsampled(view.source, view.pair.scale), ResidualSums()
    for t in range(raw.shape[0]):
        sums.add(_frame(source, t, "source"), _frame(raw, t, "restored"))
    return sums


def _micro_terms(pairs: list[tuple[Array, Array]], ground: Ground) -> SSIMTerms:
    """Return the SSIM terms of evenly spaced windows, equal for all methods, without background."""
    low = float(np.percentile(np.stack([r for r, _ in pairs]), BACKGROUND_PERCENTILE))
    high, width = float(ground.background or 0), ground.data_range
    several = []
    for r, g in pairs:
        terms = SSIMTerms.of((r - low) / width, (g - high) / width)
        step = -(-terms.covariance.size * len(pairs) // _WINDOWS)
        while step > 1 and np.gcd(step, terms.covariance.shape[1]) > 1:  # so that every column is sampled
            step += 1
        several.append(terms.picked(np.arange(0, terms.covariance.size, step)))
    return SSIMTerms.joined(several)


def ms_ssim_scales(ground: Ground) -> int | None:
    """Return the number of scales of MS-SSIM for a view; None without reference or for tiny frames."""
    if ground.view.reference is None or min(ground.sampled_size) < SSIM_WINDOW:
        return None
    return n_scales(ground.sampled_size)


def _middle(size: int) -> slice:
    start = max(0, (size - _SAMPLED_SIDE) // 2)
    return slice(start, start + min(size, _SAMPLED_SIDE))


def _frame(movie: Movie, t: int, role: str) -> Array:
    return finite(movie.frame(t), t, role)


def _range(movie: Movie, role: str) -> float:
    low, high = np.inf, -np.inf
    for t in range(movie.shape[0]):
        frame = _frame(movie, t, role)
        low, high = min(low, float(frame.min())), max(high, float(frame.max()))
    return measured_range(low, high, role)


def _decorrelation(movie: Movie) -> float | None:
    rows, columns = (_middle(size) for size in movie.shape[3:])
    middle = movie.region(movie.shape[0] // 2, 0, 0, rows, columns)
    if min(middle.shape) < _SMALLEST_DECORRELATION or np.ptp(middle) == 0:
        return None
    return decorrelation_resolution(middle).resolution_px
