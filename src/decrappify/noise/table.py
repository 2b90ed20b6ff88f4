"""Text table of a calibration."""

from __future__ import annotations

from decrappify.noise.estimate import Estimate
from decrappify.noise.model import NoiseModel
from decrappify.noise.optics.optics import Optics

_NOISE = (
    ("gain", "gain", "gray levels per photoelectron"),
    ("offset", "offset", "gray levels"),
    ("read_noise", "read noise", "gray levels"),
    ("intercept", "intercept of the variance", "gray levels²"),
    ("noise_sd", "noise (sd)", "gray levels"),
    ("background_sd", "noise of the background (sd)", "gray levels"),
    ("excess_noise", "excess noise factor", ""),
    ("saturation", "saturation", "gray level"),
    ("bit_depth", "bit depth", "bits"),
    ("row_noise", "row noise (sd)", "gray levels"),
    ("column_noise", "column noise (sd)", "gray levels"),
    ("fixed_pattern", "fixed pattern (sd)", "gray levels"),
    ("hot_pixels", "hot pixels", "of the pixels"),
    ("hot_level", "level of hot pixels", "gray levels"),
)
_OPTICS = (
    ("blur", "blur (sigma)", "pixels"),
    ("scale_factor", "scale factor", ""),
    ("line_jitter", "line jitter (sd)", "pixels"),
    ("bidirectional_offset", "bidirectional offset", "pixels"),
)

Line = tuple[str, Estimate, str]


def quantities(noise: NoiseModel, optics: Optics) -> list[Line]:
    """Return name, estimate and unit of each quantity."""
    lines = [(label, getattr(noise, name), unit) for name, label, unit in _NOISE]
    for axis, lags in (("Y", noise.correlation_y), ("X", noise.correlation_x)):
        lines += [(f"correlation {axis}, lag {lag}", lags[lag], "") for lag in range(1, len(lags))]
    return lines + [(label, getattr(optics, name), unit) for name, label, unit in _OPTICS]


def calibration_table(noise: NoiseModel, optics: Optics) -> str:
    """Return one line per quantity: name, value with standard error, unit, validity and note."""
    lines = quantities(noise, optics)
    first = max(len(label) for label, _, _ in lines)
    values = [f"{one.text()} {unit}".strip() if one.value is not None else one.text() for _, one, unit in lines]
    second = max(map(len, values))
    return "\n".join(
        f"{label:<{first}}  {value:<{second}}  {remark(one)}".rstrip()
        for (label, one, _), value in zip(lines, values, strict=True)
    )


def remark(estimate: Estimate) -> str:
    """Return the note of an estimate, marked if the value is not valid."""
    if estimate.value is not None and not estimate.valid:
        return f"NOT VALID: {estimate.note}"
    return estimate.note
