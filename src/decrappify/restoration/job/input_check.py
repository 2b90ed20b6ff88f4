"""Warning if an input is outside of what the model was trained on, by the learned range on the model card."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from decrappify.domain import CARD_KEY, Deviation, deviations, measure_features, sampled_regions

if TYPE_CHECKING:
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.measurement.channels import Channel

logger = logging.getLogger(__name__)

# Feature and direction: what differs, and what to do.
_ADVICE = {
    ("brightness", True): (
        "the median is bright within the range of gray levels",
        "the images may be of another kind, such as EM or phase contrast for a fluorescence model; use a model of this "
        "kind of image",
    ),
    ("brightness", False): (
        "the median is dark within the range of gray levels",
        "the images may be of another kind, such as fluorescence for an EM model; use a model of this kind of image",
    ),
    ("noise", True): (
        "noise is stronger relative to the range of gray levels",
        "expect artifacts and lost structures; average frames, bin the movie, or use a model trained on fewer photons",
    ),
    ("noise", False): (
        "noise is weaker relative to the range of gray levels",
        "fine detail may be smoothed; compare the result with the input, or use a model trained on more photons",
    ),
    ("correlation", True): (
        "noise is correlated between neighboring pixels",
        "expect residual noise; use a model trained on correlated noise, or bin the movie",
    ),
    ("correlation", False): (
        "noise is less correlated between neighboring pixels",
        "expect smoothed detail; use a model trained on independent noise",
    ),
    ("detail", True): (
        "structures are finer in pixels",
        "they may be removed as noise; use a model trained on such sampling",
    ),
    ("detail", False): (
        "structures are coarser in pixels",
        "noise may be taken for structure; bin the movie, or use a model trained on such sampling",
    ),
}


def report_unlearned(job: Job, channels: Sequence[Channel]) -> None:
    """Log one warning if features of the movie are outside of the range that the model learned.

    Models without a learned range on their card are not checked. Of each channel, regions of 3 planes are read.
    """
    found: list[tuple[int, Deviation]] = []
    for c, channel in enumerate(channels):
        ranges = job.channel_models[c].card.get(CARD_KEY)
        if channel.constant is None and isinstance(ranges, dict):
            features = measure_features(sampled_regions(job.movie, c))
            found += [(c, deviation) for deviation in deviations(features or {}, ranges)]
    if found:
        c, worst = max(found, key=lambda entry: entry[1].score)
        name = job.movie.name if len(channels) == 1 else f"{job.movie.name}, channel {job.movie.channel_names[c]}"
        others = sorted({deviation.feature for _, deviation in found} - {worst.feature})
        also = f" (also outside: {', '.join(others)})" if others else ""
        logger.warning("%s: %s%s", name, described(worst, job.channel_models[c].name), also)


def described(deviation: Deviation, model: str) -> str:
    """Return what differs, the value, the learned range and what to do.

    >>> described(Deviation("correlation", 0.612, 0.0, 0.19, 3.2), "still")  # doctest: +ELLIPSIS
    "noise is correlated between neighboring pixels (0.61; model 'still' learned 0 to 0.19): expect residual noise; ..."
    """
    what, advice = _ADVICE[deviation.feature, deviation.is_high]
    value, low, high = (_shown(number) for number in (deviation.value, deviation.low, deviation.high))
    quantity = "mean spatial frequency " if deviation.feature == "detail" else ""
    return f"{what} ({quantity}{value}; model {model!r} learned {low} to {high}): {advice}"


def _shown(value: float) -> str:
    return f"{float(np.format_float_positional(max(value, 0.0), 2, fractional=False)):g}"
