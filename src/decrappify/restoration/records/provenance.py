"""Provenance of a restored movie: that of the input, with an entry on the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from decrappify._version import __version__
from decrappify.io.integrity.missing_planes import list_planes
from decrappify.restoration.frames.choice import as_text
from decrappify.restoration.job.channel_models import recorded_adaptation

if TYPE_CHECKING:
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.measurement.channels import Channel


def movie_provenance(job: Job, channels: Sequence[Channel], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the movie's provenance with an entry on this run; without dates, to be equal for equal runs.

    Parameters
    ----------
    job : Job
        The run.
    channels : sequence of Channel
        One per channel of the movie.
    settings : mapping
        Further values of the entry, such as device and precision.
    """
    return job.movie.provenance | {"restoration": _run_entry(job, channels) | dict(settings)}


def _run_entry(job: Job, channels: Sequence[Channel]) -> dict[str, Any]:
    """Return models, options, normalization and treated planes of a run."""
    entry: dict[str, Any] = {
        "software": f"decrappify {__version__}",
        "model": job.model_name,
        "model_sha256": job.model_sha256,
        **({} if job.fidelity is None else {"fidelity": job.fidelity}),
        **(recorded_adaptation(job.channel_models[0]) if len(job.networks) == 1 else {}),
        "n_frames": job.n_frames,
        "scale": job.scale,
        "window_axis": job.window_axis,
        "frames": as_text(job.frames),
        "normalization": [_normalization(channel) for channel in channels],
        "nan": job.nan,
        "outliers": job.outliers,
    }
    if job.dtype != job.movie.dtype:
        entry["dtype"] = job.dtype.name  # a video does not have the dtype of the result
    if job.options.normalization_frames is not None:
        entry["normalization_frames"] = job.options.normalization_frames
    static = {c: channel.limits.static for c, channel in enumerate(channels) if channel.limits is not None}
    if any(static.values()):
        entry["static_outliers"] = {str(c): [list(place) for place in places] for c, places in static.items()}
    if len(job.networks) > 1:
        entry["models"] = {
            name: {"model": one.name, "model_sha256": one.sha256, "n_frames": one.n_frames} | recorded_adaptation(one)
            for name, one in zip(job.movie.channel_names, job.channel_models, strict=True)
        }
    if job.lost:
        entry["missing"] = job.missing
        entry["missing_planes"] = list_planes(job.lost, job.movie.shape[:3], complete=True)
    if job.dropped:
        entry["dropped_frames"] = job.dropped
    return entry


def _normalization(channel: Channel) -> dict[str, float]:
    if channel.constant is not None:
        return {"constant": channel.constant}
    return {"offset": channel.normalization.offset, "scale": channel.normalization.scale}
