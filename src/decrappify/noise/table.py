"""Text table of a noise model."""

from __future__ import annotations

from decrappify.noise.estimate import Estimate
from decrappify.noise.model import NoiseModel

_ROWS = (
    ("gain", "gain", "gray levels per electron"),
    ("offset", "offset", "gray levels"),
    ("read_noise", "read noise", "gray levels"),
    ("intercept", "variance at gray level 0", "gray levels²"),
    ("noise_sd", "noise (sd)", "gray levels"),
    ("excess_noise", "excess noise factor", ""),
    ("saturation", "saturation", "gray level"),
    ("bit_depth", "bit depth", "bits"),
    ("row_noise", "row noise (sd)", "gray levels"),
    ("column_noise", "column noise (sd)", "gray levels"),
    ("fixed_pattern", "fixed pattern (sd)", "gray levels"),
    ("hot_pixels", "hot pixels", "share"),
    ("hot_level", "level of hot pixels", "gray levels"),
)


def noise_table(model: NoiseModel) -> str:
    """Return one line per quantity: name, value with standard error, unit, validity and note."""
    lines = [(label, getattr(model, name), unit) for name, label, unit in _ROWS]
    for axis, lags in (("Y", model.correlation_y), ("X", model.correlation_x)):
        lines += [(f"correlation {axis}, lag {lag}", lags[lag], "") for lag in range(1, len(lags))]
    first = max(len(label) for label, _, _ in lines)
    values = [f"{one.text()} {unit}".strip() if one.value is not None else one.text() for _, one, unit in lines]
    second = max(map(len, values))
    return "\n".join(
        f"{label:<{first}}  {value:<{second}}  {_remark(one)}".rstrip()
        for (label, one, _), value in zip(lines, values, strict=True)
    )


def _remark(estimate: Estimate) -> str:
    if estimate.value is not None and not estimate.valid:
        return f"NOT VALID: {estimate.note}"
    return estimate.note
