"""Options and model with which a result was restored, from the record in it, to restore its input again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.restoration.job.options import RestorationOptions

if TYPE_CHECKING:
    from decrappify.model import Model


def recorded_options(restored: Movie) -> RestorationOptions:
    """Return the recorded window axis, outliers and fidelity; the result is float32, and NaN is filled.

    Frames and missing planes are not those of the record: all frames of the input are available for windows.

    >>> import numpy as np
    >>> movie = Movie.from_array(np.zeros((8, 9)), provenance={"restoration": {"outliers": "keep"}})
    >>> recorded_options(movie).outliers
    'keep'
    """
    record = _record(restored)
    names = ("window_axis", "outliers", "fidelity", "normalization_frames")
    known = {name: record[name] for name in names if name in record}
    return RestorationOptions(**known, nan="fill", dtype="float32")


def recorded_model(restored: Movie, model: Model | str | Path, options: RestorationOptions) -> Model:
    """Load the model of a result, with the fidelity of the options.

    Raises
    ------
    InputError
        If another model is recorded, or it has a scale above 1 or other output than input channels.
    """
    loaded = options.model(model)
    record = _record(restored)
    if record.get("model_sha256", loaded.sha256) != loaded.sha256:
        raise InputError(
            f"{restored.name} was restored with the model {record.get('model')!r} (SHA-256 "
            f"{str(record['model_sha256'])[:12]}), found {loaded.name!r} ({loaded.sha256[:12]}); use the recorded model"
        )
    if loaded.scale != 1 or loaded.in_channels != loaded.network.out_channels:
        raise InputError(
            f"model {loaded.name!r} has scale {loaded.scale}, {loaded.in_channels} input and "
            f"{loaded.network.out_channels} output channels, expected scale 1 and equal channels"
        )
    return loaded


def _record(restored: Movie) -> Mapping[str, Any]:
    record = restored.provenance.get("restoration", {})
    return record if isinstance(record, Mapping) else {}
