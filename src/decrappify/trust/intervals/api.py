"""`interval_map`: lower and upper bounds of the reference for all pixels of a restored movie."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.progress import Cancel, Progress, cancellable, checked_progress, progress_bar
from decrappify._version import __version__
from decrappify.movie import Movie, Plane, Shape5
from decrappify.trust.inputs import frames_of
from decrappify.trust.intervals.files import KIND
from decrappify.trust.intervals.intervals import Intervals
from decrappify.trust.maps import Maps, MemoryMaps, StoredMaps, beside, check_format, map_names

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
    from decrappify.io import open_movie
    from decrappify.io.store.outputs import refuse_input

    place = None if output is None else Path(output)
    if place is not None:
        check_format(place)
    loaded = intervals if isinstance(intervals, Intervals) else Intervals.load(Path(intervals))
    bars = checked_progress(progress)
    source, result = open_movie(measured), open_movie(restored)
    try:
        if place is not None:
            refuse_input(place, source)
            refuse_input(place, result)
        run = _Run(source, result, loaded)
        maps: Maps
        if place is None:
            maps = MemoryMaps(run.shape, run.metadata, len(BOUNDS))
        else:
            settings: dict[str, Any] = {"run_key": run.key(), "overwrite": overwrite, "resume": resume}
            maps = StoredMaps(place, run.shape, run.metadata, len(BOUNDS), **settings)
        try:
            run.evaluate(maps, cancellable(bars, cancel, _CANCELLED))
            return run.finished(maps)
        finally:
            maps.close()
    finally:
        for given, opened in ((measured, source), (restored, result)):
            if isinstance(given, str | os.PathLike):
                opened.close()


def intervals_path(output: str | os.PathLike[str]) -> Path:
    """Return the path of the intervals of an output.

    >>> intervals_path("out/cells.ome.zarr").as_posix()
    'out/cells_intervals.ome.zarr'
    """
    return beside(output, "intervals")


class _Run:
    """Planes to evaluate, and the properties of the maps."""

    def __init__(self, measured: Movie, restored: Movie, intervals: Intervals) -> None:
        self._measured, self._restored, self._intervals = measured, restored, intervals
        self._frames = frames_of(restored, measured, "intervals")
        self._terms = intervals.terms(measured, restored)
        self._outside = intervals.outside(self._terms, restored.name)
        n_t, n_c, n_z, n_y, n_x = restored.shape
        self.shape: Shape5 = (n_t, n_c * len(BOUNDS), n_z, n_y, n_x)
        self._blank = {plane for plane in restored.planes() if self._lacks_data(plane)}
        self.metadata: dict[str, Any] = {
            "name": f"{restored.name} intervals",
            "pixel_size_um": restored.pixel_size_um,
            "frame_interval_s": restored.frame_interval_s,
            "unitless_spacing": restored.unitless_spacing,
            "channel_names": map_names(restored, BOUNDS),
            "missing": sorted((t, len(BOUNDS) * c + k, z) for t, c, z in self._blank for k in range(len(BOUNDS))),
        }

    def key(self) -> str:
        """Return a digest of the inputs, which identifies an unfinished output."""
        planes = [(self._restored.version(*plane), self._measured.version(self._frames[plane[0]], *plane[1:]))
                  for plane in self._restored.planes()]  # fmt: skip
        factors = [channel.factors for channel in self._intervals.channels]
        values = [self._settings(), factors, self._restored.provenance, self.shape, planes]
        return blake2b(json.dumps(values, default=str).encode(), digest_size=16).hexdigest()

    def evaluate(self, maps: Maps, progress: Progress | None) -> None:
        """Evaluate the planes that are not finished."""
        left = [plane for plane in self._restored.planes() if not maps.is_done(plane)]
        total = int(np.prod(self._restored.shape[:3]))
        name = f"intervals of {self._restored.name}"
        with progress_bar(progress, total=total, desc=name, unit="plane", initial=total - len(left)) as bar:
            for plane in left:
                self._evaluate(plane, maps)
                bar.update(1)

    def finished(self, maps: Maps) -> IntervalMap:
        """Complete the maps, with the summary in their provenance."""
        widths: dict[int, list[float]] = {}
        for (_, c, _), note in sorted(maps.notes.items()):
            widths.setdefault(c, []).append(note["width"])
        names = self._restored.channel_names
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
        movie = maps.finish(self._restored.provenance | {"intervals": entry})
        return IntervalMap(movie, not self._outside, summary)

    def _evaluate(self, plane: Plane, maps: Maps) -> None:
        t, c, z = plane
        if plane in self._blank:
            maps.write(plane, None, {})
            return
        low, high = self._intervals.channels[c].bounds(self._restored.frame(t, c, z), self._terms[c])
        maps.write(plane, [low, high], {"width": float(np.nanmedian(high - low))})

    def _lacks_data(self, plane: Plane) -> bool:
        t, c, z = plane
        return plane in self._restored.missing or (self._frames[t], c, z) in self._measured.missing

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
