"""Every figure of a restored movie in one reading, whatever its length."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from decrappify.errors import InputError
from decrappify.metrics.blind import NoiseSums, ResidualSums
from decrappify.metrics.fidelity import SSIM_WINDOW, frame_ssim, linearity_from, nrmse_from
from decrappify.metrics.pairs import (
    PairSums,
    PixelSample,
    check_data_range,
    check_same_shape,
    constant_error,
    finite,
    measured_range,
)
from decrappify.metrics.static import ENOUGH, FrameSteps, Quietness, still_pixels
from decrappify.metrics.temporal import StepSums, frame_gain
from decrappify.movie import Array, Movie

# Field, label, unit, what is good: the table's order.
_ROWS = (
    ("psnr", "PSNR", "dB", "higher is better"),
    ("ssim", "SSIM", "", "1 is perfect"),
    ("si_psnr", "SI-PSNR", "dB", "higher is better; blind to gain and offset"),
    ("nrmse", "NRMSE, affine", "", "0 is perfect"),
    ("slope", "affine slope", "", "1 keeps grey levels; noise lowers it"),
    ("intercept", "affine intercept", "grey", "0 keeps grey levels"),
    ("linearity_slope", "linearity slope", "", "1 is right; less compresses contrast"),
    ("linearity_intercept", "linearity intercept", "grey", "0 is right"),
    ("linearity_deviation_percent", "linearity deviation", "%", "0 is a straight line"),
    ("tde", "TDE", "", "0 is perfect, 1 is frozen"),
    ("tdr", "TDR", "", "1 is right; less is ghosting, more is flicker"),
    ("gain_jitter", "gain jitter", "", "0 is best"),
    ("flicker_floor", "flicker floor", "of range", "lower is better, but a frozen movie has 0"),
    ("flicker_ratio", "flicker against input", "", "under 1 is steadier than the input"),
    ("noise_sigma", "noise estimate", "grey", "under the input's; over-smoothing lowers it too"),
    ("source_noise_sigma", "noise estimate of input", "grey", "for comparison"),
    ("residual_autocorrelation", "residual whiteness", "", "near 0; above lost structure, below noise left in"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """The figures of one restored movie; None where one does not apply (no truth, no source, one still).

    Attributes
    ----------
    n_frames : int
        Frames scored.
    data_range : float
        D in grey levels, the denominator of PSNR, SSIM and the flicker floor. Scores compare only at equal D.
    data_range_from : {"given", "truth", "source"}
        Where D comes from.
    psnr, si_psnr : float or None
        dB, infinite for a perfect restoration.
    ssim, nrmse : float or None
        As `ssim` and `nrmse_affine` of `decrappify.metrics.fidelity`; `ssim` is None for frames under 11 × 11 pixels.
    slope, intercept : float or None
        The one affine fit of the movie, ``truth ≈ slope * restored + intercept``.
    linearity_slope, linearity_intercept, linearity_deviation_percent : float or None
        As `linearity`.
    tde, tdr, gain_jitter : float or None
        As in `decrappify.metrics.temporal`; the first two are None where the truth never moves.
    flicker_floor : float or None
        Share of D, on the pixels that `static_from` names.
    static_from : {"truth", "smoothed truth", "smoothed source"} or None
        How those pixels were found; the last two are the quietest quarter, where the truth is noisy or missing.
    static_share : float or None
        Those pixels as a share of the frame.
    flicker_ratio : float or None
        Flicker of the restored movie over that of the source, on the same pixels.
    noise_sigma, source_noise_sigma : float or None
        Noise estimates in grey levels; None for frames under 3 × 3 pixels.
    residual_autocorrelation : float or None
        Whiteness of ``source - restored``.
    """

    n_frames: int
    data_range: float
    data_range_from: str
    psnr: float | None = None
    ssim: float | None = None
    si_psnr: float | None = None
    nrmse: float | None = None
    slope: float | None = None
    intercept: float | None = None
    linearity_slope: float | None = None
    linearity_intercept: float | None = None
    linearity_deviation_percent: float | None = None
    tde: float | None = None
    tdr: float | None = None
    gain_jitter: float | None = None
    flicker_floor: float | None = None
    static_from: str | None = None
    static_share: float | None = None
    flicker_ratio: float | None = None
    noise_sigma: float | None = None
    source_noise_sigma: float | None = None
    residual_autocorrelation: float | None = None

    def rows(self) -> list[tuple[str, str, str]]:
        """List the known figures for a table as (label, value with unit, what is good)."""
        values = ((label, getattr(self, name), unit, good) for name, label, unit, good in _ROWS)
        return [
            (label, f"{value:.4g} {unit}".rstrip(), good) for label, value, unit, good in values if value is not None
        ]

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values, for a results file."""
        return asdict(self)


def score_movie(
    restored: Movie | Array,
    truth: Movie | Array | None = None,
    source: Movie | Array | None = None,
    *,
    data_range: float | None = None,
    channel: int = 0,
    sigma_psf: float = 1.5,
    with_ssim: bool = True,
) -> Scorecard:
    """Score a restored movie against the truth, the degraded source, or both, one frame at a time.

    The figures are those of the functions in `fidelity`, `temporal` and `blind`. Two frames of each movie, a few maps
    of the frame's size and a million sampled pixels are held, whatever the length. Without `data_range` the reference
    is read twice, since SSIM needs the range of the whole movie beforehand.

    Parameters
    ----------
    restored, truth, source : Movie or ndarray
        Equal T, Y and X, one slice in Z, and the same grey levels.
    data_range : float, optional
        D in grey levels; max - min of the whole truth by default, or of the source without a truth.
    channel : int
        The channel to score; a movie that has just one is taken as it is.
    sigma_psf : float
        Standard deviation of the optical blur in pixels, for the margin around moving structure.
    with_ssim : bool
        SSIM takes nearly as long as all other figures together (4 of 10 ms for a 256 × 256 frame on one core); False
        leaves it out.

    Returns
    -------
    Scorecard
        Without a truth only the flicker, noise and residual figures are set, without a source only those against truth.

    Raises
    ------
    InputError
        If neither truth nor source is given, shapes differ, a movie has several slices, a value is NaN, or the
        reference is constant.

    Examples
    --------
    >>> truth = np.random.default_rng(0).random((3, 16, 16))
    >>> score_movie(truth, truth).rows()[:2]
    [('PSNR', 'inf dB', 'higher is better'), ('SSIM', '1', '1 is perfect')]
    """
    if truth is None and source is None:
        raise InputError("score_movie got neither truth nor source; pass at least one to compare with")
    planes = {
        role: _Plane(movie, role, channel)
        for role, movie in (("restored", restored), ("truth", truth), ("source", source))
        if movie is not None
    }
    for role in list(planes)[1:]:
        check_same_shape(planes["restored"].shape, planes[role].shape, ("restored", role))
    reference = "truth" if "truth" in planes else "source"
    width = planes[reference].value_range() if data_range is None else check_data_range(data_range)
    shape = planes["restored"].shape
    against_truth = _AgainstTruth(shape, width, with_ssim) if "truth" in planes else None
    without_truth = _WithoutTruth(has_source="source" in planes)
    flicker = _Flicker(reference)
    for t in range(shape[0]):
        frame = {role: plane.frame(t) for role, plane in planes.items()}
        without_truth.add(frame["restored"], frame.get("source"))
        flicker.add(frame)
        if against_truth is not None:
            against_truth.add(frame["restored"], frame["truth"])
    return Scorecard(
        n_frames=shape[0],
        data_range=width,
        data_range_from="given" if data_range is not None else reference,
        **({} if against_truth is None else against_truth.figures()),
        **flicker.figures(width, sigma_psf),
        **without_truth.figures(),
    )


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

    def value_range(self) -> float:
        low, high = np.inf, -np.inf
        for t in range(self.shape[0]):
            frame = self.frame(t)
            low, high = min(low, frame.min()), max(high, frame.max())
        return measured_range(low, high, self._role)


class _AgainstTruth:
    def __init__(self, shape: tuple[int, int, int], data_range: float, with_ssim: bool) -> None:
        self._data_range, self._n_frames = data_range, shape[0]
        self._pair, self._steps, self._sample = PairSums(), StepSums(), PixelSample.of_shape(shape)
        self._with_ssim = with_ssim and min(shape[1:]) >= SSIM_WINDOW
        self._ssim_total, self._gains = 0.0, list[float]()
        self._low, self._high = np.inf, -np.inf

    def add(self, restored: Array, truth: Array) -> None:
        gain = frame_gain(self._pair.add(restored, truth))
        if gain is not None:
            self._gains.append(gain)
        self._steps.add(restored, truth)
        self._sample.add(restored, truth)
        self._low, self._high = min(self._low, truth.min()), max(self._high, truth.max())
        if self._with_ssim:
            self._ssim_total += frame_ssim(restored, truth, self._data_range)

    def figures(self) -> dict[str, Any]:
        pair, line = self._pair, linearity_from(self._sample)
        if pair.truth_is_constant:
            raise constant_error("truth", pair.truth_mean)
        moves, many = self._n_frames > 1 and self._steps.truth_moves, self._n_frames > 1
        return {
            "psnr": pair.psnr(self._data_range),
            "ssim": self._ssim_total / self._n_frames if self._with_ssim else None,
            "si_psnr": pair.si_psnr(self._data_range),
            "nrmse": nrmse_from(pair, self._sample, self._high - self._low),
            "slope": pair.slope,
            "intercept": pair.intercept,
            **{
                f"linearity_{name}": None if np.isnan(value) else value
                for name, value in zip(("slope", "intercept", "deviation_percent"), line, strict=True)
            },
            "tde": self._steps.tde(pair.slope) if moves else None,
            "tdr": self._steps.tdr() if moves else None,
            "gain_jitter": float(np.std(self._gains)) if many and self._gains else None,
        }


@dataclass(slots=True)
class _Flicker:
    """Frame differences of every movie, and which pixels of the reference stand still."""

    reference: str
    steps: dict[str, FrameSteps] = field(default_factory=dict)
    quietness: Quietness = field(default_factory=Quietness)

    def add(self, frame: dict[str, Array]) -> None:
        for role, plane in frame.items():
            self.steps.setdefault(role, FrameSteps()).add(plane)
        self.quietness.add(frame[self.reference])

    def figures(self, data_range: float, sigma_psf: float) -> dict[str, Any]:
        if self.steps["restored"].n_steps == 0:
            return {}
        mask, rule = self._mask(data_range, sigma_psf)
        floor = self.steps["restored"].flicker(mask)
        before = self.steps["source"].flicker(mask) if "source" in self.steps else 0.0
        return {
            "flicker_floor": floor / data_range,
            "flicker_ratio": floor / before if before > 0 else None,
            "static_from": rule,
            "static_share": float(mask.mean()),
        }

    def _mask(self, data_range: float, sigma_psf: float) -> tuple[Array, str]:
        if self.reference == "truth":
            still = still_pixels(self.steps["truth"].largest, data_range, sigma_psf)
            if still.mean() >= ENOUGH:
                return still, "truth"
        return self.quietness.mask(), f"smoothed {self.reference}"


class _WithoutTruth:
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

    def figures(self) -> dict[str, Any]:
        return {
            "noise_sigma": self._noise.sigma if self._noise.n else None,
            "source_noise_sigma": self._source_noise.sigma if self._source_noise.n else None,
            "residual_autocorrelation": self._residual.autocorrelation if self._residual.pixels else None,
        }
