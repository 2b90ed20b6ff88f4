"""The run of `follow`: frames as they arrive, then the rest as in a plain run on the finished movie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify._common.progress import Cancel, Progress, progress_bar
from decrappify.errors import Cancelled, InputError
from decrappify.inference.options import InferenceOptions
from decrappify.io.growing.arrivals import Arrivals
from decrappify.io.growing.frames import GrowingFrames
from decrappify.io.growing.open import first_frames, growing_movie
from decrappify.io.integrity.missing_planes import missing_reported
from decrappify.io.opening.arguments import channel_index
from decrappify.io.opening.open import open_movie
from decrappify.movie import Movie
from decrappify.restoration.follow.lost import LostPlanes
from decrappify.restoration.follow.windows import arriving_windows
from decrappify.restoration.job.channel_models import ModelChoice
from decrappify.restoration.job.input_check import report_unlearned
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.job.output_range import check_output_range
from decrappify.restoration.outputs.results import StoreResult, open_result
from decrappify.restoration.records.attempts import recorded_attempt
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.notes import report_start
from decrappify.restoration.records.resuming import settings_of
from decrappify.restoration.run.plan import RestorationPlan
from decrappify.restoration.run.state import RunState
from decrappify.restoration.run.steps import complete_record, planned
from decrappify.restoration.run.threads import run_overlapped
from decrappify.restoration.run.windows import OnPlane, Stages, run_windows
from decrappify.restoration.tiling.restorer import Restorer

if TYPE_CHECKING:
    from decrappify.model import Model

_ASSUMED = "assumed_missing"
_FLASH_REACH = 4  # frames beyond a window that determine whether a frame is a flash


@dataclass(frozen=True, slots=True)
class Input:
    """A growing input.

    Attributes
    ----------
    path : Path
        The store or folder.
    opening : mapping
        Further arguments of `open_movie`.
    frames : GrowingFrames
        Its files.
    arrivals : Arrivals
        Its complete frames.
    """

    path: Path
    opening: Mapping[str, Any]
    frames: GrowingFrames
    arrivals: Arrivals

    def begun(self) -> tuple[Movie, int | None]:
        """Return the movie of all frames that may be appended, and the number of its channel if one is opened."""
        with missing_reported():  # by the run
            first = self.frames.begin(self.arrivals.complete)
        names = ("channel", "frame_interval_s", "pixel_size_um")
        later = {name: self.opening[name] for name in names if self.opening.get(name) is not None}
        channel = channel_index(first, later["channel"]) if "channel" in later else None
        return open_movie(growing_movie(self.frames, self.arrivals, first), **later), channel

    def finished(self) -> Movie:
        """Open the movie after the acquisition."""
        with missing_reported():
            return open_movie(self.path, **self.opening)


def follow_run(
    source: Input,
    model: Model | ModelChoice,
    output: Path,
    *,
    inference: InferenceOptions,
    options: RestorationOptions,
    overwrite: bool,
    resume: bool,
    progress: Progress | None,
    cancel: Cancel | None,
    on_plane: OnPlane | None,
) -> Movie:
    """Restore a growing input of which the first frames are complete; arguments as for `follow`."""
    movie, channel = source.begun()
    if isinstance(model, ModelChoice):
        model.check_matched(movie)
    inputs = InputRecord(movie)
    lost = LostPlanes(source.arrivals, channel)
    job = Job(inputs.movie, model, replace(options, missing="blank"))
    count = options.normalization_frames
    assert count is not None, "set by follow"
    first = Job(first_frames(inputs.movie, count, lost.planes()), model, options)
    settings = settings_of(first) | {"not_recorded": [], "follow": True}
    state = RunState(
        job, inputs, output, inference, overwrite=overwrite, resume=resume, settings=settings, growing=True
    )
    try:
        if state.complete:
            return open_result(output)
        plan, restorer = planned(state, inference, cancel, first)
        check_output_range(first, plan.channels)
        result = state.open(replace(plan, job=job), progress, cancel)
        assert isinstance(result, StoreResult), "follow has an output"
        if not state.begun:  # a resumed run has reported it
            report_unlearned(first, plan.channels)
        lost.earlier = {tuple(plane) for plane in result.state.get(_ASSUMED, ())}
        with recorded_attempt(result, state.planes_done, state.earlier):
            _restore_arriving(replace(plan, job=job), restorer, result, inputs, lost, progress, on_plane)
            with source.finished() as finished:
                record = InputRecord(finished)
                plan = replace(plan, job=Job(record.movie, model, options))
                return _finish(plan, restorer, result, inputs, record, lost, progress, on_plane)
    finally:
        state.close()


def _restore_arriving(
    plan: RestorationPlan,
    restorer: Restorer,
    result: StoreResult,
    inputs: InputRecord,
    lost: LostPlanes,
    progress: Progress | None,
    on_plane: OnPlane | None,
) -> None:
    """Restore the windows of frames as they arrive, until the acquisition ends."""
    assumed = len(lost.planes())
    with progress_bar(progress, total=0, desc=f"restoring {plan.job.movie.name}", unit="plane") as bar:
        stages = Stages(plan, restorer, result, inputs, bar, on_plane, plan.job.whole())

        def write(item: Any) -> None:
            nonlocal assumed
            if len(lost.planes()) != assumed:
                assumed = len(lost.planes())
                result.state[_ASSUMED] = lost.recorded()
                result.save_state()
            result.lengthen(item[0].t + 1)
            stages.write(item)

        windows = arriving_windows(plan.job, plan.channels, restorer.load, stages.is_done, lost)
        try:
            run_overlapped(windows, stages.restore, write, ended=lost.arrivals.ended)
        except Cancelled as error:
            n_done = counted(len(result.done()), "plane")
            raise Cancelled(f"cancelled after {n_done}; they are kept, repeat the call to restore the rest") from error


def _finish(
    plan: RestorationPlan,
    restorer: Restorer,
    result: StoreResult,
    before: InputRecord,
    inputs: InputRecord,
    lost: LostPlanes,
    progress: Progress | None,
    on_plane: OnPlane | None,
) -> Movie:
    """Restore the remaining windows as a plain run on the finished movie does, and complete the result.

    Parameters
    ----------
    plan : RestorationPlan
        Plan for the finished movie.
    before, inputs : InputRecord
        Records of the growing and of the finished movie.
    """
    job = plan.job
    if job.shape[0] < lost.arrivals.complete or job.shape[1:] != result.shape[1:]:
        raise InputError(
            f"{job.movie.name} has shape {job.movie.shape} (TCZYX) after the acquisition, which does not contain the "
            f"{counted(lost.arrivals.complete, 'frame')} that were restored; restore it again with "
            f"{setting('overwrite', True)}"
        )
    inputs.verify(before.planes())
    reach = job.n_frames + _FLASH_REACH
    mistaken = lost.mistaken(job.movie.missing)
    again = {t for near, _, _ in mistaken for t in range(near - reach, near + reach + 1)}
    result.forget(plane for plane in result.done() if plane[0] in again)
    result.lengthen(job.shape[0])
    others = {name: value for name, value in job.metadata.items() if name in ("frame_interval_s", "pixel_size_um")}
    result.update_metadata(
        provenance=plan.provenance(), missing=job.blanks(), unitless_spacing=job.metadata["unitless_spacing"], **others
    )
    report_start(job, plan.channels)
    run_windows(plan, restorer, result, inputs, progress, on_plane)
    inputs.confirm()
    complete_record(plan, inputs, result)
    return result.finish()
