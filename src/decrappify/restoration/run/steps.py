"""Steps of a run before its first plane and after its last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.processes.processor import present_runtime, take_up_runtime
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Movie
from decrappify.restoration.job.input_check import report_unlearned
from decrappify.restoration.job.job import Job
from decrappify.restoration.outputs.results import Result
from decrappify.restoration.records.attempts import died_of_memory
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.notes import report, report_start, summary
from decrappify.restoration.run.network import chosen_device, prepared_restorer
from decrappify.restoration.run.plan import RestorationPlan, make_plan
from decrappify.restoration.run.state import RunState
from decrappify.restoration.tiling.restorer import Restorer

if TYPE_CHECKING:
    from decrappify._common.progress import Cancel


def planned(
    state: RunState, inference: InferenceOptions, cancel: Cancel | None, job: Job | None = None
) -> tuple[RestorationPlan, Restorer]:
    """Prepare the network, and choose the values that an interrupted run has not recorded.

    The normalization is measured on the movie of `job`, that of the state by default.
    """
    begun, job = dict(state.begun), job or state.job
    device = chosen_device(inference.device, begun)
    runtime = take_up_runtime(begun.get("runtime"), device) if begun else present_runtime(device)
    killed = died_of_memory(state.earlier, state.planes_done)
    restorer = prepared_restorer(job, inference, begun, device, killed=killed, cancel=cancel)
    if killed:
        begun["tile_size"] = restorer.tile_size
    plan = make_plan(job, restorer, inference, settings=state.settings, runtime=runtime, begun=begun)
    return plan, restorer


def report_plan(state: RunState, plan: RestorationPlan) -> None:
    """Report what a run does, and, unless it was reported when the run began, what the model has not learned."""
    report_start(plan.job, plan.channels)
    if not state.begun:
        report_unlearned(plan.job, plan.channels)


def completed(plan: RestorationPlan, inputs: InputRecord, result: Result) -> Movie:
    """Complete a result with all planes: its record of the input, of what was found in it, and its final name."""
    complete_record(plan, inputs, result)
    return result.finish()


def complete_record(plan: RestorationPlan, inputs: InputRecord, result: Result) -> None:
    """Add a checksum of the input and the summary of the planes' notes to the record, and report the summary."""
    job, provenance = plan.job, plan.provenance()
    found = summary(result.notes, job)
    planes = {(t, c, z) for (t, c, z), note in result.notes.items() if note.get("empty")}
    checksum = {"input_crc32": inputs.checksum(job.input_planes())}
    provenance = {**provenance, "restoration": provenance["restoration"] | found | checksum}
    result.update_metadata(provenance=provenance, missing=planes | set(job.blanks()))
    report(found, job)
