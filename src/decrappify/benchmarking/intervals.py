"""`calibrate_intervals`: intervals of a model from measured pairs (source, reference) of several fields of view."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.checks import check_instance
from decrappify._common.counting import counted
from decrappify._common.progress import Cancel, Progress, cancellable, checked_progress, progress_bar
from decrappify.benchmarking.inputs.agreement import check_agreement
from decrappify.benchmarking.inputs.movies import mapped, memory_budget
from decrappify.benchmarking.inputs.pairs import Pair, View, checked_pairs
from decrappify.benchmarking.options import BenchmarkOptions
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.sums.pairs import PairSums, finite
from decrappify.movie import Array, Movie
from decrappify.trust import Intervals
from decrappify.trust.intervals.conformal import check_fields, guarantee_of
from decrappify.trust.intervals.fields import FACTORS, count_scores, field_terms
from decrappify.trust.intervals.intervals import fit_channel
from decrappify.trust.intervals.strata import STRATA

if TYPE_CHECKING:
    from decrappify.model import Model


def calibrate_intervals(
    model: Model | str | Path,
    pairs: Any,
    *,
    level: float = 0.9,
    options: BenchmarkOptions = BenchmarkOptions(),
    inference: InferenceOptions = InferenceOptions(),
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Intervals:
    """Calibrate intervals that contain the reference with a guaranteed coverage, from pairs of several fields of view.

    Every source is restored and compared with its reference. The guarantee is for new fields of the same microscope,
    settings and specimen. With 10 fields or more, the coverage of a new field is on average at least `level`, over
    calibrations and fields (conformal risk control); with 200 or more, on average over fields, with a probability of
    90 % over calibrations (risk-controlling prediction sets). Both hold for each of six strata of the gray level of the
    result (``docs/intervals.md``).

    Parameters
    ----------
    model : Model, str or Path
        A model of scale 1, the name of a shipped one, or a model file.
    pairs : path, or list of (source, reference)
        As for `benchmark`: a folder of ``low/`` and ``high/``, two folders, or a list. Pairs with the same reference
        are one field, as are the frames of a movie.
    level : float
        Share of the pixels of which the interval contains the reference, 0.5 to 0.99.
    options : BenchmarkOptions
        `levels`, `folder_as` and `unrelated`; the others are not used. If gray levels are fitted, the intervals are
        those of the reference in the gray levels of the result.
    inference : InferenceOptions
        Tiles, device, precision and backend.
    progress : bool or callable, optional
        True, or a callable like ``tqdm``.
    cancel : threading.Event, optional
        When set, the calibration stops.

    Returns
    -------
    Intervals
        For `interval_map`, and with ``save(path)``.

    Raises
    ------
    InputError
        If there are fewer than 10 fields, or not enough for `level`, a source and its reference do not show the same
        field, or the model has another scale or other channels.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> calibrate_intervals("fluorescence-still", ("low", "high")).save("intervals.toml")  # doctest: +SKIP
    """
    from decrappify.model import load_model

    check_instance(InferenceOptions, inference=inference)
    check_instance(BenchmarkOptions, options=options)
    found = checked_pairs(pairs, folder_as=options.folder_as)
    _check_different(found)
    fields = list(dict.fromkeys(pair.field for pair in found))
    check_fields(len(fields), level)
    _check_copies(found)
    loaded = load_model(model)
    n_channels = _check_channels(found, loaded)
    found = _agreeing(found, options)
    bars = cancellable(checked_progress(progress), cancel, "cancelled; no intervals were calibrated")
    collected = [_Collected() for _ in range(n_channels)]
    with progress_bar(bars, total=len(found), desc="calibrate intervals", unit="pair") as bar:
        for pair in found:
            with _restored(pair, loaded, inference, cancel) as restored:
                for view in pair.views:
                    collected[view.channel].add(view, view.of(restored))
            bar.update(1)
    return Intervals(
        level=float(level),
        guarantee=guarantee_of(len(fields)),
        n_fields=len(fields),
        model=loaded.name,
        model_sha256=loaded.sha256,
        channels=tuple(
            fit_channel(np.stack([each.counts[name] for name in fields]), each.features, level) for each in collected
        ),
    )


def _check_different(pairs: Sequence[Pair]) -> None:
    """Raise InputError for a source that is its own reference: its noise would not count as an error."""
    for pair in pairs:
        origin = pair.source.origin
        if origin is not None and pair.reference is not None and pair.reference.origin == origin:
            raise InputError(f"{pair.source.name} is its own reference; pass folders of raw images and of good ones")


def _check_copies(pairs: Sequence[Pair]) -> None:
    """Raise InputError for two fields with the same reference image, which would count as two."""
    seen: dict[bytes, Pair] = {}
    for pair in {pair.field: pair for pair in pairs}.values():
        if pair.reference is None:
            continue
        pixels = np.ascontiguousarray(pair.reference.frame(pair.reference.shape[0] // 2))
        other = seen.setdefault(blake2b(pixels.tobytes()).digest(), pair)
        if other is not pair:
            raise InputError(
                f"{pair.name} and {other.name} have the same reference image, expected different fields of view; "
                "omit the copy"
            )


@dataclass
class _Collected:
    """Counts of each field of one channel, and the features of each view."""

    counts: dict[str, Array] = field(default_factory=dict)
    features: list[dict[str, float]] = field(default_factory=list)

    def add(self, view: View, restored: Movie) -> None:
        terms = field_terms(view.source, restored, range(restored.shape[0]), 0)
        reference = _on_levels_of(restored, view)
        lost = restored.missing | view.source.missing | reference.missing
        counts = self.counts.setdefault(view.pair.field, np.zeros((len(STRATA), len(FACTORS) + 1), np.int64))
        for t in range(restored.shape[0]):
            if (t, 0, 0) not in lost:
                counts += count_scores(restored.frame(t).astype(np.float32), reference.frame(t), terms)
        self.features.append(terms.features)


def _agreeing(pairs: Sequence[Pair], options: BenchmarkOptions) -> list[Pair]:
    """Return the pairs with the decision whether gray levels are fitted; warn of shifts, and if they are."""
    checked = check_agreement(pairs, levels="fit", unrelated=options.unrelated)
    differing = [one.levels for one in checked.agreements.values() if one.levels and one.levels.differs]
    lines = list(checked.warnings)
    if differing and options.levels == "auto":
        lines.append(
            f"the gray levels of the references are {differing[0].slope:.3g} times those of the sources, with offset "
            f"{differing[0].intercept:.3g} ({len(differing)} of {len(checked.agreements)} images): each reference "
            f"was fitted to its result by slope and intercept; pass {setting('levels', 'same')} to omit it"
        )
    for line in lines:
        warnings.warn(line, stacklevel=4)  # the caller of `calibrate_intervals`
    fit = options.levels == "fit" or (options.levels == "auto" and bool(differing))
    return [replace(pair, fit_levels=fit) for pair in pairs]


def _on_levels_of(restored: Movie, view: View) -> Movie:
    """Return the reference of a view, in the gray levels of the result if they are fitted."""
    reference = view.reference
    assert reference is not None  # by `_check_channels`
    if not view.pair.fit_levels:
        return reference
    sums = PairSums()
    for t in range(restored.shape[0]):
        sums.add(finite(restored.frame(t), t, "restored"), finite(reference.frame(t), t, "reference"))
    slope, intercept = sums.slope, sums.intercept
    if slope <= 0:
        raise InputError(
            f"{view.name}: the reference does not become brighter with the result, expected images of the same field; "
            "check which files belong together"
        )
    return mapped(reference, lambda frame: (frame - intercept) / slope)


def _check_channels(pairs: Sequence[Pair], model: Model) -> int:
    """Return the number of channels; raise InputError if the pairs or the model do not permit intervals."""
    if model.scale != 1 or model.in_channels != model.network.out_channels:
        raise InputError(
            f"model {model.name!r} has scale {model.scale}, {model.in_channels} input and {model.network.out_channels} "
            "output channels; intervals need scale 1 and equal channels"
        )
    n_channels = pairs[0].source.shape[1]
    for pair in pairs:
        if pair.reference is None:
            raise InputError(f"{pair.name} has no reference, which intervals need; pass pairs of low and high quality")
        if pair.scale != 1:
            raise InputError(
                f"{pair.name} has a reference of {pair.scale} times its size; intervals need references of equal size"
            )
        if pair.source.shape[1] != n_channels:
            raise InputError(
                f"{pair.name} has {counted(pair.source.shape[1], 'channel')}, expected {n_channels} as "
                f"{pairs[0].name}; calibrate movies of different channels separately"
            )
    return n_channels


@contextmanager
def _restored(pair: Pair, model: Model, inference: InferenceOptions, cancel: Cancel | None) -> Iterator[Movie]:
    """Restore the source of a pair with default options, in memory or, if it is large, in a temporary store."""
    from decrappify.restoration import restore

    n_bytes = pair.source.dtype.itemsize * int(np.prod(pair.source.shape, dtype=np.int64))
    with TemporaryDirectory(prefix="decrappify-", ignore_cleanup_errors=True) as folder:
        output = Path(folder) / "restored.ome.zarr" if n_bytes > memory_budget() else None
        movie = restore(pair.source, model, output, inference=inference, cancel=cancel)
        try:
            yield movie
        finally:
            movie.close()
