"""Registry of all metrics, in the order of every table."""

from __future__ import annotations

from typing import Any

import numpy as np

from decrappify.metrics.scoring.registered import get_metric as get_metric
from decrappify.metrics.scoring.registered import list_metrics as list_metrics
from decrappify.metrics.scoring.registered import register_metric as register_metric
from decrappify.metrics.scoring.registered import unregister_metric as unregister_metric


def _nan_as_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


_FIDELITY, _STRUCTURE, _DETAIL, _MOVIE = "Fidelity", "Structure", "Detail", "Movie"
_BLIND, _COST = "Without a reference", "Cost"
_REPORT, _SCORECARD = ("report",), ("scorecard",)
_NOT_RESOLVABLE = "not resolvable"

register_metric(
    key="psnr",
    label="PSNR",
    unit="dB",
    section=_FIDELITY,
    direction="higher",
    meaning="mean squared error relative to the data range D",
)(lambda pixel_sums, data_range: pixel_sums.psnr(data_range))

register_metric(
    key="si_psnr",
    label="SI-PSNR",
    unit="dB",
    section=_FIDELITY,
    direction="higher",
    meaning="PSNR after the best gain and offset, thus independent of both",
)(lambda pixel_sums, data_range: pixel_sums.si_psnr(data_range))


@register_metric(
    key="nrmse",
    label="NRMSE, affine",
    section=_FIDELITY,
    direction="lower",
    digits=4,
    exponent=True,
    meaning="error after the best gain and offset, relative to p99.9 - p0.1",
)
def _nrmse(pixel_sums: Any, pixel_sample: Any, reference_range: float) -> float:
    from decrappify.metrics.fidelity import nrmse_from

    return nrmse_from(pixel_sums, pixel_sample, reference_range)


register_metric(
    key="slope",
    label="affine slope",
    section=_FIDELITY,
    direction=1.0,
    digits=3,
    meaning="gain that fits the result to the reference; noise lowers it",
)(lambda affine_slope: affine_slope)

register_metric(
    key="intercept",
    label="affine intercept",
    unit="gray levels",
    section=_FIDELITY,
    direction=0.0,
    meaning="offset that fits the result to the reference",
    tables=_SCORECARD,
)(lambda pixel_sums: pixel_sums.intercept)

register_metric(
    key="linearity_slope",
    label="linearity slope",
    section=_FIDELITY,
    direction=1.0,
    digits=3,
    meaning="restored over reference gray level; below 1, contrast is compressed",
)(lambda linearity: _nan_as_none(linearity.slope))

register_metric(
    key="linearity_intercept",
    label="linearity intercept",
    unit="gray levels",
    section=_FIDELITY,
    direction=0.0,
    meaning="restored gray level where the reference is 0",
    tables=_SCORECARD,
)(lambda linearity: _nan_as_none(linearity.intercept))

register_metric(
    key="linearity_deviation_percent",
    label="linearity deviation",
    unit="%",
    section=_FIDELITY,
    direction="lower",
    meaning="largest deviation from a straight line",
)(lambda linearity: _nan_as_none(linearity.largest_deviation_percent))

register_metric(
    key="ssim",
    label="SSIM",
    section=_STRUCTURE,
    direction="higher",
    digits=4,
    meaning="structural similarity (Wang et al. 2004); raised by dark background",
)(lambda mean_ssim: mean_ssim)

register_metric(
    key="ms_ssim",
    label="MS-SSIM",
    section=_STRUCTURE,
    direction="higher",
    digits=4,
    meaning="SSIM over several scales",
    tables=_REPORT,
)(lambda mean_ms_ssim: mean_ms_ssim)

register_metric(
    key="micro_ssim",
    label="MicroSSIM",
    section=_STRUCTURE,
    direction="higher",
    digits=4,
    meaning="SSIM without background and with one gain for the dataset",
    tables=_REPORT,
)(lambda ssim_terms, micro_ssim_gain: ssim_terms.similarity(1.0, micro_ssim_gain).mean())

register_metric(
    key="foreground_ssim",
    label="foreground SSIM",
    section=_STRUCTURE,
    direction="higher",
    digits=4,
    meaning="SSIM above the Otsu threshold of the reference",
    tables=_REPORT,
)(lambda foreground_similarity: foreground_similarity.mean() if foreground_similarity.size else None)


@register_metric(
    key="frc_px",
    label="FRC resolution",
    unit="px",
    section=_DETAIL,
    direction="lower",
    meaning="period at which Fourier ring correlation falls below 0.5; 2 px is the limit",
    tables=_REPORT,
    limit=_NOT_RESOLVABLE,
)
def _frc_px(ring_correlation: Any) -> float:
    from decrappify.metrics.resolution import AGAINST_REFERENCE

    return float(ring_correlation.resolution_px(AGAINST_REFERENCE))


register_metric(
    key="band_coarse_db",
    label="power, coarse",
    unit="dB",
    section=_DETAIL,
    direction=0.0,
    meaning="restored over reference power at 0.05-0.125 cycles/px",
    tables=_REPORT,
)(lambda band_ratios: band_ratios[0])

register_metric(
    key="band_middle_db",
    label="power, middle",
    unit="dB",
    section=_DETAIL,
    direction=0.0,
    meaning="restored over reference power at 0.125-0.25 cycles/px",
    tables=_REPORT,
)(lambda band_ratios: band_ratios[1])

register_metric(
    key="band_fine_db",
    label="power, fine",
    unit="dB",
    section=_DETAIL,
    direction=0.0,
    meaning="restored over reference power at 0.25-0.45 cycles/px; above 0: noise or invented detail",
    tables=_REPORT,
)(lambda band_ratios: band_ratios[2])

register_metric(
    key="tde",
    label="TDE",
    section=_MOVIE,
    direction="lower",
    digits=3,
    meaning="error of frame differences; 1 for a frozen movie",
)(lambda frame_steps, pixel_sums: frame_steps.tde(pixel_sums.slope))

register_metric(
    key="tdr",
    label="TDR",
    section=_MOVIE,
    direction=1.0,
    digits=3,
    meaning="strength of frame differences; below 1: ghosting, above 1: flicker",
)(lambda frame_steps: frame_steps.tdr())

register_metric(
    key="flicker_floor",
    label="flicker floor",
    unit="of D",
    section=_MOVIE,
    direction="lower",
    digits=4,
    exponent=True,
    meaning="change of static pixels; 0 for a frozen movie",
)(lambda flicker, data_range: flicker / data_range)

register_metric(
    key="flicker_ratio",
    label="flicker / input",
    section=_MOVIE,
    direction="lower",
    digits=3,
    meaning="flicker floor relative to that of the input",
)(lambda flicker, source_flicker: flicker / source_flicker)

register_metric(
    key="gain_jitter",
    label="gain jitter",
    section=_MOVIE,
    direction="lower",
    digits=4,
    exponent=True,
    meaning="standard deviation of the gain over frames",
)(lambda frame_gains: np.std(frame_gains) if frame_gains else None)

register_metric(
    key="held_out_gain_db",
    label="held-out gain",
    unit="dB",
    section=_BLIND,
    direction="higher",
    meaning="gain over the best Gaussian, estimated from the other half of the photons; wrong if halves share noise",
    tables=_REPORT,
    limit="error not measurable",
)(lambda held_out_gain_db: held_out_gain_db)

register_metric(
    key="confirmed_px",
    label="confirmed resolution",
    unit="px",
    section=_BLIND,
    direction=None,
    meaning="period at which a restored half agrees with the other raw half, threshold 1/7; does not show blur, noise, "
    "contrast or offset",
    tables=_REPORT,
    limit=_NOT_RESOLVABLE,
)(lambda confirmed_px: confirmed_px)

register_metric(
    key="noise_sigma",
    label="noise estimate",
    unit="gray levels",
    section=_BLIND,
    direction=None,
    digits=3,
    meaning="remaining noise; lowest for a constant image, and too low for correlated noise",
)(lambda noise: noise.sigma if noise.n else None)

register_metric(
    key="source_noise_sigma",
    label="noise estimate of input",
    unit="gray levels",
    section=_BLIND,
    direction=None,
    digits=3,
    meaning="noise of the input, for comparison",
    tables=_SCORECARD,
)(lambda source_noise: source_noise.sigma if source_noise.n else None)

register_metric(
    key="residual_autocorrelation",
    label="residual whiteness",
    section=_BLIND,
    direction=None,
    digits=3,
    meaning="correlation in the removed part; above 0: lost structure, below: noise left; near 0 also with invented "
    "detail",
)(lambda residual: residual.autocorrelation if residual.pixels else None)

register_metric(
    key="megapixels_per_s",
    label="speed",
    unit="MP/s",
    section=_COST,
    direction=None,
    meaning="output megapixels per second on this machine",
    tables=_REPORT,
)(lambda megapixels_per_s: megapixels_per_s)
