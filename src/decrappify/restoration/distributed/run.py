"""Restoration of one movie on a Dask cluster: this process plans and records, the workers restore regions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from decrappify._common.progress import progress_bar
from decrappify.errors import Cancelled
from decrappify.io.store.durable import output_errors, write_json
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.io.store.planes.regions import (
    create_regions,
    forget_region,
    region_journal,
    regions_folder,
    renew_token,
    wait_for_tasks,
)
from decrappify.io.store.working_paths import working_path
from decrappify.movie import Movie, Plane
from decrappify.restoration.distributed.cluster import check_workers, connected, n_sharing, wait_for_worker
from decrappify.restoration.distributed.division import RECTANGLES, divided_regions, repairs_of
from decrappify.restoration.distributed.tasks import run_regions, run_task
from decrappify.restoration.distributed.worker import PLAN, Written, choose_network
from decrappify.restoration.job.output_range import check_output_range
from decrappify.restoration.job.region import Region
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.records.notes import merged
from decrappify.restoration.run.plan import RestorationPlan, measured_channels
from decrappify.restoration.run.steps import completed, report_plan
from decrappify.restoration.run.windows import cancelled, count_done

if TYPE_CHECKING:
    from decrappify.restoration.distributed.recipe import Recipe
    from decrappify.restoration.outputs.results import StoreResult
    from decrappify.restoration.run.call import Call
    from decrappify.restoration.run.state import RunState

logger = logging.getLogger(__name__)


def restored_on_cluster(call: Call, state: RunState, recipe: Recipe, cluster: Any) -> Movie:
    """Restore the planes that are not done on the workers of a cluster, and complete the result.

    Normalization and noise are measured in this process; one worker chooses tiles, precision and backend for all. The
    workers open the movie and write planes into the store themselves: neither passes through the scheduler.

    Parameters
    ----------
    call : Call
        Arguments of `restore`.
    state : RunState
        The run, with the lock on its output.
    recipe : Recipe
        The same for the workers.
    cluster : Client, str, int or cluster object
        As for `connected`.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    RemoteError
        If the scheduler cannot be reached, or is lost.
    DecrappifyError
        As for `restore`, also from the workers.
    """
    with connected(cluster) as client:
        workers = wait_for_worker(client, call.cancel)
        check_workers(client)
        recipe = replace(recipe, n_sharing=n_sharing(workers))
        threads = min(worker["nthreads"] for worker in workers.values())
        begun = dict(state.begun)
        if not state.has_rectangles:  # the frames may be divided for another number of workers
            begun.pop(RECTANGLES, None)
        network, runtime, rectangles = run_task(
            client, choose_network, recipe, begun, threads, len(workers), cancel=call.cancel
        )
        plan = RestorationPlan(
            job=state.job,
            inference=recipe.inference,
            settings=state.settings,
            **network,
            channels=measured_channels(state.job, begun),
            runtime=runtime,
            begun=begun,
        )
        check_output_range(plan.job, plan.channels)
        result: Any = state.open(plan, call.progress, call.cancel, keeps_rectangles=True)
        report_plan(state, plan)
        _Run(call, recipe, result, rectangles, plan.channels).run(client, len(workers))
    call.inputs.confirm()
    return completed(plan, call.inputs, result)


class _Run:
    """Planes that the workers write, recorded in the result."""

    def __init__(
        self,
        call: Call,
        recipe: Recipe,
        result: StoreResult,
        rectangles: Sequence[Rectangle],
        channels: Sequence[Channel],
    ) -> None:
        self._call, self._recipe, self._result = call, recipe, result
        self._rectangles, self._channels = rectangles, channels
        self._job = call.job
        self._working = working_path(recipe.output)

    def run(self, client: Any, n_workers: int) -> None:
        """Restore all regions that are not done; any error stops the workers."""
        cancel = self._call.cancel
        self._record_rectangles()
        self._complete(list(self._result.rectangles))
        regions = self._unfinished(n_workers)
        known = repairs_of(self._job, self._channels, regions)
        with output_errors(self._recipe.output):
            token = create_regions(self._working)
            write_json(regions_folder(self._working) / PLAN, self._result.state)
        unit = "rectangle" if any(region.rectangle is not None for region in regions) else "plane"
        n_parts = max(1, len(self._rectangles)) if unit == "rectangle" else 1
        total = self._job.shape[0] * self._job.shape[1] * self._job.shape[2] * n_parts
        name = f"restoring {self._job.movie.name}"
        done = self._count_done(n_parts)
        with progress_bar(self._call.progress, total=total, desc=name, unit=unit, initial=done) as bar:

            def record(region: Region, written: Written) -> None:
                new = [plane for plane in written.planes if not self._is_done(plane, region)]
                self._record(region, written, new)
                bar.update(len(new) if region.rectangle is not None else n_parts * len(new))

            try:
                run_regions(client, self._recipe, token, regions, record, known=known, cancel=cancel)
            except Cancelled as error:
                if cancel is None or not cancel.is_set():
                    raise
                raise cancelled(self._count_done(n_parts), total, unit) from error
            finally:
                with suppress(OSError):  # such as a full disk, which was reported; the tasks end with their regions
                    renew_token(self._working)
        wait_for_tasks(self._working, self._recipe.output)  # of workers that were regarded as lost

    def _record_rectangles(self) -> None:
        """Record the division of frames, which a run that resumes this one must share."""
        state, sides = self._result.state, [list(rectangle) for rectangle in self._rectangles]
        if state.get(RECTANGLES, []) != sides:
            state.pop(RECTANGLES, None)
            state.update({RECTANGLES: sides} if sides else {})
            self._result.save_state()

    def _unfinished(self, n_workers: int) -> dict[Region, set[Plane]]:
        """Return the regions that are not done, with those of their planes that are."""
        begun = {(t, z) for t, _, z in self._result.rectangles}
        regions = divided_regions(self._job, self._rectangles, begun, n_workers)
        found = {region: self._planes(region) for region in regions}
        return {
            region: {plane for plane in planes if self._is_done(plane, region)}
            for region, planes in found.items()
            if not all(self._is_done(plane, region) for plane in planes)
        }

    def _is_done(self, plane: Plane, region: Region) -> bool:
        return self._result.is_done(*plane) or region.rectangle in self._result.rectangles.get(plane, ())

    def _planes(self, region: Region) -> list[Plane]:
        """Return the output planes of a region, and those to which its planes are copied."""
        own = list(product(region.frames, range(self._job.shape[1]), region.slices))
        copies = [
            plane
            for target in self._job.copies
            if (target.t, target.z) in region
            for planes in self._job.places(target)[1:]
            for plane in planes
        ]
        return own + copies

    def _record(self, region: Region, written: Written, new: list[Plane]) -> None:
        for _, note in written.notes:
            self._call.inputs.adopt(note.get("read", ()))
        if region.rectangle is None:
            self._result.adopt_planes(written.planes, written.notes)
            self._report(new)
        else:
            self._result.adopt_rectangle(region.rectangle, written.planes, written.notes)
            self._complete(new)
        self._adopt_values(written, self._result.state)
        forget_region(region_journal(self._working, region.name))

    def _complete(self, planes: Iterable[Plane]) -> None:
        """Compute the pyramids of those planes of which all rectangles are finished, and record them as finished."""
        for plane in planes:
            found = self._result.rectangles.get(plane, {})
            if not self._rectangles or not set(self._rectangles) <= set(found):
                continue
            note = merged(dict(found[rectangle]) for rectangle in self._rectangles)
            read = [*note.get("read", ()), *self._call.inputs.take_new()]
            note |= {"read": read} if read else {}
            if note:
                self._result.write_note(*plane, note)
            self._result.complete_plane(*plane)
            self._report([plane])

    def _report(self, planes: Iterable[Plane]) -> None:
        if self._call.on_plane is not None:
            for plane in planes:
                self._call.on_plane(*plane)

    def _adopt_values(self, written: Written, recorded: dict[str, Any]) -> None:
        """Record smaller tiles of a worker, and another type of processor, for a run that resumes this one."""
        changes: dict[str, Any] = {}
        if written.tile_size < recorded["tile_size"]:
            changes["tile_size"] = written.tile_size
        runtime: Mapping[str, Any] = recorded["runtime"]
        types = [*runtime["processor"].split("; then "), *written.processor.split("; then ")]
        processor = "; then ".join(dict.fromkeys(types))
        if processor != runtime["processor"]:
            changes["runtime"] = {**runtime, "processor": processor}
        if changes:
            recorded.update(changes)
            self._result.save_state()

    def _count_done(self, n_parts: int) -> int:
        """Return the number of finished planes, or of rectangles if planes consist of several."""
        done = count_done(self._job, self._result, self._job.whole())
        return n_parts * done + (sum(map(len, self._result.rectangles.values())) if n_parts > 1 else 0)
