"""Normalization as preprocessing steps of the BioImage Model Zoo (specification 0.5), and their application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from decrappify._common.checks import short
from decrappify.errors import ModelFileError
from decrappify.movie import Array
from decrappify.networks.spec import NetworkSpec
from decrappify.normalization import ChannelStatistics, NormalizationRule

EPSILON = 1e-6
"""Gray levels that the specification's ``scale_range`` adds to the range."""

_FULL_SCALE = 255.0  # ChannelStatistics are fractions of the largest value; packages describe images of 8 bits
_ENSURE = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}

Steps = list[dict[str, Any]]


def steps_of(normalization: NormalizationRule | ChannelStatistics, spec: NetworkSpec) -> Steps:
    """Return the steps that are nearest to a normalization.

    Of a rule, percentiles of the pixels of each window are left, instead of those of block means of the whole movie:
    the specification has neither. All frames of a window have one normalization if they have one channel; otherwise
    each channel of each frame is normalized separately.

    Parameters
    ----------
    normalization : NormalizationRule or ChannelStatistics
        The normalization of the model; statistics are converted to gray levels of 8 bits.
    spec : NetworkSpec
        Frames and channels.

    Examples
    --------
    >>> spec = NetworkSpec(n_frames=3, in_channels=1, out_channels=1)
    >>> steps_of(NormalizationRule(), spec)[1]["kwargs"]["axes"]
    ['channel', 'y', 'x']
    """
    if isinstance(normalization, ChannelStatistics):
        values = {
            name: [number * _FULL_SCALE for number in numbers] * spec.n_frames
            for name, numbers in (("mean", normalization.mean), ("std", normalization.std))
        }
        return [_ENSURE, {"id": "fixed_zero_mean_unit_variance", "kwargs": {"axis": "channel", **values}}]
    return [
        _ENSURE,
        {
            "id": "scale_range",
            "kwargs": {
                "axes": ["channel", "y", "x"] if spec.in_channels == 1 else ["y", "x"],
                "min_percentile": normalization.low,
                "max_percentile": normalization.high,
                "eps": EPSILON,
            },
        },
    ]


def normalization_of(steps: Sequence[dict[str, Any]], spec: NetworkSpec) -> NormalizationRule | ChannelStatistics:
    """Return the normalization that is nearest to the steps of a package.

    Raises
    ------
    ModelFileError
        If none is.
    """
    kinds = [step.get("id") for step in steps if step.get("id") != "ensure_dtype"]
    values = next((step.get("kwargs") or {} for step in steps if step.get("id") in kinds), {})
    if kinds == ["scale_range"] and values.get("reference_tensor") is None:
        low, high = (float(values.get(f"{name}_percentile", other)) for name, other in (("min", 0), ("max", 100)))
        return NormalizationRule(low=low, high=high, bin_size=1)
    if kinds == ["fixed_zero_mean_unit_variance"] and values.get("axis") == "channel":
        mean, std = (tuple(np.ravel(values[name])[: spec.in_channels] / _FULL_SCALE) for name in ("mean", "std"))
        return ChannelStatistics(tuple(map(float, mean)), tuple(map(float, std)))
    raise ModelFileError(
        f"the package has the preprocessing {short(kinds)}, expected 'scale_range', or "
        "'fixed_zero_mean_unit_variance' along the axis 'channel'"
    )


def preprocessed(source: Array, steps: Sequence[dict[str, Any]]) -> Array:
    """Apply the steps of `steps_of` to a source (N, C, H, W), and return float32."""
    values = source.astype(np.float64)
    for step in steps:
        settings = step.get("kwargs") or {}
        if step["id"] == "scale_range":
            places = {"batch": 0, "channel": 1, "y": 2, "x": 3}
            axes = tuple(places[axis] for axis in settings.get("axes") or places)
            percentiles = settings.get("min_percentile", 0), settings.get("max_percentile", 100)
            low, high = np.percentile(values, percentiles, axis=axes, keepdims=True)
            values = (values - low) / (high - low + settings.get("eps", EPSILON))
        elif step["id"] == "fixed_zero_mean_unit_variance":
            mean, std = (np.reshape(settings[name], (1, -1, 1, 1)) for name in ("mean", "std"))
            values = (values - mean) / std
    return values.astype(np.float32)
