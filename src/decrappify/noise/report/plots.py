"""Plots of the report of a calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.pages.plots import COLORS, styled
from decrappify._common.plotting import new_figure
from decrappify.noise.measurement.transfer import Transfer
from decrappify.noise.model import NoiseModel
from decrappify.noise.report.comparison import DECIBEL_TARGET, Comparison
from decrappify.noise.report.residual import ResidualSpectrum, expected_spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOW, _CRAPPIFIED = "black", COLORS[1]
_WIDTH, _HEIGHT = 6.0, 3.0
_HISTOGRAM_BINS = 80
_LOGARITHMIC = 20.0  # ratio of powers from which their axis is logarithmic


def _axes(**options: Any) -> tuple[Figure, Any]:
    figure = new_figure(_WIDTH, _HEIGHT, layout="constrained")
    axes = figure.add_subplot()
    axes.set(**options)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    return figure, axes


@styled
def photon_transfer(transfer: Transfer) -> Figure:
    """Draw variance against mean: used and excluded bins, and the line."""
    figure, axes = _axes(xlabel="mean gray level", ylabel="variance of the noise (gray levels²)")
    errors = transfer.variances * np.sqrt(2 / transfer.counts)
    axes.errorbar(transfer.means, transfer.variances, errors, fmt="o", markersize=4, color=COLORS[0], label="bins")
    if len(transfer.excluded):
        axes.plot(*transfer.excluded.T, "x", color="#888888", label="excluded: clipped, or too few flat pixels")
    ends = np.array([transfer.means.min(), transfer.means.max()])
    axes.plot(ends, transfer.gain * ends + transfer.intercept, color=COLORS[1], label="fit")
    axes.set_ylim(bottom=0)
    axes.set_title("Photon-transfer curve")
    axes.legend(fontsize=8)
    return figure


@styled
def correlation(noise: NoiseModel) -> Figure | None:
    """Draw the autocorrelation of the noise along Y and X; None if it was not measured."""
    if any(one.value is None for one in (*noise.correlation_y, *noise.correlation_x)):
        return None
    figure, axes = _axes(xlabel="lag (pixels)", ylabel="correlation")
    for shift, name, lags, color in (
        (-0.05, "Y", noise.correlation_y, COLORS[0]),
        (0.05, "X", noise.correlation_x, COLORS[1]),
    ):
        places = np.arange(len(lags)) + shift
        axes.errorbar(
            places,
            [one.value for one in lags],
            [one.error or 0.0 for one in lags],
            fmt="o-",
            markersize=4,
            linewidth=1,
            color=color,
            label=f"along {name}",
        )
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.set_xticks(range(len(noise.correlation_y)))
    axes.set_title("Autocorrelation of the noise")
    axes.legend(fontsize=8)
    return figure


@styled
def residual(spectrum: ResidualSpectrum, noise: NoiseModel) -> Figure:
    """Draw the spectrum of the differences of frames, and that of the measured noise."""
    figure, axes = _axes(xlabel="cycles per pixel", ylabel="power (gray levels²)", xlim=(0, 0.5))
    sides = (("Y", spectrum.along_y, noise.correlation_y), ("X", spectrum.along_x, noise.correlation_x))
    for (name, power, lags), color in zip(sides, COLORS, strict=False):
        axes.plot(spectrum.frequency, power, color=color, label=f"along {name}")
        expected = None
        if noise.noise_sd.value is not None:
            expected = expected_spectrum(spectrum.frequency, noise.noise_sd.value**2, lags)
        if expected is not None and (expected > 0).all():
            axes.plot(
                spectrum.frequency, expected, color=color, linestyle="--", linewidth=1, label=f"measured noise, {name}"
            )
    powers = np.concatenate([spectrum.along_y, spectrum.along_x])
    if powers.max() > _LOGARITHMIC * powers.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.2 * powers.max())
    axes.set_title("Spectrum of the differences of frames")
    axes.legend(fontsize=8)
    return figure


@styled
def histograms(found: Comparison) -> Figure:
    """Draw the histograms of low and crappified images."""
    figure, axes = _axes(xlabel="gray level", ylabel="share of the pixels")
    low, high = np.percentile(np.concatenate(found.pixels), [0.05, 99.9])
    width = (high - low) / _HISTOGRAM_BINS
    if found.low.dtype.kind in "ui":  # whole gray levels per bin
        low, width = np.floor(low) - 0.5, max(1.0, np.rint(width))
    edges = np.arange(low, high + 2 * width, width)
    for values, name, color in zip(found.pixels, ("low", "crappified"), (_LOW, _CRAPPIFIED), strict=True):
        shares = np.histogram(values, edges)[0] / len(values)
        axes.stairs(shares, edges, color=color, label=name, linewidth=1.4)
    axes.set_title("Histograms")
    axes.legend(fontsize=8)
    return figure


@styled
def spectra(found: Comparison) -> Figure | None:
    """Draw the radial spectra of both, and their ratio in dB; None if they were not computed."""
    if not len(found.frequency):
        return None
    figure = new_figure(_WIDTH, 4.0, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for power, name, color in (
        (found.low_power, "low", _LOW),
        (found.crappified_power, "crappified", _CRAPPIFIED),
    ):
        upper.semilogy(found.frequency, power, color=color, label=name)
    upper.set(ylabel="power (gray levels²)")
    upper.set_title("Radial spectra")
    upper.legend(fontsize=8)
    lower.axhspan(-DECIBEL_TARGET, DECIBEL_TARGET, color="#e5f2ea")
    lower.plot(found.frequency, found.decibel, color=_CRAPPIFIED)
    lower.set(xlabel="cycles per pixel", ylabel="difference (dB)", xlim=(0, 0.5))
    for axes in (upper, lower):
        axes.grid(color="#eeeeee")
    return figure


@styled
def noise_of_both(transfer: Transfer | None, found: Comparison) -> Figure | None:
    """Draw noise variance against mean of low and crappified images; None if it was not measured in both."""
    if transfer is None or found.transfer is None:
        return None
    figure, axes = _axes(xlabel="mean gray level", ylabel="variance of the noise (gray levels²)")
    for one, name, color in ((transfer, "low", _LOW), (found.transfer, "crappified", _CRAPPIFIED)):
        axes.plot(one.means, one.variances, "o", markersize=4, color=color, label=name)
        axes.plot(one.means, one.gain * one.means + one.intercept, color=color, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_title("Noise against mean")
    axes.legend(fontsize=8)
    return figure
