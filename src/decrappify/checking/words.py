"""Results of a check in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from decrappify.checking.comparison import MOST_SHARED, HeldOut
from decrappify.checking.scores import SHARE
from decrappify.domain import Deviation
from decrappify.noise import NoiseModel
from decrappify.noise.estimate import plain
from decrappify.restoration.job.input_check import described

_LARGEST_SHARE = 2 / 3  # standard error of decibels that are stated, relative to them
_ADVICE = "adapt or train a model (docs/adapt.md)"


def noise_line(noise: NoiseModel, reason: str = "") -> str:
    """Return gain, read noise and correlation of the noise in one line, each with its validity.

    The note of the gain is left out if it is a part of `reason`, why nothing was tested, which the verdict states.

    Examples
    --------
    >>> from decrappify.noise import Estimate
    >>> noise_line(NoiseModel(gain=Estimate(2.1, 0.05), intercept=Estimate(-180.0)))
    'gain 2.1 ± 0.05 gray levels per photoelectron; read noise not determined; correlation of neighbors not determined'
    """
    gain = noise.gain
    text = f"gain {gain.text()}"
    if gain.value is not None:
        text += " gray levels per photoelectron"
    if not gain.valid and not (gain.note and gain.note in reason):
        text += f" ({'' if gain.value is None else 'NOT VALID: '}{gain.note or 'no reason recorded'})"
    read = noise.read_noise
    parts = [text, f"read noise {read.text()}{' gray levels' if read.value is not None else ''}"]
    near = [lags[1] for lags in (noise.correlation_y, noise.correlation_x)]
    if all(one.value is None for one in near):
        parts.append("correlation of neighbors not determined")
    else:
        parts.append(f"correlation of neighbors along Y {near[0].text(2)}, along X {near[1].text(2)}")
    if noise.row_noise.value or noise.column_noise.value:
        parts.append("rows or columns have common noise, which is not tested")
    return "; ".join(parts)


def domain_line(deviations: Sequence[Deviation] | None, model: str) -> str:
    """Return the features outside of the learned range of a model in one line; None if it has none."""
    if deviations is None:
        return f"not checked: the card of {model} has no learned range, or the frames are too small"
    if not deviations:
        return f"within the learned range of {model}"
    return "; ".join(described(one, model) for one in deviations)


def held_out_line(held_out: HeldOut | None) -> str:
    """Return the result of the thinning test in one line."""
    if held_out is None:
        return "not tested; the verdict states the reason"
    in_time = f", {held_out.sigma_time:.2g} frames" if held_out.sigma_time else " in single frames"
    parts = [
        f"{held_out.n_regions} regions, {SHARE:.0%} of the photons restored, the others compared".replace("%", " %"),
        f"best Gaussian filter: sigma {held_out.sigma_space:.2g} px{in_time}",
        f"its squared error minus that of the model: {plain(100 * held_out.change, 2)} ± "
        f"{plain(100 * held_out.change_error, 1)} % "
        "of the variance of the noise",
    ]
    if math.isfinite(held_out.model):
        parts.append(
            f"that of the model itself: {plain(100 * held_out.model, 2)} ± {plain(100 * held_out.model_error, 1)} % "
            "(compare models by this value, not by their gain over the filter)"
        )
    if held_out.bm3d_db is not None:
        which = "lower" if held_out.bm3d_db > 0 else "higher"
        error = "" if held_out.bm3d_error_db is None else f" ± {held_out.bm3d_error_db:.1f}"
        parts.append(f"the error of BM3D is {abs(held_out.bm3d_db):.1f}{error} dB {which} than that of the model")
    return "; ".join(parts)


def summary(held_out: HeldOut | None, reason: str, model: str, movie: str, *, is_outside: bool) -> str:
    """Return the verdict in one sentence.

    Parameters
    ----------
    held_out : HeldOut or None
        Result of the thinning test; None if it was not possible.
    reason : str
        Why it was not possible.
    model, movie : str
        Names.
    is_outside : bool
        Whether features of the movie are outside of the learned range.
    """
    if held_out is None:
        return f"{model} cannot be tested on {movie}: {reason}"
    verdict = held_out.verdict
    if verdict == "untested":
        return f"{model} cannot be tested on {movie}: {_why(held_out)}"
    if verdict == "similar":
        return (
            f"{model} is not better than a Gaussian filter on {movie}: their errors on held-out photons "
            f"{_about_equal(held_out)}; {_ADVICE}"
        )
    if verdict == "worse":
        return (
            f"{model} is worse than a Gaussian filter on {movie}: its error on held-out photons is "
            f"{_difference(held_out, 'higher')} that of the best one; {_ADVICE}"
        )
    outside = "; the movie is outside of the learned range, compare results with the raw data" if is_outside else ""
    return (
        f"{model} suits {movie}: on held-out photons its error is {_difference(held_out, 'lower')} that of the best "
        f"Gaussian filter{outside}"
    )


def _difference(held_out: HeldOut, which: str) -> str:
    decibels, error = held_out.gain_db, held_out.gain_error_db
    if decibels is not None and error is not None and error < _LARGEST_SHARE * abs(decibels):
        return f"{abs(decibels):.1f} ± {error:.1f} dB {which} than"
    if held_out.least_db >= 0.05:
        return f"at least {held_out.least_db:.1f} dB {which} than"
    return f"clearly {which} (by how many dB is not determined by the calibration) than"


def _about_equal(held_out: HeldOut) -> str:
    if held_out.gain_db is None:
        return "do not differ clearly"
    return f"differ by {held_out.gain_db:+.1f} ± {held_out.gain_error_db:.1f} dB"


def _why(held_out: HeldOut) -> str:
    if abs(held_out.shared) > MOST_SHARED:
        what = "more" if held_out.shared > 0 else "less"
        return (
            f"the two parts of the photons have {what} in common at the finest detail than independent noise "
            f"({held_out.shared:.2f} of its variance), as if the gain were wrong; pass the noise model of the camera"
        )
    return (
        "the difference between the model and a Gaussian filter is smaller than its uncertainty; calibrate on a longer "
        "movie of the same camera, or check a movie with more frames"
    )
