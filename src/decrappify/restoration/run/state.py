"""State of an active run: lock on the output, record of the interrupted run, and the open result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.progress import Cancel, Progress, cancellable
from decrappify.errors import OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Plane
from decrappify.restoration.job.job import Job
from decrappify.restoration.outputs.results import MemoryResult, Result, StoreResult, placed_key, unfinished
from decrappify.restoration.records.attempts import taken_from
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.resuming import Settings, continues, run_key, settings_of
from decrappify.restoration.run.plan import RestorationPlan

if TYPE_CHECKING:
    from decrappify.io.store.locks import OutputLock

_CANCELLED_EXPORT = "cancelled while the restored movie was exported; all planes are kept, repeat the call to export it"


class RunState:
    """State of a run from the lock on its output to the finished result.

    Parameters
    ----------
    job : Job
        Planes to restore.
    inputs : InputRecord
        Record of the job's movie.
    output : Path or None
        The output; None for memory.
    inference : InferenceOptions
        As passed to this call.
    overwrite, resume : bool
        As for `restore`.
    settings : mapping, optional
        Settings that a resumed run must share; by default those of the job.
    growing : bool
        Whether frames are appended to the result during the run.
    shared : bool
        Whether other processes may write their parts of the same output.

    Attributes
    ----------
    settings : mapping
        Settings that a resumed run must share; empty without an output.
    begun : mapping
        State recorded by the interrupted run that this one resumes; empty for a new run.
    complete : bool
        Whether all planes are finished.
    done : set of (t, c, z)
        Planes finished by earlier runs, or by other processes.
    has_rectangles : bool
        Whether rectangles of unfinished planes are finished.
    earlier : mapping or None
        Record left by a killed run, see `decrappify.restoration.records.attempts`.

    Raises
    ------
    OutputExistsError
        If the output, or an unfinished one with other settings or another input, exists and `overwrite` is False.
    OutputError
        If another process writes the output.
    InputError
        If the output is the input, contains it, or is inside it.
    """

    def __init__(
        self,
        job: Job,
        inputs: InputRecord,
        output: Path | None,
        inference: InferenceOptions,
        *,
        overwrite: bool,
        resume: bool,
        settings: Settings | None = None,
        growing: bool = False,
        shared: bool = False,
    ) -> None:
        self.job, self.inputs, self.output = job, inputs, output
        self._overwrite, self._resume = overwrite, resume
        self._growing, self._shared = growing, shared
        self.settings: Settings = settings_of(job) if settings is None and output is not None else settings or {}
        self._run_key = run_key(self.settings)
        self.begun: Mapping[str, Any] = {}
        self.complete, self._frames_done = False, 1
        self.done: set[Plane] = set()
        self.has_rectangles = False
        self.earlier: Any = None
        self._lock: OutputLock | None = None
        self._result: Result | None = None
        if output is not None:
            self._lock = _locked(output, job)
            try:
                self._check_output(output, self._lock, inference)
            except BaseException:
                self.close()
                raise

    @property
    def planes_done(self) -> int:
        """Number of planes finished by earlier runs."""
        return len(self.done)

    def open(
        self,
        plan: RestorationPlan,
        progress: Progress | None,
        cancel: Cancel | None,
        *,
        keeps_rectangles: bool = False,
    ) -> Result:
        """Open the result, new or with the finished planes of the interrupted run, and record the plan in it.

        With `keeps_rectangles`, rectangles of unfinished planes also remain finished.
        """
        provenance = plan.provenance()
        decided = plan.record([] if self.begun else self.inputs.take_new())
        result = self._result = self._opened(
            self.job.metadata | {"provenance": provenance}, progress, cancel, keeps_rectangles
        )
        if result.state != decided:
            result.state.update(decided)
            result.save_state()
        if self.begun:  # for an export, they are read from the working store
            result.update_metadata(provenance=provenance, missing=self.job.blanks())
        return result

    def close(self) -> None:
        """Close the result, and release the lock on the output."""
        try:
            if self._result is not None:
                self._result.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def _check_output(self, output: Path, lock: OutputLock, inference: InferenceOptions) -> None:
        from decrappify.io.store.outputs import check_output
        from decrappify.io.store.working_folder import WorkingFolder

        before = unfinished(lock, shared=self._shared)
        if before is not None and self._resume:
            self._resume = continues(
                before,
                self.job,
                self.inputs,
                inference,
                settings=self.settings,
                overwrite=self._overwrite,
                shared=self._shared,
            )
        folder = WorkingFolder(lock, self._run_key, overwrite=self._overwrite)
        if self._resume and self._was_placed(lock):
            # Killed between the last rename and the removal of the working folder.
            self.complete = True
            folder.remove_finished()
            return
        if before is not None and output.exists() and not self._overwrite:
            raise OutputExistsError(
                f"{output} already exists, and its unfinished run is kept; move it to another name and repeat the run, "
                f"or replace it with {setting('overwrite', True)}"
            )
        check_output(output, overwrite=self._overwrite)
        if self._resume and before is not None:
            begun = dict(before.journal.state)
            self.earlier = taken_from(begun)
            self.begun, self.done = begun, before.journal.done
            self.has_rectangles = bool(before.journal.rectangles)
            self._frames_done = 1 + max((t for t, _, _ in self.done), default=0)

    def _was_placed(self, lock: OutputLock) -> bool:
        """Return whether a killed run of this call has finished the output; the input is read to determine it."""
        if not (lock.placed_by or "").startswith(self._run_key):
            return False
        if self._growing:  # its settings include the pixels of its first frames
            return True
        planes = self.job.input_planes()
        for plane in planes:
            self.job.movie.frame(*plane)
        return lock.placed_by == placed_key(self._run_key, self.inputs.checksum(planes))

    def _opened(
        self, metadata: Mapping[str, Any], progress: Progress | None, cancel: Cancel | None, keeps_rectangles: bool
    ) -> Result:
        if self.output is None:
            return MemoryResult(self.job.shape, self.job.dtype, metadata)
        shape = (self._frames_done, *self.job.shape[1:]) if self._growing else self.job.shape
        return StoreResult(
            self.output,
            shape,
            self.job.dtype,
            metadata,
            run_key=self._run_key,
            overwrite=self._overwrite,
            resume=self._resume,
            lock=self._lock,
            growing=self._growing,
            keeps_rectangles=keeps_rectangles,
            export_bars=cancellable(progress, cancel, _CANCELLED_EXPORT),
        )


def _locked(output: Path, job: Job) -> OutputLock:
    from decrappify.io.store.locks import OutputLock
    from decrappify.io.store.outputs import check_output, refuse_input

    refuse_input(output, job.movie)
    check_output(output, overwrite=True)
    return OutputLock(output)
