"""Measurement of all quantities of the metrics in one pass over a restored movie of any length."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.errors import InputError
from decrappify.metrics.fidelity import SSIM_WINDOW, frame_ssim, linearity_from
from decrappify.metrics.no_reference.blind import NoiseSums, ResidualSums
from decrappify.metrics.quantities import Quantities
from decrappify.metrics.sums.pairs import (
    PairSums,
    PixelSample,
    check_data_range,
    check_same_shape,
    constant_error,
    finite,
    measured_range,
)
from decrappify.metrics.temporal.stability import StepSums, frame_gain
from decrappify.metrics.temporal.static import ENOUGH, FrameSteps, Quietness, still_pixels
from decrappify.movie import Array, Movie

SAMPLED_FRAMES, SAMPLED_PIXELS = 16, 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """Data range, channel and metrics of a scored movie.

    Attributes
    ----------
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default, or of the source without a reference.
    channel : int
        The channel to score; ignored for a movie with one channel.
    sigma_psf : float
        Standard deviation of the optical blur in pixels, for the margin around moving structure.
    with_ssim : bool
        Whether to compute SSIM, which takes nearly as long as all other metrics together (4 of 10 ms for a 256 × 256
        frame on one core).
    """

    data_range: float | None = None
    channel: int = 0
    sigma_psf: float = 1.5
    with_ssim: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quantities of one restored movie, and their origin.

    Attributes
    ----------
    quantities : Quantities
        Input of the metrics.
    n_frames : int
        Frames measured.
    data_range, data_range_from : float, {"given", "reference", "source"}
        D in gray levels and its origin.
    static_from, static_share : str or None, float or None
        Method by which static pixels were found, and their share of the frame; None for a single frame.
    """

    quantities: Quantities
    n_frames: int
    data_range: float
    data_range_from: str
    static_from: str | None = None
    static_share: float | None = None


def evaluate(
    restored: Movie | Array,
    reference: Movie | Array | None = None,
    source: Movie | Array | None = None,
    options: ScoreOptions = ScoreOptions(),
    *,
    with_motion: bool = True,
    scale: int = 1,
) -> Evaluation:
    """Measure the quantities of a restored movie, one frame at a time; see `score_movie` for the parameters.

    `with_motion` is False for stacks, whose slices are not successive in time.
    """
    if reference is None and source is None:
        raise InputError("score_movie needs a reference or a source, found neither; pass at least one of them")
    planes = {
        role: _Plane(movie, role, options.channel)
        for role, movie in (("restored", restored), ("reference", reference), ("source", source))
        if movie is not None
    }
    for role in list(planes)[1:]:
        check_same_shape(planes["restored"].shape, planes[role].shape, ("restored", role))
    basis = "reference" if "reference" in planes else "source"
    given = options.data_range
    width = planes[basis].value_range() if given is None else check_data_range(given)
    shape = planes["restored"].shape
    against = _AgainstReference(shape, width, options.with_ssim) if "reference" in planes else None
    blind = _WithoutReference(has_source="source" in planes)
    flicker = _Flicker(basis)
    for t in range(shape[0]):
        frame = {role: plane.frame(t) for role, plane in planes.items()}
        blind.add(frame["restored"], frame.get("source"))
        flicker.add(frame)
        if against is not None:
            against.add(frame["restored"], frame["reference"])
    values: dict[str, Any] = {"data_range": width, "scale": scale, **blind.quantities()}
    if against is not None:
        values |= against.quantities(with_motion)
    static_from, static_share = None, None
    if with_motion and shape[0] > 1:
        mask, static_from = flicker.mask(width, options.sigma_psf)
        static_share = float(mask.mean())
        values |= flicker.quantities(mask)
    quantities = Quantities(values, lazy=_lazy(planes))
    origin = "given" if given is not None else basis
    return Evaluation(quantities, shape[0], width, origin, static_from, static_share)


def _lazy(planes: dict[str, _Plane]) -> dict[str, Any]:
    """Return functions for the frames and movies, which only some metrics need."""
    return {role: plane.sampled for role, plane in planes.items()} | {
        f"{role}_movie": plane.single for role, plane in planes.items()
    }


class _Plane:
    """One channel of a movie as float64 frames."""

    def __init__(self, movie: Movie | Array, role: str, channel: int) -> None:
        self._movie = movie if isinstance(movie, Movie) else Movie.from_array(movie, name=role)
        self._role, self._channel = role, channel if self._movie.shape[1] > 1 else 0
        n_t, _, n_z, n_y, n_x = self._movie.shape
        if n_z > 1:
            raise InputError(f"{role} has {n_z} slices in Z, score_movie takes one; pass movie.select(slices=0)")
        self.shape = (n_t, n_y, n_x)

    def frame(self, t: int) -> Array:
        return finite(self._movie.frame(t, self._channel), t, self._role)

    def sampled(self) -> Array:
        at_most = min(SAMPLED_FRAMES, max(1, SAMPLED_PIXELS // (self.shape[1] * self.shape[2])))
        return np.stack([self.frame(int(t)) for t in evenly_spaced(self.shape[0], at_most)])

    def single(self) -> Movie:
        return self._movie.select(channels=self._channel)

    def value_range(self) -> float:
        low, high = np.inf, -np.inf
        for t in range(self.shape[0]):
            frame = self.frame(t)
            low, high = min(low, frame.min()), max(high, frame.max())
        return measured_range(low, high, self._role)


class _AgainstReference:
    def __init__(self, shape: tuple[int, int, int], data_range: float, with_ssim: bool) -> None:
        self._data_range, self._n_frames = data_range, shape[0]
        self._pair, self._steps, self._sample = PairSums(), StepSums(), PixelSample.of_shape(shape)
        self._with_ssim = with_ssim and min(shape[1:]) >= SSIM_WINDOW
        self._ssim_total, self._gains = 0.0, list[float]()
        self._low, self._high = np.inf, -np.inf

    def add(self, restored: Array, reference: Array) -> None:
        gain = frame_gain(self._pair.add(restored, reference))
        if gain is not None:
            self._gains.append(gain)
        self._steps.add(restored, reference)
        self._sample.add(restored, reference)
        self._low, self._high = min(self._low, reference.min()), max(self._high, reference.max())
        if self._with_ssim:
            self._ssim_total += frame_ssim(restored, reference, self._data_range)

    def quantities(self, with_motion: bool) -> dict[str, Any]:
        if self._pair.reference_is_constant:
            raise constant_error("reference", self._pair.reference_mean)
        in_time = with_motion and self._n_frames > 1
        return {
            "pixel_sums": self._pair,
            "pixel_sample": self._sample,
            "reference_range": self._high - self._low,
            "affine_slope": self._pair.slope,
            "linearity": linearity_from(self._sample),
            "mean_ssim": self._ssim_total / self._n_frames if self._with_ssim else None,
            "frame_steps": self._steps if in_time and self._steps.reference_moves else None,
            "frame_gains": self._gains if in_time else None,
        }


@dataclass(slots=True)
class _Flicker:
    """Frame differences of every movie, and the static pixels of `basis`, the reference or source."""

    basis: str
    steps: dict[str, FrameSteps] = field(default_factory=dict)
    quietness: Quietness = field(default_factory=Quietness)

    def add(self, frame: dict[str, Array]) -> None:
        for role, plane in frame.items():
            self.steps.setdefault(role, FrameSteps()).add(plane)
        self.quietness.add(frame[self.basis])

    def mask(self, data_range: float, sigma_psf: float) -> tuple[Array, str]:
        if self.basis == "reference":
            still = still_pixels(self.steps["reference"].largest, data_range, sigma_psf)
            if still.mean() >= ENOUGH:
                return still, "reference"
        return self.quietness.mask(), f"smoothed {self.basis}"

    def quantities(self, mask: Array) -> dict[str, Any]:
        before = self.steps["source"].flicker(mask) if "source" in self.steps else 0.0
        return {
            "flicker": self.steps["restored"].flicker(mask),
            "source_flicker": before if before > 0 else None,
        }


class _WithoutReference:
    def __init__(self, has_source: bool) -> None:
        self._has_source = has_source
        self._noise, self._source_noise, self._residual = NoiseSums(), NoiseSums(), ResidualSums()

    def add(self, restored: Array, source: Array | None) -> None:
        if min(restored.shape) < 3:
            return
        self._noise.add(restored)
        if source is not None:
            self._source_noise.add(source)
            self._residual.add(source, restored)

    def quantities(self) -> dict[str, Any]:
        values: dict[str, Any] = {"noise": self._noise}
        if self._has_source:
            values |= {"source_noise": self._source_noise, "residual": self._residual}
        return values
