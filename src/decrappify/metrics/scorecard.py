"""Scorecard of all metrics of one restored movie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from decrappify._common.arguments import moved_arguments, moved_into
from decrappify.metrics.registry import get_metric, list_metrics
from decrappify.metrics.scoring.evaluation import ScoreOptions, evaluate
from decrappify.movie import Array, Movie


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """Metrics of one restored movie, each also an attribute by its key, such as ``scorecard.psnr``.

    Attributes
    ----------
    n_frames : int
        Frames scored.
    data_range : float
        D in gray levels, the denominator of PSNR, SSIM and the flicker floor. Scores are comparable only at equal D.
    data_range_from : {"given", "reference", "source"}
        Origin of D.
    static_from : {"reference", "smoothed reference", "smoothed source"} or None
        Origin of the static pixels of the flicker floor; the last two are the quietest quarter, used if the reference
        is noisy or missing.
    static_share : float or None
        Share of the static pixels in the frame.
    values : mapping of str to float or None
        Key to value for all metrics of the scorecard; None for a metric that does not apply (no reference, no source,
        a single frame, frames that are too small).
    """

    n_frames: int
    data_range: float
    data_range_from: str
    static_from: str | None = None
    static_share: float | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)

    def __getattr__(self, name: str) -> float | None:
        """Return the value of a metric by its key."""
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]  # type: ignore[no-any-return]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute or metric {name!r}")

    def __dir__(self) -> list[str]:
        """Return attributes and metrics."""
        return sorted({*super().__dir__(), *self.values})

    def rows(self) -> list[tuple[str, str, str]]:
        """Return the metrics with a value as table rows (label, value with unit, interpretation)."""
        known = [(get_metric(key), value) for key, value in self.values.items() if value is not None]
        return [(metric.label, f"{value:.4g} {metric.unit}".rstrip(), metric.interpretation) for metric, value in known]

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes and metrics as plain values, for a results file."""
        facts = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "values"}
        return facts | dict(self.values)


_MOVED = moved_into("options=ScoreOptions", "data_range", "channel", "sigma_psf", "with_ssim")


@moved_arguments(_MOVED)
def score_movie(
    restored: Movie | Array,
    reference: Movie | Array | None = None,
    source: Movie | Array | None = None,
    *,
    options: ScoreOptions = ScoreOptions(),
) -> Scorecard:
    """Score a restored movie against a reference, the degraded source, or both, one frame at a time.

    The metrics are those of `list_metrics`. Two frames of each movie, a few maps of the frame's size and a million
    sampled pixels are kept in memory, for any length. Without a data range the reference is read twice, since SSIM
    needs the range of the whole movie beforehand.

    Parameters
    ----------
    restored, reference, source : Movie or ndarray
        Equal T, Y and X, one slice in Z, and the same gray levels.
    options : ScoreOptions
        Data range, channel and metrics.

    Returns
    -------
    Scorecard
        Without a reference only the flicker, noise and residual metrics are set, without a source only those against
        the reference.

    Raises
    ------
    InputError
        If neither reference nor source is given, shapes differ, a movie has several slices, a value is NaN, or the
        reference is constant.

    Examples
    --------
    >>> import numpy as np
    >>> reference = np.random.default_rng(0).random((3, 16, 16))
    >>> card = score_movie(reference, reference)
    >>> card.psnr, card.rows()[0][:2]
    (inf, ('PSNR', 'inf dB'))
    """
    found = evaluate(restored, reference, source, options)
    values = {metric.key: metric.compute(found.quantities) for metric in list_metrics("scorecard")}
    return Scorecard(
        n_frames=found.n_frames,
        data_range=found.data_range,
        data_range_from=found.data_range_from,
        static_from=found.static_from,
        static_share=found.static_share,
        values=values,
    )
