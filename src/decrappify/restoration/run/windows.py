"""Restoration of the windows of a plan: a reader, the network and a writer run concurrently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from torch import Tensor

from decrappify._common.counting import counted
from decrappify._common.progress import Bar, Progress, progress_bar
from decrappify.errors import Cancelled
from decrappify.movie import Array, Plane
from decrappify.restoration.frames.reading import Repairs
from decrappify.restoration.frames.sliding import Window
from decrappify.restoration.job.job import Job, Target
from decrappify.restoration.job.region import Region
from decrappify.restoration.outputs.results import Planes
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.notes import nan_note, note_of
from decrappify.restoration.run.plan import RestorationPlan
from decrappify.restoration.run.threads import run_overlapped
from decrappify.restoration.tiling.restorer import Restorer

OnPlane = Callable[[int, int, int], Any]
_Restored = tuple[Target, Sequence[Array], dict[str, Any]]
"""A target, its planes in the output's dtype, and a note of what was found in its window."""


def run_windows(
    plan: RestorationPlan,
    restorer: Restorer,
    result: Planes,
    inputs: InputRecord,
    progress: Progress | None = None,
    on_plane: OnPlane | None = None,
    *,
    region: Region | None = None,
    known: Mapping[Plane, Repairs] | None = None,
) -> None:
    """Restore all windows of a plan, or those of a region of it, that are not done.

    Parameters
    ----------
    plan : RestorationPlan
        Windows and normalization.
    restorer : Restorer
        Prepared network.
    result : Planes
        Destination of the planes.
    inputs : InputRecord
        Record of the planes that are read.
    progress : callable, optional
        As returned by `checked_progress`.
    on_plane : callable, optional
        Called with (t, c, z) of each written plane.
    region : Region, optional
        Frames and slices to restore, or the rectangle of them, which `result` then writes; all by default.
    known : mapping of (t, c, z) to Repairs, optional
        For a rectangle: planes of the input of which only its part is read.

    Raises
    ------
    Cancelled
        If the restorer was cancelled; the message states what is kept.
    """
    job = plan.job
    region = region or job.whole()
    total = len(region.frames) * job.shape[1] * len(region.slices)
    done = count_done(job, result, region)
    name = f"restoring {job.movie.name}"
    with progress_bar(progress, total=total, desc=name, unit="plane", initial=done) as bar:
        run = Stages(plan, restorer, result, inputs, bar, on_plane, region)
        run.write_blanks()
        run.pass_through()
        try:
            source = None if run.part is None else run.part.source
            known = None if run.part is None else known or {}
            windows = job.windows(plan.channels, restorer.load, run.is_done, part=source, known=known, region=region)
            run_overlapped(windows, run.restore, run.write)
        except Cancelled as error:
            raise cancelled(count_done(job, result, region), total) from error


class Stages:
    """Stages of a run: restoration in the calling thread, writing in the writer thread."""

    def __init__(
        self,
        plan: RestorationPlan,
        restorer: Restorer,
        result: Planes,
        inputs: InputRecord,
        bar: Bar,
        on_plane: OnPlane | None,
        region: Region,
    ) -> None:
        self._job, self._channels, self._region = plan.job, plan.channels, region
        self._restorer, self._result, self._inputs = restorer, result, inputs
        self._bar, self._on_plane = bar, on_plane
        rectangle, frame_shape = region.rectangle, self._job.movie.shape[3:]
        self._shape = self._job.shape[3:] if rectangle is None else rectangle.shape
        self.part = None if rectangle is None else restorer.part(frame_shape, rectangle.rows, rectangle.columns)

    def is_done(self, target: Target) -> bool:
        """Return whether all planes of a target and its copies are finished."""
        return all(self._result.is_done(*place) for planes in self._job.places(target) for place in planes)

    def write_blanks(self) -> None:
        """Write the planes that remain blank because they were never recorded."""
        for place in self._job.blanks(self._region):
            if not self._result.is_done(*place):
                self._result.write_plane(*place, np.zeros(self._shape, self._job.dtype))
                self._bar.update(1)

    def pass_through(self) -> None:
        """Write the planes of constant channels."""
        for target, read in self._job.passed_through(self._channels, self._region):
            if not self.is_done(target):
                planes, n_nan = read()
                self._put(target, planes, nan_note(n_nan))
                self._count(target)

    def restore(self, item: tuple[Target, Window[Tensor]]) -> _Restored:
        """Restore one window; the result does not refer to its frames, which can be freed before it is written."""
        target, window = item
        window = self._within_rectangle(window)
        planes, clipped = self._job.empty_planes(self._shape) if window.frames is None else [], (0, 0)
        if window.frames is not None:
            restorer, frame_shape = self._restorer, self._job.movie.shape[3:]
            tile_size = restorer.tile_size
            network = self._job.network_of(target.group)
            restored = restorer.restore_frames(window.frames, frame_shape, network, part=self.part)
            if restorer.tile_size != tile_size:
                self._result.state["tile_size"] = restorer.tile_size
                self._result.save_state()
            planes, clipped = self._job.to_gray(restored, target, window, self._channels)
        self._count(target)
        return target, planes, note_of(window, clipped)

    def _within_rectangle(self, window: Window[Tensor]) -> Window[Tensor]:
        """Crop the mask of NaN to the rectangle, of which the tiles need surroundings."""
        rectangle, unknown = self._region.rectangle, window.middle.unknown
        if self.part is None or rectangle is None or unknown is None:
            return window
        place = tuple(
            slice(wanted.start - read.start, wanted.stop - read.start)
            for wanted, read in zip(rectangle.coarser(self._job.scale), self.part.source, strict=True)
        )
        inside = unknown[place]
        return replace(window, middle=replace(window.middle, unknown=inside if inside.any() else None))

    def write(self, item: _Restored) -> None:
        """Write the planes of one restored window."""
        self._put(*item)

    def _count(self, target: Target) -> None:
        self._bar.update(self._job.out_channels * len(self._job.places(target)))

    def _put(self, target: Target, planes: Sequence[Array], note: dict[str, Any]) -> None:
        read = self._inputs.take_new()
        if read:
            note = note | {"read": read}
        if note:
            self._result.write_note(*self._job.planes(target)[0], note)
        for each in self._job.places(target):
            for place, plane in zip(each, planes, strict=True):
                self._result.write_plane(*place, plane)
                if self._on_plane is not None:
                    self._on_plane(*place)


def cancelled(n_finished: int, total: int, unit: str = "plane") -> Cancelled:
    """Return the error of a cancelled run; its message states what is kept."""
    kept = "they are kept, repeat the call to restore the rest" if n_finished else "nothing is kept"
    return Cancelled(f"cancelled after {n_finished} of {counted(total, unit)}; {kept}")


def count_done(job: Job, result: Planes, region: Region) -> int:
    """Return the number of finished planes of a region."""
    places = product(region.frames, range(job.shape[1]), region.slices)
    return sum(result.is_done(*place) for place in places)
