"""Checks that a result may have the intervals of a calibration: model, channels, and range of the fields."""

from __future__ import annotations

from collections.abc import Mapping

from decrappify._common.counting import counted
from decrappify.domain import Deviation
from decrappify.errors import InputError
from decrappify.movie import Movie

_MEANING = {
    "brightness": "position of the median in the range of gray levels",
    "noise": "noise relative to the range of gray levels",
    "correlation": "correlation of the noise of neighboring pixels",
    "detail": "mean spatial frequency",
    "signal": "range of the result in gray levels",
    "residual": "measured minus restored, standard deviation in gray levels",
}


def check_model(restored: Movie, name: str, sha256: str) -> None:
    """Raise InputError if the record of a result names other weights than those of the calibration."""
    recorded = restored.provenance.get("restoration", {})
    found = recorded.get("model_sha256") if isinstance(recorded, Mapping) else None
    if isinstance(found, str) and found != sha256:
        raise InputError(
            f"{restored.name} was restored with model {recorded.get('model')!r} ({found[:12]}), the intervals were "
            f"calibrated with {name!r} ({sha256[:12]}); restore with that model, or calibrate intervals with the other "
            "one"
        )


def check_channels(restored: Movie, n_calibrated: int) -> None:
    """Raise InputError if a result has another number of channels than the calibration."""
    n_channels = restored.shape[1]
    if n_channels != n_calibrated:
        raise InputError(
            f"{restored.name} has {counted(n_channels, 'channel')}, the intervals were calibrated for {n_calibrated}; "
            "calibrate with pairs of the same channels"
        )


def described(outside: Deviation, n_fields: int) -> str:
    """Return what is outside of the range of the fields, and what to do.

    >>> described(Deviation("noise", 0.2, 0.05, 0.1, 2.0), 30)  # doctest: +ELLIPSIS
    'outside of the range of the 30 fields of the calibration (noise ... levels: 0.2, calibrated 0.05 to 0.1)...'
    """
    value, low, high = (f"{number:.2g}" for number in (outside.value, outside.low, outside.high))
    return (
        f"outside of the range of the {n_fields} fields of the calibration ({_MEANING[outside.feature]}: {value}, "
        f"calibrated {low} to {high}), so the coverage is not known; calibrate with pairs of this kind"
    )
