"""Repeated restoration of the windows of a movie, and the spread of the results plane by plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from decrappify._common.argument_names import argument
from decrappify._common.progress import Bar, Cancel, Progress, cancellable, progress_bar
from decrappify._version import __version__
from decrappify.errors import Cancelled
from decrappify.inference.network import choose_device
from decrappify.inference.options import InferenceOptions
from decrappify.limits.memory import check_memory
from decrappify.movie import Array, Movie, Plane
from decrappify.noise import NoiseModel
from decrappify.noise.pixels.drawing import NoiseDrawer
from decrappify.restoration.frames.sliding import Window
from decrappify.restoration.job.job import Job, Target
from decrappify.restoration.outputs.results import MemoryResult, Result, StoreResult
from decrappify.restoration.records.result_record import recorded_model, recorded_options
from decrappify.restoration.run.network import prepared_restorer
from decrappify.restoration.spread.draws import Draw, noise_draws, symmetric_draws
from decrappify.restoration.tiling.restorer import Restorer
from decrappify.trust.pair import MoviePair

if TYPE_CHECKING:
    from decrappify.model import Model

DTYPE = np.dtype(np.float32)
_CANCELLED = "cancelled while the spread was computed; finished planes are kept, repeat the call to resume"
_CANCELLED_EXPORT = "cancelled while the spread map was exported; all planes are kept, repeat the call to export it"
_STEPS = 256  # of stored values between two powers of two, so that they compress


class SpreadRun:
    """Planes of a result, and the restorations from which their spread is computed.

    Parameters
    ----------
    pair : MoviePair
        The movies.
    model : Model, str or Path
        The model that restored them.
    noise : sequence of NoiseModel, or None
        Noise of each channel; None for the symmetries of the measured movie.
    draws, seed : int
        Number of restorations, and seed of the noise.
    """

    def __init__(
        self,
        pair: MoviePair,
        model: Model | str | Path,
        noise: Sequence[NoiseModel] | None,
        *,
        draws: int,
        seed: int,
    ) -> None:
        self._pair, self._measured, self._restored = pair, pair.measured, pair.restored
        self._noise, self._n_draws, self._seed = noise, draws, seed
        self._position = {t: i for i, t in enumerate(pair.frames)}
        options = recorded_options(pair.restored)
        self._model = recorded_model(pair.restored, model, options)
        self._options = replace(options, fidelity=None)  # of the loaded model
        self._job = Job(pair.measured, self._model, self._options)

    def compute(
        self,
        output: Path | None,
        inference: InferenceOptions,
        *,
        overwrite: bool,
        resume: bool,
        progress: Progress | None,
        cancel: Cancel | None,
    ) -> Movie:
        """Compute the planes that are not finished, and return the map."""
        device = choose_device(inference.device)
        restorer = prepared_restorer(self._job, inference, {}, device, killed=False, cancel=cancel)
        self._check_memory()
        shape, metadata = self._restored.shape, self._metadata()
        result: Result
        if output is None:
            result = MemoryResult(shape, DTYPE, metadata)
        else:
            settings: dict[str, Any] = {"run_key": self._key(), "overwrite": overwrite, "resume": resume}
            settings["export_bars"] = cancellable(progress, cancel, _CANCELLED_EXPORT)
            result = StoreResult(output, shape, DTYPE, metadata, **settings)
        try:
            planes = list(self._restored.planes())
            done = {plane for plane in planes if result.is_done(*plane)}
            name = f"spread of {self._restored.name}"
            with progress_bar(progress, total=len(planes), desc=name, unit="plane", initial=len(done)) as bar:
                self._write(result, restorer, planes, done, bar)
        except Cancelled as error:
            result.close()
            raise Cancelled(_CANCELLED) from error
        except BaseException:
            result.close()
            raise
        try:
            return result.finish()
        finally:
            result.close()

    def _write(self, result: Result, restorer: Restorer, planes: Sequence[Plane], done: set[Plane], bar: Bar) -> None:
        def write(plane: Plane, values: Array) -> None:
            result.write_plane(*plane, rounded(values))
            done.add(plane)
            bar.update(1)

        if len(done) < len(planes):
            for target, windows, draws in self._windows(restorer, done):
                results = (
                    self._planes_of(draw, restorer, target, window) for draw, window in zip(draws, windows, strict=True)
                )
                own = self._planes(target)
                center = None if self._noise is None else np.stack([self._restored.frame(*plane) for plane in own])
                for plane, values in zip(own, spread_of(results, center), strict=True):
                    write(plane, values)
        for plane in planes:
            if plane not in done:  # not recorded, or constant
                write(plane, np.zeros(self._restored.shape[3:], DTYPE))

    def _windows(
        self, restorer: Restorer, done: set[Plane]
    ) -> Iterator[tuple[Target, list[Window[Tensor]], Sequence[tuple[Job, Draw]]]]:
        """Yield the windows of all draws for each target of the measured movie that is restored and not finished."""
        channels = self._job.measure()
        draws = [(Job(draw.movie, self._model, self._options), draw) for draw in self._draws(channels)]

        def skip(target: Target) -> bool:
            return target.t not in self._position or all(plane in done for plane in self._planes(target))

        series = [job.windows(draw.channels, restorer.load, skip) for job, draw in draws]
        for items in zip(*series, strict=True):
            yield items[0][0], [window for _, window in items], draws

    def _draws(self, channels: Sequence[Any]) -> list[Draw]:
        if self._noise is None:
            return symmetric_draws(self._measured, channels, draws=self._n_draws)
        drawers = [NoiseDrawer.of(model, self._measured, c) for c, model in enumerate(self._noise)]
        return noise_draws(
            self._measured, self._restored, self._pair.frames, drawers, channels, draws=self._n_draws, seed=self._seed
        )

    def _planes_of(self, draw: tuple[Job, Draw], restorer: Restorer, target: Target, window: Window[Tensor]) -> Array:
        """Restore one window; (C, Y, X) float32 in gray levels, without data NaN."""
        job, (movie, channels, back) = draw[0], (draw[1].movie, draw[1].channels, draw[1].back)
        if window.frames is None:
            return back(np.stack(job.empty_planes()))
        size = movie.shape[3], movie.shape[4]
        planes, _ = job.to_gray(restorer.restore_frames(window.frames, size), target, window, channels)
        return back(np.stack(planes))

    def _planes(self, target: Target) -> list[Plane]:
        """Return the planes of the result that a target of the measured movie restores."""
        return [(self._position[t], c, z) for t, c, z in self._job.planes(target)]

    def _check_memory(self) -> None:
        """Raise an error if the windows of all draws do not fit into memory."""
        height, width = self._restored.shape[3:]
        frames = self._n_draws * (self._model.n_frames + 1) * max(map(len, self._job.groups))
        check_memory(
            4 * frames * height * width,
            f"restoring frames of {height} x {width} pixels {self._n_draws} times",
            f"use fewer {argument('draws')}, or crop or bin the movie",
        )

    def _metadata(self) -> dict[str, Any]:
        return self._pair.metadata(("spread",)) | {
            "channel_names": self._restored.channel_names,
            "channel_colors": self._restored.channel_colors,
            "provenance": self._restored.provenance | {"spread": self._settings()},
        }

    def _settings(self) -> dict[str, Any]:
        values: dict[str, Any] = {"software": f"decrappify {__version__}", "draws": self._n_draws}
        if self._noise is None:
            return values | {
                "method": "symmetry",
                "summary": f"standard deviation of the restorations of {self._n_draws} rotated and mirrored movies",
            }
        noise = [{"gain": model.gain.value, "intercept": model.intercept.value} for model in self._noise]
        return values | {
            "method": "noise",
            "seed": self._seed,
            "noise": noise,
            "summary": f"root mean square deviation from the result of {self._n_draws} restorations of movies drawn "
            f"from it with the noise of the camera (seed {self._seed})",
        }

    def _key(self) -> str:
        """Return a digest of the inputs, which identifies an unfinished output."""
        models = [model.to_dict() for model in self._noise or ()]
        return self._pair.digest(self._settings(), models, self._model.sha256)


def spread_of(results: Iterable[Array], center: Array | None) -> Array:
    """Return the root mean square deviation of arrays from `center`, or without it their standard deviation.

    Only one of the arrays is in memory at a time.

    >>> values = [np.array([1.0, 5.0]), np.array([3.0, 5.0])]
    >>> spread_of(values, np.array([2.0, 1.0])), spread_of(values, None).round(2)
    (array([1., 4.]), array([1.41, 0.  ]))
    """
    mean: Any = 0.0 if center is None else center
    squares: Any = 0.0
    count = 0
    for values in results:
        count += 1
        deviation = np.subtract(values, mean, dtype=np.float64)
        if center is None:
            mean = mean + deviation / count
            squares = squares + deviation * (values - mean)
        else:
            squares = squares + np.square(deviation)
    return np.asarray(np.sqrt(squares / (count if center is not None else count - 1)))


def rounded(values: Array) -> Array:
    """Round to 9 significant bits, which compress; NaN becomes 0.

    >>> rounded(np.array([1.2345678, np.nan])).round(6).tolist()
    [1.234375, 0.0]
    """
    mantissa, exponent = np.frexp(np.nan_to_num(values))
    return np.asarray(np.ldexp(np.rint(mantissa * 2 * _STEPS) / (2 * _STEPS), exponent), DTYPE)
