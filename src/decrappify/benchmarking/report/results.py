"""Results of a benchmark: metrics per image and method, means with intervals, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from decrappify.benchmarking.inputs.groups import FIELD
from decrappify.benchmarking.methods.methods import GAUSSIAN, INPUT
from decrappify.benchmarking.scoring.evidence import Evidence
from decrappify.benchmarking.scoring.scores import Score
from decrappify.metrics.bootstrap import Interval, bootstrap_interval, paired_difference
from decrappify.metrics.registry import list_metrics
from decrappify.metrics.scoring.metric import Metric

FEWEST_FIELDS = 5
HEADLINES = ("psnr", "ssim", "micro_ssim", "frc_px")


@dataclass
class ViewRecord:
    """One scored image: a channel of a pair.

    Attributes
    ----------
    field_of_view : str
        Images of one field of view are averaged before any interval is computed.
    size : (int, int)
        Pixels (Y, X) of the reference's grid.
    data_range : float
        D, from the "reference", the "source" or "given".
    sampled_frames, sampled_size : int, (int, int)
        Frames, and pixels (Y, X) of them, used for MS-SSIM, MicroSSIM, foreground SSIM, FRC and spectra.
    source_resolution_px, reference_resolution_px : float or None
        Decorrelation resolution of the middle frame, each on its pixel grid.
    notes : dict
        Settings that a method chose for this image.
    is_same_field : bool or None
        Whether source and reference show the same field; None if this cannot be decided.
    shift_px, shift_error_px : (float, float), float or None
        Rows and columns by which the source must be moved, in its own pixels, and the standard error.
    level_slope, level_intercept : float or None
        The line from source to reference through smoothed images.
    levels_differ : bool
        Whether the slope is far from 1, or the means differ.
    groups : dict of str to str
        Text of the groups of ``group_by`` in the name.
    """

    name: str
    field_of_view: str
    kind: str
    n_frames: int
    size: tuple[int, ...]
    scale: int
    pixel_size_um: float | None
    has_reference: bool
    data_range: float
    data_range_from: str
    sampled_frames: int
    sampled_size: tuple[int, int]
    ms_ssim_scales: int | None
    source_resolution_px: float | None
    reference_resolution_px: float | None
    halves: str | None
    notes: dict[str, list[str]] = field(default_factory=dict)
    is_same_field: bool | None = None
    shift_px: tuple[float, float] | None = None
    shift_error_px: float | None = None
    level_slope: float | None = None
    level_intercept: float | None = None
    levels_differ: bool = False
    groups: dict[str, str] = field(default_factory=dict)


@dataclass
class Results:
    """Measurements of `benchmark`, and their statistics.

    Attributes
    ----------
    methods : tuple of (name, kind)
        In the order of the tables; kind is "baseline", "model" or "callable".
    views : tuple of ViewRecord
        The images, one for each channel of each pair.
    scores : dict
        ``scores[method][image name].values`` maps the key of a metric to its value; None or missing if a metric does
        not apply.
    warnings : tuple of str
        What may make the comparison unfair or meaningless.
    origin : mapping
        Models, files, command and machine, see `decrappify.benchmarking.report.origin`.
    """

    methods: tuple[tuple[str, str], ...]
    views: tuple[ViewRecord, ...]
    scores: Mapping[str, Mapping[str, Score]]
    evidence: Mapping[str, Evidence] = field(repr=False)
    micro_ssim_gains: Mapping[str, float | None]
    seed: int
    settings: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods."""
        return tuple(name for name, _ in self.methods)

    @property
    def baseline(self) -> str | None:
        """Method that differences are relative to: the best Gaussian filter, or else the input."""
        return next((name for name in (GAUSSIAN, INPUT) if name in self.names), None)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics with a value for at least one method and image, in the order of the tables."""
        known = {
            key
            for scores in self.scores.values()
            for score in scores.values()
            for key, value in score.values.items()
            if value is not None
        }
        return tuple(metric for metric in list_metrics("report") if metric.key in known)

    @property
    def sections(self) -> dict[str, list[Metric]]:
        """Metrics by section."""
        sections: dict[str, list[Metric]] = {}
        for metric in self.metrics:
            sections.setdefault(metric.section, []).append(metric)
        return sections

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Metrics of plots and differences."""
        by_key = {metric.key: metric for metric in self.metrics}
        return tuple(by_key[key] for key in HEADLINES if key in by_key)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the metrics."""
        return tuple(metric.key for metric in self.metrics)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of view, in order."""
        return tuple(dict.fromkeys(view.field_of_view for view in self.views))

    @property
    def groups(self) -> dict[str, dict[str, Results]]:
        """Results by the text of each named group of ``group_by``; by field of view without other groups."""
        names = list(dict.fromkeys(name for view in self.views for name in view.groups))
        tags = [name for name in names if name != FIELD] or names
        return {
            tag: {
                text: replace(self, views=tuple(view for view in self.views if view.groups.get(tag) == text))
                for text in dict.fromkeys(view.groups[tag] for view in self.views)
            }
            for tag in tags
        }

    def field_number(self, view: ViewRecord) -> int:
        """Return the number of an image's field of view, from 1."""
        return self.fields.index(view.field_of_view) + 1

    def value(self, method: str, view: str, key: str) -> float:
        """Return one metric of one image; NaN if it does not apply."""
        score = self.scores[method].get(view)
        value = None if score is None else score.values.get(key)
        return math.nan if value is None else float(value)

    def per_field(self, method: str, key: str) -> list[float]:
        """Average a metric over the images of each field of view; NaN for a field without it."""
        found: dict[str, list[float]] = {place: [] for place in self.fields}
        for view in self.views:
            value = self.value(method, view.name, key)
            if not math.isnan(value):
                found[view.field_of_view].append(value)
        return [float(np.mean(values)) if values else math.nan for values in found.values()]

    def interval(self, method: str, key: str) -> Interval:
        """Return the mean of a metric over fields of view with its 95 % bootstrap interval."""
        return bootstrap_interval(self.per_field(method, key), np.random.default_rng(self.seed))

    def mean(self, method: str, key: str) -> float:
        """Return the mean of a metric over fields of view."""
        return self.interval(method, key).mean

    def difference(self, method: str, baseline: str, key: str) -> Interval:
        """Return the paired difference ``method - baseline`` over fields of view with its 95 % bootstrap interval."""
        rng = np.random.default_rng(self.seed)
        return paired_difference(self.per_field(method, key), self.per_field(baseline, key), rng)

    def basis(self) -> str:
        """Return a sentence on the data of means and intervals."""
        n = len(self.fields)
        few = "; with so few, inspect the single values" if 1 < n < 10 else ""
        interval = "no intervals" if n < 2 else f"with 95 % bootstrap intervals over fields of view{few}"
        images = f"{len(self.views)} image{'s' * (len(self.views) != 1)}"
        return f"means over {n} field{'s' * (n != 1)} of view ({images}), {interval}"


def is_certain(interval: Interval) -> bool:
    """Return whether a difference excludes 0: all of its interval is on one side.

    With fewer than 5 fields the interval is that of values which agree in sign by chance in at least 1 of 8 cases.

    >>> is_certain(Interval(1.0, 0.0, 2.0, 9)), is_certain(Interval(1.0, 0.5, 2.0, 9)), is_certain(Interval(1, 1, 1, 2))
    (False, True, False)
    """
    low, high = interval.low, interval.high
    return interval.n >= FEWEST_FIELDS and math.isfinite(low) and math.isfinite(high) and (low > 0 or high < 0)
