"""Recognition of a complete output as the result of a call, by its record."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._version import RELEASE
from decrappify.errors import DecrappifyError
from decrappify.io.recognition.registry import writer_for
from decrappify.restoration.outputs.results import open_result
from decrappify.restoration.records.provenance import movie_provenance
from decrappify.restoration.records.resuming import conflicting_options

if TYPE_CHECKING:
    from decrappify.inference.options import InferenceOptions
    from decrappify.movie import Movie
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.records.input_record import InputRecord

_MEASURED = ("software", "normalization", "static_outliers")


def is_result_of(path: Path, job: Job, inputs: InputRecord, inference: InferenceOptions) -> bool:
    """Return whether a complete output was restored from this input with this model and these options.

    The record of the output has a checksum of the input, which is read as a whole if all other values are equal. An
    output without a record is not recognized.

    Parameters
    ----------
    path : Path
        The output.
    job, inputs, inference
        Planes to restore, record of the input and options of the call.
    """
    with suppress(DecrappifyError), open_result(path) as found:
        record = found.provenance.get("restoration")
        if not isinstance(record, dict) or not has_form(found, job, path):
            return False
        if record.get("dtype", job.movie.dtype.name) != job.dtype.name:
            return False
        if not str(record.get("software")).startswith(f"decrappify {RELEASE}"):
            return False
        if _settings(job) != {name: record.get(name) for name in _settings(job)}:
            return False
        if conflicting_options(record, job, inference):
            return False
        planes = job.input_planes()
        for plane in planes:
            job.movie.frame(*plane)
        return record.get("input_crc32") == inputs.checksum(planes)
    return False


def has_form(found: Movie, job: Job, path: Path) -> bool:
    """Return whether an output has the shape and dtype of the result; a video has 8 bits and merged channels."""
    if writer_for(path).is_for_viewing:
        (n_t, _, *others), (found_t, _, *found_others) = job.shape, found.shape
        return (n_t, others) == (found_t, found_others)
    return (found.shape, found.dtype) == (job.shape, job.dtype)


def _settings(job: Job) -> dict[str, Any]:
    """Return the values in the record of a result that do not depend on measurements, as JSON stores them."""
    entry = movie_provenance(job, [], {})["restoration"]
    found: dict[str, Any] = json.loads(json.dumps(entry))
    return {name: value for name, value in found.items() if name not in _MEASURED}
