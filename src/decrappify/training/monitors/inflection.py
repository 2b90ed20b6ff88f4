"""End of the GAN phase, and selection of its checkpoint.

The kernel distance (KID) selects the checkpoint; the other metrics only determine which checkpoints are allowed. KID is
noisy and a GAN oscillates, so the lowest single value is mostly due to chance: a median over five checkpoints is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decrappify.errors import InputError
from decrappify.training.monitors.measure import MonitorRow

Numbers = NDArray[np.float64]
KEEP = "no useful GAN phase, keep the pretrained generator"

_SPAN = 5  # checkpoints in a median or a slope
_WEIGHT = 2 / (_SPAN + 1)  # of the newest checkpoint in a running mean of that span
_CALM = 10  # number of checkpoints with increments that are considered normal
_ALLOWANCE, _ALARM = 0.5, 5.0  # of the CUSUM, in standard deviations
_LEAST_SD = 0.01  # of an increment: changes of 1 % raise no alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for checkpoints of the GAN phase.

    Attributes
    ----------
    psnr_budget_db : float
        Allowed decrease of PSNR. Texture that is correct half of the time necessarily decreases it.
    hard_stop_db : float
        Decrease of PSNR that ends the phase immediately: perfect realism needs at most twice the smallest possible mean
        square error (Blau and Michaeli 2018), so more than 3.01 dB is never justified.
    noise_draw : float
        Allowed increase of the output's dependence on the noise, as a ratio of mean squares.
    band_3_db : float
        Allowed power above the reference's in the finest band, dB.
    grid_peak : float
        Allowed increase of 2- and 4-pixel grids, as a ratio of powers.
    outside : int
        Number of successive checkpoints beyond these limits that ends the phase.
    grace : int
        Number of checkpoints at the start to which this does not apply: the first steps of a new optimizer may cause
        artifacts that later steps remove.
    patience : int
        Number of checkpoints without a better KID that ends the phase once noise dependence or invented power has risen
        abnormally; 10 checkpoints are 1 % of the data.
    kid_errors : float
        Number of standard errors by which KID must decrease for a GAN phase to count as useful.
    """

    psnr_budget_db: float = 1.0
    hard_stop_db: float = 3.0
    noise_draw: float = 1.5
    band_3_db: float = 1.0
    grid_peak: float = 2.0
    outside: int = 3
    grace: int = 10
    patience: int = 10
    kid_errors: float = 2.0

    def __post_init__(self) -> None:
        for name in ("psnr_budget_db", "hard_stop_db", "noise_draw", "grid_peak", "outside", "patience"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected a number above 0")
        if self.hard_stop_db < self.psnr_budget_db:
            raise InputError(
                f"hard_stop_db is {self.hard_stop_db:g}, expected at least psnr_budget_db ({self.psnr_budget_db:g})"
            )
        if not self.grace >= 0:
            raise InputError(f"grace is {self.grace!r}, expected 0 or more")
        if not self.kid_errors >= 0:
            raise InputError(f"kid_errors is {self.kid_errors!r}, expected 0 or more")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Selected checkpoint of a GAN phase.

    Attributes
    ----------
    index : int or None
        Its index in the rows; None keeps the pretrained generator.
    row : MonitorRow or None
        Monitors of the checkpoint.
    reason : str
        Reason for the choice, one line.
    feasible : tuple of bool
        For each row, whether it is within the limits.
    """

    index: int | None
    row: MonitorRow | None
    reason: str
    feasible: tuple[bool, ...]


class InflectionDetector:
    """Detector of the end of a GAN phase while it runs; `choose` then selects the checkpoint.

    It ends the phase if PSNR decreases by more than `Limits.hard_stop_db` or an output is not finite, after several
    successive checkpoints beyond the limits, and if a CUSUM of the growth of noise dependence or invented power has
    raised an alarm and KID no longer improves.

    Parameters
    ----------
    baseline : MonitorRow
        The pretrained generator.
    limits : Limits, optional
        Limits of the checkpoints.

    Attributes
    ----------
    rows : list of MonitorRow
        Added checkpoints.
    reason : str
        Reason for the end of the phase; empty before.
    """

    def __init__(self, baseline: MonitorRow, limits: Limits | None = None) -> None:
        self.baseline, self.limits = baseline, limits or Limits()
        self.rows: list[MonitorRow] = []
        self.reason = ""

    def add(self, row: MonitorRow) -> bool:
        """Add the newest checkpoint, and return whether to stop the GAN phase now."""
        if self.rows and row.step <= self.rows[-1].step:
            raise InputError(
                f"step {row.step} follows step {self.rows[-1].step}; add checkpoints in the order of steps"
            )
        self.rows.append(row)
        self.reason = self.reason or self._reason_to_stop()
        return bool(self.reason)

    def _reason_to_stop(self) -> str:
        row, limits = self.rows[-1], self.limits
        if math.isnan(row.psnr):
            return f"the output at step {row.step} is not finite"
        drop = self.baseline.psnr - row.psnr
        if drop > limits.hard_stop_db:
            return f"PSNR is {drop:.2f} dB lower at step {row.step}, at most {limits.hard_stop_db:g} dB is allowed"
        feasible = within_limits(self.baseline, self.rows, limits)
        if len(self.rows) >= limits.grace + limits.outside and not any(feasible[-limits.outside :]):
            return f"{limits.outside} checkpoints in a row, up to step {row.step}, are beyond the limits"
        risen = [name for name in ("noise_draw", "invented") if self._alarm(name) is not None]
        if risen and self._checkpoints_since_better() >= limits.patience:
            words = " and ".join(name.replace("_", "-") for name in risen)
            return f"{words} power rises abnormally and KID has not improved for {limits.patience} checkpoints"
        return ""

    def _alarm(self, name: str) -> int | None:
        with np.errstate(divide="ignore", invalid="ignore"):
            return cusum_alarm(np.diff(np.log([getattr(row, name) for row in self.rows])))

    def _checkpoints_since_better(self) -> int:
        """Count checkpoints since the running median of KID last decreased by more than its error."""
        best, since = math.inf, 0
        for k, row in enumerate(self.rows):
            recent = float(np.median([each.kid for each in self.rows[max(0, k - _SPAN + 1) : k + 1]]))
            better = recent < best - row.kid_error
            best, since = (recent, 0) if better else (best, since + 1)
        return since


def cusum_alarm(increments: Sequence[float] | Numbers) -> int | None:
    """Find the increment at which a series begins to grow faster than in its first 10 increments.

    The one-sided CUSUM ``g = max(0, g + z - 0.5)`` over standardized increments z (Page 1954) raises an alarm above 5.

    Returns
    -------
    int or None
        Index of the increment with the alarm.

    >>> cusum_alarm([0.0, 0.02] * 8), cusum_alarm([0.0, 0.02] * 5 + [0.03] * 20)
    (None, 13)
    """
    calm = np.asarray(increments[:_CALM], dtype=float)
    if len(increments) <= _CALM or not np.isfinite(calm).all():
        return None
    mean, sd = float(calm.mean()), max(float(calm.std(ddof=1)), _LEAST_SD)
    level = 0.0
    for place in range(_CALM, len(increments)):
        increment = increments[place]
        level = max(0.0, level + (increment - mean) / sd - _ALLOWANCE) if math.isfinite(increment) else level
        if level > _ALARM:
            return place
    return None


def within_limits(baseline: MonitorRow, rows: Sequence[MonitorRow], limits: Limits) -> tuple[bool, ...]:
    """Return for each checkpoint whether it and a running mean over about five checkpoints are within the limits.

    The checkpoint itself is tested since its weights would be used, the mean since a single checkpoint of an
    oscillating network is not reliable.
    """
    smooth = _levels(baseline)
    result = []
    for row in rows:
        levels = _levels(row)
        smooth = smooth + _WEIGHT * (levels - smooth)
        result.append(_keeps(levels, baseline, limits) and _keeps(smooth, baseline, limits))
    return tuple(result)


def _levels(row: MonitorRow) -> Numbers:
    return np.array([row.psnr, row.noise_draw, row.band_power[2], row.grid_peak])


def _keeps(levels: Numbers, baseline: MonitorRow, limits: Limits) -> bool:
    psnr, noise_draw, band_3, grid_peak = levels
    # NaN compares as False: a NaN monitor exceeds the limit, unless it was never measured.
    return bool(
        psnr >= baseline.psnr - limits.psnr_budget_db
        and (noise_draw <= limits.noise_draw or math.isnan(baseline.noise_draw))
        and (band_3 <= limits.band_3_db or math.isnan(baseline.band_power[2]))
        and grid_peak <= limits.grid_peak
    )


def smoothed_kid(baseline: MonitorRow, rows: Sequence[MonitorRow]) -> tuple[float, ...]:
    """Compute the median of KID over five checkpoints around each; NaN (a diverged checkpoint) counts as infinite.

    The start is padded with the pretrained generator; the last checkpoints share one window. A shorter window would
    bias the first or last checkpoints if KID has a minimum near them.
    """
    half = _SPAN // 2
    kids = np.nan_to_num(np.array([baseline.kid] * half + [row.kid for row in rows]), nan=np.inf)
    # With two checkpoints, the window also contains the pretrained generator twice; the median is not below its KID.
    starts = [min(k, max(0, len(kids) - _SPAN)) for k in range(len(rows))]
    return tuple(float(np.quantile(kids[start : start + _SPAN], 0.5, method="higher")) for start in starts)


def _kid_error(rows: Sequence[MonitorRow], smooth: Sequence[float], index: int) -> float:
    """Compute the error of a smoothed KID: from the validation images, and from the oscillation between checkpoints."""
    sampling = float(np.nanmedian([row.kid_error for row in rows[max(0, index - _SPAN // 2) : index + _SPAN // 2 + 1]]))
    apart = [abs(row.kid - level) for row, level in zip(rows, smooth, strict=True)]
    swing = 1.4826 * float(np.nanmedian(apart)) if len(rows) >= _SPAN else 0.0  # the sd of a normal distribution
    return math.hypot(sampling, swing)


def choose(baseline: MonitorRow, rows: Sequence[MonitorRow], limits: Limits | None = None) -> Verdict:
    """Select the checkpoint of a finished GAN phase with the lowest smoothed KID within the limits.

    The pretrained generator is kept if no checkpoint is within the limits, or if KID does not decrease by more than
    `Limits.kid_errors` of its errors, thus always after fewer than three checkpoints.

    Parameters
    ----------
    baseline : MonitorRow
        The pretrained generator.
    rows : sequence of MonitorRow
        The checkpoints, in order.
    limits : Limits, optional
        Limits of the checkpoints.

    Returns
    -------
    Verdict
        `index` is None if the pretrained generator is kept.
    """
    limits = limits or Limits()
    if not rows:
        return Verdict(None, None, f"{KEEP}: no checkpoint was measured", ())
    feasible = within_limits(baseline, rows, limits)
    if not any(feasible):
        return Verdict(None, None, f"{KEEP}: no checkpoint is within the limits", feasible)
    smooth = smoothed_kid(baseline, rows)
    index = min((k for k in range(len(rows)) if feasible[k]), key=lambda k: smooth[k])  # the earliest of equals
    error = _kid_error(rows, smooth, index)
    fall = baseline.kid - smooth[index]
    kid_change = f"KID changes from {baseline.kid:.4g} to {smooth[index]:.4g} (error {error:.2g})"
    if not fall > limits.kid_errors * error:
        return Verdict(None, None, f"{KEEP}: {kid_change}; required: {limits.kid_errors:g} errors", feasible)
    row = rows[index]
    change = row.psnr - baseline.psnr
    reason = f"step {row.step} ({row.images_seen} images seen): {kid_change}, PSNR changes by {change:+.2f} dB"
    return Verdict(index, row, reason, feasible)


def texture_turn(rows: Sequence[MonitorRow]) -> int | None:
    """Find the first checkpoint at which invented power grows while confirmed power no longer does.

    A cross-check without features: the slopes are those of straight lines fitted to the last five checkpoints.
    """
    for k in range(_SPAN, len(rows) + 1):
        last = rows[k - _SPAN : k]
        confirmed, invented = (
            float(np.polyfit(range(_SPAN), values, 1)[0])
            for values in ([row.confirmed for row in last], [row.invented for row in last])
        )
        if confirmed <= 0 < invented:
            return k - 1
    return None
