"""Gain and noise variance from sampled regions: choice of the kernel, standard error and validity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.measurement.correlation import LAGS, Correlation
from decrappify.noise.measurement.kernels import FOURTH, LAPLACIAN, STRIDED, redundancy, response
from decrappify.noise.measurement.transfer import SCATTER, Transfer, join, photon_transfer, residuals, scattered_line

Array = NDArray[Any]
# Relative error added to the standard error of a fit, chosen from the typical error over simulated scenes; not fitted.
_MODEL_ERROR = {"movie": 0.015, "correlated": 0.04, "image": 0.06}
_HIDDEN = 0.17  # largest relative error of noise that is assumed to be white since motion hides its correlation
_LARGEST_ERROR = 0.25  # of the gain, relative; a gain with a larger one is not determined
_PRECISE = 0.08  # relative error up to which the narrow band of the fourth difference is used in a single image
_PRECISE_MOVIE = 0.03  # as above, of movies
_LARGEST_MISFIT = 10.0  # of a valid gain
_LARGEST_DEVIATION = 0.12  # from the line, relative, of one that is valid though the misfit is larger: of many pixels
_LEAST_POINTS = 8  # to determine the error of a gain from their scatter
_STRONG = 0.45  # correlation of neighbors from which the response of the Laplacian is too small to be exact
_INEXACT = (
    "the correlation of the noise is not exact enough to correct the variance; record more frames, or a specimen that "
    "moves less"
)
_LINEAR = 5.0  # misfit up to which the kernel with the wider reach is used


@dataclass(frozen=True, slots=True)
class GainFit:
    """Gain, variance at gray level 0 and the photon-transfer curve.

    Attributes
    ----------
    gain : Estimate
        Gray levels per photoelectron, the excess noise factor included.
    intercept : Estimate
        Variance of the line at gray level 0, in squared gray levels; negative with an offset.
    transfer : Transfer or None
        The curve.
    """

    gain: Estimate
    intercept: Estimate
    transfer: Transfer | None


def fit_gain(
    regions: Sequence[Array],
    correlation: Correlation | None,
    limits: tuple[float, float] | None = None,
    clipped: str = "",
) -> GainFit:
    """Estimate the gain from regions (T, Y, X) of consecutive frames, or from single images (1, Y, X).

    Parameters
    ----------
    regions : sequence of float arrays (T, Y, X)
    correlation : Correlation, optional
        Of the noise; the variance of the residuals is corrected if it is not white.
    limits : (low, high), optional
        Gray levels at or beyond which a pixel is clipped and not used.
    clipped : str
        Share of clipped pixels and what to do about them, the likely reason of a gain that is not determined or valid.
    """
    in_time = any(len(region) > 1 for region in regions)
    used = [region for region in regions if (len(region) > 1) == in_time]
    colored = correlation is not None and not correlation.is_white
    matrix = correlation.values if colored and correlation is not None else None
    fit, errors, passed = None, np.zeros(2), 0.0
    kernels = [kernel for kernel in _kernels(in_time, correlation if colored else None) if response(kernel, matrix) > 0]
    if not kernels:
        return GainFit(unknown(_INEXACT), unknown(_INEXACT), None)
    for kernel in kernels:
        one = photon_transfer(join([residuals(region, kernel, response(kernel, matrix), limits) for region in used]))
        if one is None:
            continue
        spread = max(one.misfit, 1) * redundancy(kernel, matrix, in_time=in_time)
        fit, errors = one, np.sqrt(np.diag(one.covariance) * spread)
        passed = _relative_error(kernel, correlation) if in_time else 0.0
        if colored:
            if one.misfit < _LINEAR:
                break
        elif errors[0] < (_PRECISE_MOVIE if in_time else _PRECISE) * one.gain:
            break
    if fit is None:
        advice = clipped or "record dim and bright areas"
        reason = f"fewer than 3 gray levels with enough flat, unsaturated pixels; {advice}"
        return GainFit(unknown(reason), unknown(reason), None)
    kind = "image" if not in_time else "correlated" if colored else "movie"
    assumed = in_time and (correlation is None or correlation.is_motion)
    relative, notes = float(np.hypot(_MODEL_ERROR[kind], passed)), _notes(kind, assumed=assumed)
    return _judged(fit, errors, relative, notes, clipped, use_scatter=in_time and not colored)


def _relative_error(kernel: Array, correlation: Correlation | None) -> float:
    """Return the relative error of the variance by the correlation of the noise, after the correction for it.

    A correlation that is too small to be corrected changes the variance behind a difference filter by up to 15 %, and
    one that is hidden by motion by up to 25 %.
    """
    if correlation is None:
        return 0.0
    passed, error = response(kernel, correlation.values), correlation.response_error(kernel)
    if correlation.is_motion:
        return min(abs(passed - 1) / 2, _HIDDEN)
    if correlation.is_white:
        return max(abs(passed - 1) - error, 0.0)
    return error / passed if passed > error else 1.0


def _notes(kind: str, *, assumed: bool) -> list[str]:
    """Return the conditions of a measurement of this kind; `assumed` states that its noise is assumed to be white."""
    if kind == "correlated":
        return ["noise is correlated between neighbors: the variance is corrected by its autocorrelation"]
    if kind == "image":
        return ["from single images: structure may raise the variance, and the noise is assumed to be white"]
    return ["the noise is assumed to be white, as its correlation is not determined"] if assumed else []


def _kernels(in_time: bool, correlation: Correlation | None) -> tuple[Array, ...]:
    """Return the kernels in the order in which they are tried; the last one that was tried is used."""
    if correlation is None:
        return (FOURTH, LAPLACIAN)
    strong = max(correlation.values[LAGS, LAGS + 1], correlation.values[LAGS + 1, LAGS]) > _STRONG
    return (STRIDED, LAPLACIAN) if strong or not in_time else (LAPLACIAN,)


def _judged(
    fit: Transfer, errors: Array, relative: float, notes: list[str], clipped: str = "", *, use_scatter: bool = True
) -> GainFit:
    """Return the estimates of a fit: `errors` are those of its line, `relative` is the error of the variance itself."""
    fit, errors, problem = _on_a_line(fit, errors, use_scatter=use_scatter)
    total = float(np.hypot(errors[0], relative * fit.gain))
    if fit.gain <= 0 or total > _LARGEST_ERROR * fit.gain:
        reason = f"the variance does not rise measurably with the mean (slope {fit.gain:.3g} ± {errors[0]:.2g}): " + (
            clipped or "the read noise dominates or the gray levels cover too small a range; record a brighter specimen"
        )
        if errors[0] <= _LARGEST_ERROR * fit.gain:
            reason = f"{_INEXACT} (slope {fit.gain:.3g} ± {total:.2g})"
        return GainFit(unknown(reason), unknown(reason), fit)
    valid, note = not problem, "; ".join([*notes, *(one for one in (problem, clipped) if problem and one)])
    intercept_error = float(np.hypot(errors[1], relative * abs(fit.intercept)))
    return GainFit(Estimate(fit.gain, total, valid, note), Estimate(fit.intercept, intercept_error, valid, note), fit)


def _on_a_line(fit: Transfer, errors: Array, *, use_scatter: bool) -> tuple[Transfer, Array, str]:
    """Return the fit to use, its errors, and what is wrong with it: its points are not on a line.

    Where many pixels were measured, deviations of a few percent are significant, but harmless; and the error of a line
    is that of its points, not that of their pixels. `use_scatter` is False for correlated noise, where motion that
    passes the filter can raise all bright points, and single images, where structure can, so that they are on a line
    that is too steep; the error of the pixels is then kept.
    """
    problem = "mean and variance are not on a line"
    if fit.misfit <= _LARGEST_MISFIT:
        return fit, errors, ""
    if not use_scatter or len(fit.means) < _LEAST_POINTS:
        return fit, errors, problem
    (gain, intercept), scatter, misfit = scattered_line(fit)
    deviation = SCATTER * misfit**0.5
    if deviation <= _LARGEST_DEVIATION and abs(gain - fit.gain) <= _LARGEST_DEVIATION * gain:
        problem = ""
    else:
        problem += f" (deviations of {deviation:.0%})"
    if gain <= 0 or not 0 < scatter[0] < errors[0]:
        return fit, errors, problem
    if errors[0] > _LARGEST_ERROR * fit.gain:
        return replace(fit, gain=float(gain), intercept=float(intercept)), scatter, problem
    difference = np.abs(np.array([gain - fit.gain, intercept - fit.intercept]))
    return fit, np.minimum(errors, np.hypot(scatter, difference)), problem
