"""`trust_map`: the pixels of a restored movie that the measured one confirms, cannot test, or contradicts."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import argument, setting
from decrappify._common.checks import short
from decrappify._common.progress import Cancel, Progress, cancellable, checked_progress
from decrappify._version import __version__
from decrappify.errors import InputError
from decrappify.movie import Movie, Plane
from decrappify.noise import NoiseModel
from decrappify.noise.channels import Noise, channel_name
from decrappify.trust.evaluation import FALSE_DISCOVERIES, REGION, Label, evaluate_plane
from decrappify.trust.inputs import channel_noise, excluded_pixels, terms_of
from decrappify.trust.maps import MAPS, Maps, beside, planes_of
from decrappify.trust.pair import MoviePair, PlaneMaps, evaluate_pair, opened, opened_maps, opened_pair
from decrappify.trust.summary import note_of, shares, summary_line, unusual_residual

if TYPE_CHECKING:
    from decrappify.trust.resolution import ConfirmedResolution

log = logging.getLogger(__name__)
_CANCELLED = "cancelled while the trust map was computed; finished planes are kept, repeat the call to resume"


@dataclass(frozen=True, slots=True)
class TrustMap:
    """Result of `trust_map`.

    Attributes
    ----------
    movie : Movie
        float32, three channels for each of the restored movie: ``trust`` (1 confirmed, 2 untestable, 3 contradicted, 0
        without data), ``score`` (deviation of the data from the result as a normal score, negative where the result is
        too bright) and ``limit`` (peak of the faintest spot that would be detected, in photons).
    shares : dict of str to float
        Shares of confirmed, untestable and contradicted pixels.
    summary : str
        The same in one line.
    inputs : (path, Movie or array, path, Movie or array)
        The measured and the restored movie, as passed.
    """

    movie: Movie
    shares: dict[str, float]
    summary: str
    inputs: tuple[Any, Any] = field(repr=False)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        spread: Movie | None = None,
        resolution: Sequence[ConfirmedResolution] = (),
        overwrite: bool = False,
        progress: Progress | bool | None = None,
    ) -> Path:
        """Write a report as one self-contained HTML file; the maps are read once, plane by plane.

        It contains the shares over time, the frames with the most contradictions and a typical one, the largest
        contradictions, noise, thresholds, limits, and the recorded origin of the result.

        Parameters
        ----------
        path : path
            The file, ``.html``.
        spread : Movie, optional
            Result of `spread_map`.
        resolution : sequence of ConfirmedResolution, optional
            Result of `confirmed_resolution`.
        overwrite : bool
            Replace an existing file.
        progress : bool or callable, optional
            As for `trust_map`.

        Raises
        ------
        FormatError
            If the suffix is not ``.html``.
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        """
        from decrappify.io.store.reports import write_report
        from decrappify.trust.report.html import page

        bars = checked_progress(progress)
        with opened(*self.inputs) as movies:
            return write_report(
                path,
                lambda: page(self.movie, *movies, spread=spread, resolution=resolution, progress=bars),
                overwrite=overwrite,
            )

    def _repr_html_(self) -> str:
        """Return the shares of the labels for notebooks."""
        from decrappify._common.pages.cards import html_card
        from decrappify.trust.summary import percent

        rows = [(name, percent(share)) for name, share in self.shares.items()]
        return html_card("TrustMap", self.movie.name, rows, note=self.summary)


def trust_map(
    measured: Any,
    restored: Any,
    noise: Noise | Sequence[Noise] = None,
    output: str | os.PathLike[str] | None = None,
    *,
    spot_px: float = 1.0,
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> TrustMap:
    """Compare a restored movie with the measured one, plane by plane, and label every pixel.

    See ``docs/trust.md`` for the tests and their limits. Memory does not grow with the length of the movie if `output`
    is set; an interrupted call is resumed by repeating it.

    Parameters
    ----------
    measured : path, Movie or array
        The movie that was restored: raw camera data.
    restored : path, Movie or array
        The result, on the same grid and in the same gray levels.
    noise : NoiseModel, Calibration, path, or list with one per channel, optional
        Noise of the camera; by default it is calibrated from `measured`.
    output : path, optional
        ``.ome.zarr`` or ``.ome.tif``; by default the maps are kept in memory.
    spot_px : float
        Standard deviation of the smallest spot (the point spread function) in pixels.
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
    TrustMap
        Maps, shares and summary.

    Raises
    ------
    InputError
        If the movies do not fit each other, or the noise is not determined.
    OutputExistsError, OutputError, FormatError
        If the output cannot be written.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> expected = np.tile(np.linspace(20, 400, 128), (6, 128, 1))
    >>> measured = 100 + 2.0 * rng.poisson(expected)
    >>> result = 100 + 2.0 * expected
    >>> result[3, 64, 20:23] += 400
    >>> trust = trust_map(measured, result)
    >>> [int(trust.movie.frame(t)[64, 21]) for t in (2, 3)]
    [1, 3]
    """
    if not isinstance(spot_px, int | float) or isinstance(spot_px, bool) or not 0.3 <= spot_px <= 20:
        raise InputError(f"spot_px is {short(spot_px)}, expected the sigma of a spot of 0.3 to 20 pixels")
    place, bars = None if output is None else Path(output), checked_progress(progress)
    with opened_pair(measured, restored, "trust", place) as pair:
        run = _Run(pair, channel_noise(pair.measured, noise), float(spot_px))
        with opened_maps(pair, place, MAPS, pair.digest(run.settings()), overwrite=overwrite, resume=resume) as maps:
            evaluate_pair(pair, maps, run.evaluate, cancellable(bars, cancel, _CANCELLED))
            return run.finished(maps, (measured, restored))


class _Run:
    """Trust of the planes of a pair of movies."""

    def __init__(self, pair: MoviePair, models: list[NoiseModel], spot_px: float) -> None:
        self._pair, self._models, self._spot_px = pair, models, spot_px
        self._terms = terms_of(pair.measured, models)
        self._excluded = [excluded_pixels(pair.restored, c) for c in range(pair.restored.shape[1])]

    def evaluate(self, plane: Plane) -> PlaneMaps:
        """Return the maps of a plane, and its numbers for the summary."""
        c = plane[1]
        trust = evaluate_plane(
            *self._pair.planes(plane), self._terms[c], spot_px=self._spot_px, excluded=self._excluded[c]
        )
        return planes_of(trust), note_of(trust)

    def finished(self, maps: Maps, inputs: tuple[Any, Any]) -> TrustMap:
        """Complete the maps, with the summary in their provenance."""
        notes = dict(maps.notes)
        found = shares(notes.values())
        lines = []
        for c, name in enumerate(self._pair.restored.channel_names):
            line = summary_line({plane: note for plane, note in notes.items() if plane[1] == c})
            lines.append(line if self._pair.restored.shape[1] == 1 else f"{name}: {line}")
            self._warn_of_residual(c, [note for plane, note in notes.items() if plane[1] == c])
        summary = "; ".join(lines)
        entry = self.settings() | {"shares": found, "summary": summary}
        return TrustMap(maps.finish(self._pair.restored.provenance | {"trust": entry}), found, summary, inputs)

    def _warn_of_residual(self, channel: int, notes: list[dict[str, Any]]) -> None:
        problem = unusual_residual(notes)
        if problem:
            log.warning("%s was compared with its raw data: %s", channel_name(self._pair.restored, channel), problem)

    def settings(self) -> dict[str, Any]:
        """Return what the maps depend on, for their provenance."""
        return {
            "software": f"decrappify {__version__}",
            "labels": {label.name.lower(): int(label) for label in Label},
            "spot_px": self._spot_px,
            "region_px": REGION,
            "false_discovery_rate": FALSE_DISCOVERIES,
            "noise": [_recorded(model) for model in self._models],
        }


def _recorded(model: NoiseModel) -> dict[str, Any]:
    along = {f"correlation_{axis}": getattr(model, f"correlation_{axis}")[1].value for axis in "yx"}
    values = {name: getattr(model, name).value for name in ("gain", "intercept", "read_noise")}
    return values | along | {"source": model.source}


def trust_path(output: str | os.PathLike[str]) -> Path:
    """Return the path of the trust map of an output: ``cells_trust.ome.zarr`` of ``cells.ome.zarr``.

    >>> trust_path("out/cells.ome.tif").as_posix()
    'out/cells_trust.ome.tif'
    """
    return beside(output, "trust")


def open_trust_map(
    path: str | os.PathLike[str],
    measured: Any,
    restored: Any,
    *,
    noise: Noise | Sequence[Noise] = None,
    spot_px: float | None = None,
) -> TrustMap:
    """Open the finished trust map of a result, for its report.

    Parameters
    ----------
    path : path
        The map.
    measured, restored : path, Movie or array
        As for `trust_map`.
    noise, spot_px : optional
        Settings with which the map must have been computed; by default, those with which it was are accepted.

    Raises
    ------
    InputError
        If the file is not a trust map, or that of another result or other settings.
    """
    from decrappify.io import open_movie

    movie = open_movie(path)
    entry = movie.provenance.get("trust")
    with open_movie(restored) as result:
        n_t, n_c, n_z, n_y, n_x = result.shape
        earlier = {name: value for name, value in movie.provenance.items() if name != "trust"}
        fits = movie.shape == (n_t, n_c * len(MAPS), n_z, n_y, n_x) and earlier == result.provenance
        if not isinstance(entry, Mapping) or not fits:
            what = "the trust map of another result" if isinstance(entry, Mapping) else "not a trust map"
            raise InputError(
                f"{path} is {what}, expected that of {result.name}; replace it with {setting('overwrite', True)}, or "
                f"choose another {argument('output')}"
            )
    _check_settings(entry, path, measured, noise, spot_px)
    return TrustMap(movie, dict(entry["shares"]), str(entry["summary"]), (measured, restored))


def _check_settings(
    entry: Mapping[str, Any], path: str | os.PathLike[str], measured: Any, noise: Any, spot_px: float | None
) -> None:
    """Raise InputError if a map was computed with other settings than those that were passed."""
    other = []
    if spot_px is not None and entry.get("spot_px") != spot_px:
        other.append(f"{argument('spot_px')} {entry.get('spot_px')}")
    if noise is not None:
        with opened(measured) as (movie,):
            passed = [_recorded(model) for model in channel_noise(movie, noise)]
        if entry.get("noise") != passed:
            other.append("another noise model")
    if other:
        raise InputError(
            f"{path} was computed with {' and '.join(other)}; replace it with {setting('overwrite', True)}, or choose "
            "another output"
        )


def recorded_summary(provenance: Mapping[str, Any]) -> str:
    """Return the summary in the provenance of a trust map; empty without one."""
    entry = provenance.get("trust", {})
    return str(entry.get("summary", "")) if isinstance(entry, Mapping) else ""
