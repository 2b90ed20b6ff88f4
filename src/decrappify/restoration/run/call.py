"""Arguments of a restoration after they were checked, for its different ways of execution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from decrappify._common.progress import Cancel, Progress
from decrappify.inference.options import InferenceOptions
from decrappify.restoration.job.job import Job
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.run.state import RunState
from decrappify.restoration.run.windows import OnPlane


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of `restore`.

    Attributes
    ----------
    job : Job
        Planes to restore.
    inputs : InputRecord
        Record of the job's movie.
    output : Path or None
        The output; None for memory.
    inference, overwrite, resume, progress, cancel, on_plane
        As for `restore`; progress as returned by `checked_progress`.
    """

    job: Job
    inputs: InputRecord
    output: Path | None
    inference: InferenceOptions = InferenceOptions()
    overwrite: bool = False
    resume: bool = True
    progress: Progress | None = None
    cancel: Cancel | None = None
    on_plane: OnPlane | None = None

    def state(self, *, shared: bool = False) -> RunState:
        """Acquire the lock on the output, and read what interrupted runs have finished; errors as for `RunState`."""
        return RunState(
            self.job,
            self.inputs,
            self.output,
            self.inference,
            overwrite=self.overwrite,
            resume=self.resume,
            shared=shared,
        )
