"""`interval_map`: lower and upper bounds of the reference for all pixels of a restored movie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.progress import Cancel, Progress, cancellable, checked_progress
from decrappify._version import __version__
from decrappify.movie import Movie, Plane
from decrappify.trust.intervals.files import KIND
from decrappify.trust.intervals.intervals import Intervals
from decrappify.trust.maps import Maps, beside
from decrappify.trust.pair import MoviePair, PlaneMaps, evaluate_pair, opened_maps, opened_pair

BOUNDS = ("low", "high")
_CANCELLED = "cancelled while the intervals were computed; finished planes are kept, repeat the call to resume"


@dataclass(frozen=True, slots=True)
class IntervalMap:
    """Result of `interval_map`.

    Attributes
    ----------
    movie : Movie
        float32, the channels ``low`` and ``high`` for each channel of the restored movie, in its gray levels.
    is_calibrated : bool
        Whether all channels are within the range of the fields of the calibration.
    summary : str
        Level, median width, and what is outside of this range, in one line.
    """

    movie: Movie
    is_calibrated: bool
    summary: str


def interval_map(
    measured: Any,
    restored: Any,
    intervals: Intervals | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> IntervalMap:
    """Compute lower and upper bounds of the reference for all pixels of a restored movie, plane by plane.

    See ``docs/intervals.md`` for what they mean. A warning is logged if the movie is outside of the range of the fields
    of the calibration. Memory does not grow with the length of the movie if `output` is set; an interrupted call is
    resumed by repeating it.

    Parameters
    ----------
    measured : path, Movie or array
        The movie that was restored: raw data of the same microscope and settings as those of the calibration.
    restored : path, Movie or array
        The result, on the same grid and in the same gray levels.
    intervals : Intervals or path
        Result of `calibrate_intervals`, or its file.
    output : path, optional
        ``.ome.zarr`` or ``.ome.tif``; by default the bounds are kept in memory.
    overwrite : bool
        Replace an existing output.
    resume : bool
        Whether to resume an unfinished output of the same inputs.
    progress : bool or callable, optional
        True, or a callable like ``tqdm``.
    cancel : threading.Event, optional
        When set, the computation stops after the current plane.

    Returns
    -------
    IntervalMap
        Bounds and summary.

    Raises
    ------
    InputError
        If the movies do not fit each other, or the result was restored with another model.
    OutputExistsError, OutputError, FormatError
        If the output cannot be written.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> bounds = interval_map("cells.tif", "restored.ome.zarr", "intervals.toml", "bounds.ome.zarr")  # doctest: +SKIP
    """
    place, bars = None if output is None else Path(output), checked_progress(progress)
    loaded = intervals if isinstance(intervals, Intervals) else Intervals.load(Path(intervals))
    with opened_pair(measured, restored, "intervals", place) as pair:
        run = _Run(pair, loaded)
        with opened_maps(pair, place, BOUNDS, run.key(), overwrite=overwrite, resume=resume) as maps:
            evaluate_pair(pair, maps, run.evaluate, cancellable(bars, cancel, _CANCELLED))
            return run.finished(maps)


def intervals_path(output: str | os.PathLike[str]) -> Path:
    """Return the path of the intervals of an output.

    >>> intervals_path("out/cells.ome.zarr").as_posix()
    'out/cells_intervals.ome.zarr'
    """
    return beside(output, "intervals")


class _Run:
    """Intervals of the planes of a pair of movies."""

    def __init__(self, pair: MoviePair, intervals: Intervals) -> None:
        self._pair, self._intervals = pair, intervals
        self._terms = intervals.terms(pair)
        self._outside = intervals.outside(self._terms, pair.restored.name)

    def key(self) -> str:
        """Return a digest of the inputs, which identifies an unfinished output."""
        return self._pair.digest(self._settings(), [channel.factors for channel in self._intervals.channels])

    def evaluate(self, plane: Plane) -> PlaneMaps:
        """Return the bounds of a plane, and their median width."""
        t, c, z = plane
        low, high = self._intervals.channels[c].bounds(self._pair.restored.frame(t, c, z), self._terms[c])
        return [low, high], {"width": float(np.nanmedian(high - low))}

    def finished(self, maps: Maps) -> IntervalMap:
        """Complete the maps, with the summary in their provenance."""
        widths: dict[int, list[float]] = {}
        for (_, c, _), note in sorted(maps.notes.items()):
            widths.setdefault(c, []).append(note["width"])
        names = self._pair.restored.channel_names
        shown = [
            f"{f'{names[c]} ' if len(names) > 1 else ''}{np.median(each):.3g} gray levels" for c, each in widths.items()
        ]
        summary = f"{self._intervals.describe()}, median width {', '.join(shown) or 'unknown'}"
        if self._outside:
            worst = max(self._outside.values(), key=lambda each: each.score)
            summary += f"; outside of the calibrated range ({worst.feature}), the coverage is not known"
        entry = self._settings() | {
            "is_calibrated": not self._outside,
            "outside": [f"{names[c]}: {each.feature}" for c, each in self._outside.items()],
            "summary": summary,
        }
        movie = maps.finish(self._pair.restored.provenance | {"intervals": entry})
        return IntervalMap(movie, not self._outside, summary)

    def _settings(self) -> dict[str, Any]:
        one = self._intervals
        return {
            "software": f"decrappify {__version__}",
            "kind": KIND,
            "level": one.level,
            "guarantee": str(one.guarantee),
            "n_fields": one.n_fields,
            "model": one.model,
            "model_sha256": one.model_sha256,
        }
