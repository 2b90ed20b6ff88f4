"""All figures of one restored view: most from every frame in one pass, the costly ones from frames spread over it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from decrappify.benchmarking.movies import mapped, upsampled
from decrappify.benchmarking.pairs import View
from decrappify.metrics.blind import ResidualSums
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
from decrappify.metrics.pairs import PairSums, check_data_range, finite, measured_range
from decrappify.metrics.resolution import AGAINST_TRUTH, RingCorrelation, correlation_from
from decrappify.metrics.scorecard import score_movie
from decrappify.metrics.spectrum import SMALLEST_SIDE, RingSums, Spectrum
from decrappify.movie import Array, Movie

SAMPLED_FRAMES = 16
_SAMPLED_SIDE, _SAMPLED_PIXELS = 2048, 2**24
_WINDOWS = 2**15
_SMALLEST_DECORRELATION = 32
_FROM_CARD = (
    "psnr",
    "si_psnr",
    "nrmse",
    "slope",
    "linearity_slope",
    "linearity_deviation_percent",
    "ssim",
    "tde",
    "tdr",
    "flicker_floor",
    "flicker_ratio",
    "gain_jitter",
    "noise_sigma",
    "residual_autocorrelation",
)


@dataclass(frozen=True)
class Ground:
    """What the scores of one view have in common, measured once.

    Attributes
    ----------
    frames : tuple of int
        The frames for MS-SSIM, MicroSSIM, foreground SSIM, FRC and spectra: all, or 16 spread over the movie, fewer of
        large frames.
    rows, columns : slice
        The part of these frames that is taken: all, or the 2048 pixels in the middle.
    data_range : float
        D in grey levels.
    threshold, background : float or None
        Otsu's threshold and the background percentile of the truth's sampled frames.
    reference : Movie
        The source on the truth's grid.
    """

    view: View
    frames: tuple[int, ...]
    rows: slice
    columns: slice
    data_range: float
    data_range_from: str
    reference: Movie
    threshold: float | None
    background: float | None
    source_resolution_px: float | None
    truth_resolution_px: float | None

    @property
    def sampled_size(self) -> tuple[int, int]:
        """Pixels (Y, X) of the sampled part."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def sample(self, movie: Movie, t: int, role: str) -> Array:
        """Read the sampled part of a frame as float64."""
        return finite(movie.region(t, 0, 0, self.rows, self.columns), t, role)


@dataclass
class Score:
    """Figures of one method on one view, and what its plots need."""

    figures: dict[str, float | None]
    frc: RingCorrelation | None = None
    spectrum: Spectrum | None = None
    truth_spectrum: Spectrum | None = None
    terms: SSIMTerms | None = field(default=None, repr=False)


def survey(view: View, data_range: float | None) -> Ground:
    """Measure the data range, the sampled frames and the truth's levels of a view."""
    truth, source = view.truth, view.source
    n_frames, (height, width) = source.shape[0], (size * view.pair.scale for size in source.shape[3:])
    rows, columns = _middle(height), _middle(width)
    most = max(1, _SAMPLED_PIXELS // ((rows.stop - rows.start) * (columns.stop - columns.start)))
    picks = np.unique(np.linspace(0, n_frames - 1, min(SAMPLED_FRAMES, most, n_frames)).round().astype(int))
    given = None if data_range is None else check_data_range(data_range)
    judge, role = (source, "source") if truth is None else (truth, "truth")
    sampled = None if truth is None else np.stack([truth.region(int(t), 0, 0, rows, columns) for t in picks])
    return Ground(
        view=view,
        frames=tuple(int(t) for t in picks),
        rows=rows,
        columns=columns,
        data_range=_range(judge, role) if given is None else given,
        data_range_from=role if given is None else "given",
        reference=on_levels(upsampled(source, view.pair.scale), view)[0],
        threshold=None if sampled is None else otsu(sampled),
        background=None if sampled is None else float(np.percentile(sampled, BACKGROUND_PERCENTILE)),
        source_resolution_px=_decorrelation(source),
        truth_resolution_px=None if truth is None else _decorrelation(truth),
    )


def score(ground: Ground, raw: Movie) -> tuple[Score, Movie]:
    """Score one restored view (T, 1, 1, Y, X) on the truth's grid; also returns it on the truth's grey levels."""
    restored, slope = on_levels(raw, ground.view)
    truth = ground.view.truth
    is_movie = ground.view.kind == "movie"
    card = score_movie(restored, truth, ground.reference, data_range=ground.data_range).to_dict()
    figures: dict[str, float | None] = {
        key: card[key] for key in _FROM_CARD if is_movie or key not in ("flicker_floor", "flicker_ratio", "gain_jitter")
    }
    if not is_movie:
        figures |= {"tde": None, "tdr": None}
    if slope is not None:
        figures |= {"slope": slope, "residual_autocorrelation": _whiteness(ground.view, raw)}
    result = Score(figures)
    if truth is not None:
        _add_sampled(result, ground, restored, truth)
    elif min(restored.shape[3:]) >= SMALLEST_SIDE:
        sums = RingSums()
        for t in ground.frames:
            sums.add(ground.sample(restored, t, "restored"), ground.sample(ground.reference, t, "source"))
        result.spectrum = sums.spectra()[0]
    return result, restored


def on_levels(movie: Movie, view: View) -> tuple[Movie, float | None]:
    """Map a movie to the truth's grey levels by its one affine fit, where the pair asks for it; the slope, or None."""
    truth = view.truth
    if truth is None or not view.pair.fit_levels:
        return movie, None
    sums = PairSums()
    for t in range(movie.shape[0]):
        sums.add(_frame(movie, t, "restored"), _frame(truth, t, "truth"))
    slope, intercept = sums.slope, sums.intercept
    return mapped(movie, lambda frame: slope * frame + intercept), slope


def finish_micro_ssim(scores: list[Score]) -> float | None:
    """Set `micro_ssim` of one method's scores, whose one gain is found on all of them; returns the gain."""
    terms = [one.terms for one in scores if one.terms is not None]
    if not terms:
        return None
    gain = best_gain(terms)
    for one in scores:
        if one.terms is not None:
            one.figures["micro_ssim"] = float(one.terms.similarity(1.0, gain).mean())
            one.terms = None
    return gain


def _add_sampled(result: Score, ground: Ground, restored: Movie, truth: Movie) -> None:
    width, shape = ground.data_range, ground.sampled_size
    pairs = [(ground.sample(restored, t, "restored"), ground.sample(truth, t, "truth")) for t in ground.frames]
    if min(shape) >= SSIM_WINDOW:
        found = [frame_foreground(r, g, width, float(ground.threshold or 0)) for r, g in pairs]
        inside = np.concatenate([values for values, _ in found])
        result.figures["ms_ssim"] = float(np.mean([frame_ms_ssim(r, g, width) for r, g in pairs]))
        result.figures["foreground_ssim"] = float(inside.mean()) if inside.size else None
        result.terms = _micro_terms(pairs, ground)
    if min(shape) >= SMALLEST_SIDE:
        sums = RingSums()
        for r, g in pairs:
            sums.add(r, g)
        result.frc = correlation_from(sums)
        result.spectrum, result.truth_spectrum = sums.spectra()
        result.figures["frc_px"] = result.frc.resolution_px(AGAINST_TRUTH)
        bands = zip(("coarse", "middle", "fine"), sums.band_ratios(), strict=True)
        result.figures |= {f"band_{name}_db": ratio for name, ratio in bands}


def _whiteness(view: View, raw: Movie) -> float | None:
    """Autocorrelation of source minus result in the source's own grey levels, before any fit."""
    source, sums = upsampled(view.source, view.pair.scale), ResidualSums()
    for t in range(raw.shape[0]):
        sums.add(_frame(source, t, "source"), _frame(raw, t, "restored"))
    return sums.autocorrelation


def _micro_terms(pairs: list[tuple[Array, Array]], ground: Ground) -> SSIMTerms:
    """Terms of evenly spaced windows, the same for every method, with each image's background taken off."""
    low = float(np.percentile(np.stack([r for r, _ in pairs]), BACKGROUND_PERCENTILE))
    high, width = float(ground.background or 0), ground.data_range
    several = []
    for r, g in pairs:
        terms = SSIMTerms.of((r - low) / width, (g - high) / width)
        step = -(-terms.covariance.size * len(pairs) // _WINDOWS)
        while step > 1 and np.gcd(step, terms.covariance.shape[1]) > 1:  # so that every column is visited
            step += 1
        several.append(terms.picked(np.arange(0, terms.covariance.size, step)))
    return SSIMTerms.joined(several)


def ms_ssim_scales(ground: Ground) -> int | None:
    """How many scales MS-SSIM has in a view; None without truth or for tiny frames."""
    if ground.view.truth is None or min(ground.sampled_size) < SSIM_WINDOW:
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
