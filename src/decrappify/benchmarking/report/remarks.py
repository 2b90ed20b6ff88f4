"""Sentences of the report: facts on each image, and remarks on how the metrics were computed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.benchmarking.scoring.evidence import Evidence
from decrappify.metrics.scoring.metric import format_number

LIMIT = (
    "Not resolvable: even at the coarsest period that the method can measure, the correlation is below the threshold "
    "or has no peak; a mean is not resolvable if the value of one of its images is not."
)
_SAMPLED = "MS-SSIM, MicroSSIM, foreground SSIM, FRC and spectra"


def facts(view: ViewRecord, evidence: Evidence) -> str:
    """Return size, data range, resolution and the shown part of an image in one line."""
    found = [f"{view.size[0]} × {view.size[1]} pixels"]
    if view.kind != "still":
        unit = "frame" if view.kind == "movie" else "slice"
        found.append(f"{view.n_frames} {unit}s, {unit} {evidence.t} shown")
    if view.scale > 1:
        found.append(f"{view.scale} times finer than the input")
    if view.pixel_size_um is not None:
        found.append(f"{view.pixel_size_um:.4g} µm per pixel")
    origin = "given" if view.data_range_from == "given" else f"of the {view.data_range_from}"
    found.append(f"D = {view.data_range:.4g} gray levels ({origin})")
    shown = evidence.crops[next(iter(evidence.crops))].shape
    if shown != tuple(view.size):
        place = f"from row {evidence.rows.start}, column {evidence.columns.start}"
        found.append(f"shown: {shown[0]} × {shown[1]} pixels {place}")
    for role, value in (("input", view.source_resolution_px), ("reference", view.reference_resolution_px)):
        if value is not None:
            resolution = f"{format_number(value)} px" if math.isfinite(value) else "not resolvable"
            found.append(f"decorrelation resolution of the {role}: {resolution}")
    if view.halves is not None:
        found.append(view.halves)
    if view.shift_px is not None:
        shift = f"{view.shift_px[0]:+.2f} rows, {view.shift_px[1]:+.2f} columns".replace("-", "−")
        found.append(f"shift between input and reference: {shift} (± {view.shift_error_px:.2f})")
    elif view.has_reference and view.is_same_field is None:
        found.append("shift between input and reference not measurable")
    if view.levels_differ:
        found.append(
            f"gray levels of the reference: {view.level_slope:.3g} times the input, offset {view.level_intercept:.3g}"
        )
    return "; ".join(found) + "."


def remarks(results: Results) -> list[str]:
    """Return the remarks that apply to these results."""
    return [
        *_on_frc(results),
        *_on_limits(results),
        *_on_sampling(results),
        *_on_levels(results),
        *_without_reference(results),
    ]


def _on_frc(results: Results) -> Iterator[str]:
    yield (
        "FRC against a clean reference has the threshold 0.5; 1/7 is for two independent noisy halves: if the halves "
        "of a noisy image correlate by F, it correlates with the reference by sqrt(2F / (1 + F)): 0.5 for F = 1/7."
    )
    gains = [f"{name} {gain:.3g}" for name, gain in results.micro_ssim_gains.items() if gain is not None]
    if gains:
        yield f"Gain of MicroSSIM for the dataset: {', '.join(gains)}."


def _on_limits(results: Results) -> Iterator[str]:
    values = [
        results.value(name, view.name, metric.key)
        for metric in results.metrics
        if metric.limit
        for name in results.names
        for view in results.views
    ]
    resolutions = [x for view in results.views for x in (view.source_resolution_px, view.reference_resolution_px) if x]
    if any(map(math.isinf, (*values, *resolutions))):
        yield LIMIT


def _on_sampling(results: Results) -> Iterator[str]:
    fewer = sorted({view.sampled_frames for view in results.views if view.sampled_frames < view.n_frames})
    if fewer:
        yield f"{_SAMPLED} of long movies are computed from {' or '.join(map(str, fewer))} frames spread over each."
    if any(view.sampled_size != tuple(view.size) for view in results.views):
        yield f"{_SAMPLED} of large frames are computed from the central 2048 pixels."
    dropped = sorted({view.ms_ssim_scales for view in results.views if view.ms_ssim_scales is not None} - {5})
    if dropped:
        yield f"MS-SSIM of frames that are too small for its five scales uses {' or '.join(map(str, dropped))}."
    yield (
        "Decorrelation resolution is measured on inputs and references only: "
        "sharpness that a network adds would count as resolution."
    )


def _on_levels(results: Results) -> Iterator[str]:
    if results.settings["levels"] == "fit":
        yield (
            "Gray levels: every result, of baselines and models alike, was mapped to the reference by one affine fit "
            "per image, so PSNR equals SI-PSNR, and the best Gaussian filter has the highest PSNR after this fit. The "
            "affine slope is that of this fit."
        )
    elif any(view.has_reference for view in results.views):
        yield "Gray levels: no result was fitted to the reference, of baselines and models alike."


def _without_reference(results: Results) -> Iterator[str]:
    yield (
        "Residual whiteness and noise estimate describe the removed and the remaining noise. They do not rank methods: "
        "a result can have a whiteness near 0 and be worse than a Gaussian filter, or contain invented detail."
    )
    if any(view.halves for view in results.views):
        yield (
            "Held-out gain: error of the restored half of the data, estimated from the raw other half, below that of "
            "the Gaussian filter that predicts this half best. It applies to half of the light, and is wrong if the "
            "halves share noise (gain, offset or correlation of the noise)."
        )
        yield (
            "Confirmed resolution, in source pixels: the restored half of the data against the raw other half, "
            "threshold 1/7. Detail that only the method added does not count; it does not rank methods, since blur, "
            "contrast and offset have no effect."
        )
