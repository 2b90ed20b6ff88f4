"""`check`: whether a model suits a raw movie, from the movie alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.checks import check_instance
from decrappify._common.nan_advice import unfilled_nan
from decrappify._common.progress import Cancel, Progress, checked_progress, progress_bar
from decrappify.checking.comparison import HeldOut, Verdict, compared
from decrappify.checking.scores import SHARE
from decrappify.checking.words import domain_line, held_out_line, noise_line, summary
from decrappify.domain import (
    CARD_KEY,
    Deviation,
    deviations,
    measure_features,
    sampled_regions,
    unexpected_correlation,
)
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Movie
from decrappify.noise import NoiseModel
from decrappify.noise.channels import Noise, noise_of_channels, noise_source
from decrappify.noise.pixels.splitting import axes_beyond_kernel
from decrappify.noise.pixels.variance import MovieSplitter

if TYPE_CHECKING:
    from decrappify.checking.forward import Forward
    from decrappify.model import Model

_INVALID_ERROR = 0.15  # relative error that is assumed of a gain that is not valid


@dataclass(frozen=True, slots=True)
class MovieCheck:
    """Result of `check`.

    Attributes
    ----------
    verdict : {"better", "similar", "worse", "untested"}
        The model against the best Gaussian filter on held-out photons.
    summary : str
        The verdict in one sentence.
    noise : NoiseModel
        Noise of the movie, measured or passed.
    deviations : tuple of Deviation, or None
        Features of the movie outside of the learned range of the model; None if they were not checked.
    held_out : HeldOut or None
        Errors on held-out photons; None if the test was not possible.
    reason : str
        Why it was not possible; empty if it was.
    model, movie : str
        Names.
    model_sha256 : str
        SHA-256 of the weights of the model.
    noise_source : str
        Where the noise is from: the movie, or the noise model that was passed.
    seed : int
        Seed of the split.
    """

    verdict: Verdict
    summary: str
    noise: NoiseModel = field(repr=False)
    deviations: tuple[Deviation, ...] | None
    held_out: HeldOut | None
    reason: str
    model: str
    movie: str
    model_sha256: str = ""
    noise_source: str = ""
    seed: int = 0

    def lines(self) -> list[tuple[str, str]]:
        """Return label and text of each part of the check, and of the verdict."""
        return [
            ("noise", noise_line(self.noise, self.reason)),
            ("domain", domain_line(self.deviations, self.model)),
            ("held-out photons", held_out_line(self.held_out)),
            ("verdict", self.summary),
        ]

    def text(self) -> str:
        """Return all lines as text."""
        lines = self.lines()
        width = max(len(label) for label, _ in lines)
        return "\n".join(f"{label:<{width}}  {text}" for label, text in lines)

    def report(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the lines, and one region before and after, as one self-contained HTML file.

        Raises
        ------
        FormatError
            If the suffix is not ``.html``.
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        """
        from decrappify.checking.report.html import page
        from decrappify.io.store.reports import write_report

        example = () if self.held_out is None else self.held_out.example
        title = f"{self.model} on {self.movie}"
        origin = [
            ("SHA-256 of the model", self.model_sha256),
            ("noise from", self.noise_source),
            ("seed of the split", str(self.seed)),
        ]
        lines = [*origin, *self.lines()]
        return write_report(path, lambda: page(title, lines, self.verdict, example), overwrite=overwrite)


def check(
    movie: Any,
    model: Model | str | Path,
    noise: Noise = None,
    *,
    window_axis: str = "T",
    seed: int = 0,
    inference: InferenceOptions = InferenceOptions(),
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> MovieCheck:
    """Check whether a model suits a raw movie, without clean images.

    The photons of up to 16 regions are split in two parts with independent noise. One part is restored, and compared
    with the other one; the baseline is the Gaussian filter that predicts the other part best. See ``docs/check.md``.
    Memory and time do not grow with the length of the movie.

    Parameters
    ----------
    movie : path, Movie or array
        Raw movie, stack or still with one channel.
    model : Model, name or path
        A model for single channels.
    noise : NoiseModel, Calibration or path, optional
        Noise of the camera; by default it is calibrated from the movie.
    window_axis : {"T", "Z"}
        ``"Z"`` uses neighboring slices of a stack as the window, as in `restore`.
    seed : int
        Seed of the split.
    inference : InferenceOptions
        Tiles, device, precision and backend.
    progress : bool or callable, optional
        True, or a callable like ``tqdm``.
    cancel : threading.Event, optional
        When set, the check stops after the current region.

    Returns
    -------
    MovieCheck
        Verdict, and the parts that it consists of.

    Raises
    ------
    InputError
        For a movie of several channels, or a movie that the model cannot restore.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> import decrappify as dc
    >>> result = dc.check("cells.czi", "fluorescence-movie")  # doctest: +SKIP
    >>> print(result.text())  # doctest: +SKIP
    """
    from decrappify.io import open_movie
    from decrappify.model import load_model

    check_instance(InferenceOptions, inference=inference)
    inference.check_unused("batch_size", by="check")
    bars = checked_progress(progress)
    loaded = load_model(model)
    opened = open_movie(movie)
    try:
        _check_channels(opened, loaded)
        one = opened.z_as_time() if window_axis == "Z" else opened
        with unfilled_nan():
            return _Check(one, loaded, noise, seed, inference).run(bars, cancel)
    finally:
        if isinstance(movie, str | os.PathLike):
            opened.close()


class _Check:
    """One movie and one model."""

    def __init__(self, movie: Movie, model: Model, noise: Noise, seed: int, inference: InferenceOptions) -> None:
        from decrappify.restoration.job.job import Job

        self._movie, self._model, self._seed, self._inference = movie, model, seed, inference
        (self._channel,) = Job(movie, model).measure()
        (self._noise,) = noise_of_channels(movie, noise)
        self._noise_source = noise_source(noise, self._noise)
        self._features = measure_features(sampled_regions(movie)) or {}

    def run(self, progress: Progress | None, cancel: Cancel | None) -> MovieCheck:
        from decrappify.checking.forward import forward_of

        forward = forward_of(self._model)
        reason = forward if isinstance(forward, str) else self._untestable()
        held_out = None if reason or isinstance(forward, str) else self._compared(forward, progress, cancel)
        found = self._deviations()
        name, movie = self._model.name, self._movie.name
        return MovieCheck(
            verdict="untested" if held_out is None else held_out.verdict,
            summary=summary(held_out, reason, name, movie, is_outside=bool(found)),
            noise=self._noise,
            deviations=None if found is None else tuple(found),
            held_out=held_out,
            reason=reason,
            model=name,
            movie=movie,
            model_sha256=self._model.sha256,
            noise_source=self._noise_source,
            seed=self._seed,
        )

    def _untestable(self) -> str:
        """Return the reason why photons cannot be split; empty if they can."""
        noise = self._noise
        if noise.gain.value is None or noise.intercept.value is None or noise.gain.value <= 0:
            return f"the gain is not determined ({noise.gain.note or 'no reason recorded'})"
        axes = axes_beyond_kernel(noise)
        if axes:
            return f"the noise is correlated over more than two pixels along {' and '.join(axes)}"
        expected = noise.neighbor_correlation
        found = unexpected_correlation(self._features or None, expected)
        if found is not None:
            return (
                f"the noise of neighboring pixels correlates by about {found:.2f}, that of the noise model by "
                f"{expected:.2f}; record 20 frames of any specimen at the same settings and pass "
                f"{setting('noise', 'camera.toml')}, a file of calibrate for them"
            )
        return ""

    def _compared(self, forward: Forward, progress: Progress | None, cancel: Cancel | None) -> HeldOut:
        from decrappify.checking.block_matching import bm3d_lead
        from decrappify.checking.regions import sample_regions
        from decrappify.checking.thinning import ThinningTest
        from decrappify.metrics.block_matching import is_bm3d_installed
        from decrappify.restoration.tiling.restorer import Restorer

        splitter = MovieSplitter.of(self._movie, 0, self._noise)
        regions = sample_regions(self._movie, self._model.n_frames // 2)
        test = ThinningTest(self._movie, self._channel, splitter, regions, self._model.n_frames, self._seed)
        restorer = Restorer(self._model, inference=self._inference, cancel=cancel)
        with progress_bar(
            progress, total=len(regions), desc=f"check of {self._movie.name}", unit="region", initial=0
        ) as bar:
            thinning = test.run(restorer, forward, cancel=cancel, done=lambda: bar.update(1))
        held_out = compared(thinning, self._gain_error(), is_white=not splitter.terms.is_correlated)
        if not is_bm3d_installed():
            return held_out
        lead, error = bm3d_lead(splitter.terms, SHARE, *thinning.images)
        return replace(held_out, bm3d_db=lead, bm3d_error_db=error)

    def _gain_error(self) -> float:
        """Return the relative error of the gain."""
        gain = self._noise.gain
        known = (gain.error or 0.0) / (gain.value or 1.0)
        return known if gain.valid else max(known, _INVALID_ERROR)

    def _deviations(self) -> Sequence[Deviation] | None:
        ranges = self._model.card.get(CARD_KEY)
        if not isinstance(ranges, dict) or not self._features:
            return None
        return deviations(self._features, ranges)


def _check_channels(movie: Movie, model: Model) -> None:
    if model.in_channels != 1 or model.network.out_channels != 1:
        raise InputError(f"{model.name} is a model for several channels, expected one for single channels")
    if movie.shape[1] != 1:
        raise InputError(
            f"{movie.name} has {movie.shape[1]} channels ({', '.join(movie.channel_names)}), and each has other noise "
            f"and structures; open it with {setting('channel', 0)} or the name of another one"
        )
