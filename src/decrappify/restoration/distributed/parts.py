"""Restoration of a part of a movie, for jobs that start independently of each other and share one output.

Each job holds the lock on the output only while it begins and ends: the first one plans the run and creates the store,
the last one completes it. Meanwhile it holds the lock on its part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.processes.processor import take_up_runtime
from decrappify.errors import InputError, OutputExistsError, OutputInUseError
from decrappify.io.formats.omezarr.writing.region_writer import RegionWriter
from decrappify.io.store.durable import output_errors
from decrappify.io.store.planes.regions import PART, create_regions, forget_rectangles, live_regions, patiently
from decrappify.io.store.working_paths import partial_path, working_path
from decrappify.movie import Movie
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.output_range import check_output_range
from decrappify.restoration.job.region import Region, part_of
from decrappify.restoration.outputs.results import open_result
from decrappify.restoration.records.attempts import died_of_memory, recorded_attempt, taken_from
from decrappify.restoration.records.complete import is_result_of
from decrappify.restoration.run.network import chosen_device, prepared_restorer
from decrappify.restoration.run.plan import make_plan
from decrappify.restoration.run.state import RunState
from decrappify.restoration.run.steps import completed, planned, report_plan
from decrappify.restoration.run.windows import count_done, run_windows

if TYPE_CHECKING:
    from decrappify.restoration.run.call import Call
    from decrappify.restoration.tiling.restorer import Restorer

_LONGEST_WAIT_S = 3600.0  # for other parts that begin or end, and for a run that writes the same output


@dataclass(frozen=True, slots=True)
class Part:
    """Part `number`, from 1, of `count` parts.

    Raises
    ------
    InputError
        If `number` is not from 1 to `count`.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(f"{setting('part', str(self))} is not known, expected 1/N to N/N")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """Name of the region of the part."""
        return f"{PART}{self.number}-of-{self.count}"

    def region(self, job: Job) -> Region | None:
        """Return the planes of the part; None if there are fewer frames than parts and it is empty."""
        return part_of(job.shape[0], job.shape[2], self.number, self.count)

    @classmethod
    def parsed(cls, text: object) -> Part:
        """Return the part of a text.

        >>> Part.parsed("3/16")
        Part(number=3, count=16)
        """
        found = re.fullmatch(r"\s*(\d{1,7})\s*/\s*(\d{1,7})\s*", str(text))
        if found is None:
            raise InputError(f"{setting('part', text)} is not known, expected a part such as 3/16")
        return cls(int(found[1]), int(found[2]))


def restored_part(call: Call, part: Part) -> Movie:
    """Restore a part; return the growing movie, or the complete one if all other parts are finished.

    Parameters
    ----------
    call : Call
        Arguments of `restore`, with an output.
    part : Part
        The part.

    Raises
    ------
    OutputInUseError
        If another process restores this part, or an overlapping one, or holds the output for an hour.
    DecrappifyError
        As for `restore`.
    """
    assert call.output is not None, "checked by checked_sharing"
    return _PartRun(call, part, call.output).restored()


class _PartRun:
    def __init__(self, call: Call, part: Part, output: Path) -> None:
        self._call, self._part, self._output = call, part, output
        self._job, self._working = call.job, working_path(output)
        self._region = part_of(self._job.shape[0], self._job.shape[2], part.number, part.count)

    def restored(self) -> Movie:
        if self._output.exists() and not self._working.exists() and self._is_complete():
            return open_result(self._output)
        with self._locked() as state:
            if state.complete:
                return open_result(self._output)
            begun, restorer = dict(state.begun), None
            if not begun:
                begun, restorer = self._begin(state)
            with output_errors(self._output):
                forget_rectangles(self._working)
                create_regions(self._working)
            writer = self._writer(state)
        if writer is not None:
            try:
                if not self._is_done(writer):
                    self._restore(writer, begun, restorer, state)
            finally:
                writer.close()
        return self._end()

    def _is_complete(self) -> bool:
        """Return whether the output is the complete result of these parts, so that a repeated job has nothing to do."""
        return is_result_of(self._output, self._job, self._call.inputs, self._call.inference)

    def _is_done(self, writer: RegionWriter) -> bool:
        region = self._region or self._job.whole()
        n_planes = len(region.frames) * self._job.shape[1] * len(region.slices)
        return count_done(self._job, writer, region) == n_planes

    @contextmanager
    def _locked(self) -> Iterator[RunState]:
        try:
            state = patiently(partial(self._call.state, shared=True), _LONGEST_WAIT_S)
        except OutputExistsError as error:
            if error.option != "overwrite":
                raise
            advice = (
                "it is not recognized as the result of this input, model and options; delete it to restore it again, "
                "or choose another name"
            )
            raise OutputExistsError(error.problem, advice=advice, option=error.option) from error
        try:
            yield state
        finally:
            state.close()

    def _begin(self, state: RunState) -> tuple[dict[str, Any], Restorer]:
        """Plan the run and create the store."""
        plan, restorer = planned(state, self._call.inference, self._call.cancel)
        check_output_range(plan.job, plan.channels)
        result = state.open(plan, self._call.progress, self._call.cancel)
        report_plan(state, plan)
        return dict(result.state), restorer

    def _writer(self, state: RunState) -> RegionWriter | None:
        """Lock the part while no other one begins."""
        region = self._region
        if region is None:
            return None
        for live in live_regions(self._working, self._output):
            other = _part_named(live.name)
            taken = None if other is None else other.region(self._job)
            if other is not None and other.count != self._part.count and taken is not None and taken.overlaps(region):
                raise OutputInUseError(
                    f"part {self._part} overlaps part {other}, which is being written ({live.error.problem}); use the "
                    "same number of parts for all jobs"
                )
        return RegionWriter(
            self._output, self._part.name, shape=self._job.shape, dtype=self._job.dtype, done=state.done
        )

    def _restore(self, writer: RegionWriter, begun: dict[str, Any], restorer: Restorer | None, state: RunState) -> None:
        earlier, done = taken_from(writer.state), len(writer.written)
        device = chosen_device(self._call.inference.device, begun)
        runtime = take_up_runtime(begun.get("runtime"), device)
        if isinstance(writer.state.get("tile_size"), int):
            begun["tile_size"] = min(begun.get("tile_size", math.inf), writer.state["tile_size"])
        if restorer is None:
            killed = died_of_memory(earlier, done)
            restorer = prepared_restorer(
                self._job, self._call.inference, begun, device, killed=killed, cancel=self._call.cancel
            )
        writer.state["tile_size"] = restorer.tile_size
        plan = make_plan(
            self._job, restorer, self._call.inference, settings=state.settings, runtime=runtime, begun=begun
        )
        with recorded_attempt(writer, done, earlier):
            run_windows(
                plan,
                restorer,
                writer,
                self._call.inputs,
                self._call.progress,
                self._call.on_plane,
                region=self._region,
            )

    def _end(self) -> Movie:
        """Record the part; complete the output if it was the last one."""
        try:
            with self._locked() as state:
                if state.complete:
                    return open_result(self._output)
                live = next(live_regions(self._working, self._output), None)
                if len(state.done) < math.prod(self._job.shape[:3]) or live is not None:
                    return open_result(partial_path(self._output))
                return self._complete(state)
        except OutputExistsError:
            if self._working.exists() or not self._output.exists():
                raise
            return open_result(self._output)  # another part has completed it meanwhile

    def _complete(self, state: RunState) -> Movie:
        plan, _ = planned(state, self._call.inference, self._call.cancel)
        result = state.open(plan, self._call.progress, self._call.cancel)
        self._call.inputs.confirm()
        return completed(plan, self._call.inputs, result)


def _part_named(name: str) -> Part | None:
    found = re.fullmatch(rf"{PART}(\d+)-of-(\d+)", name)
    return None if found is None else Part(int(found[1]), int(found[2]))
