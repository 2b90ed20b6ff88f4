"""Decisions of a run before its first plane: new ones, or those of the interrupted run that it continues."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from decrappify._common.processor import present_runtime, take_up_runtime
from decrappify.errors import InputError, OutputExistsError
from decrappify.inference.network import choose_device
from decrappify.limits.memory import check_memory
from decrappify.restoration.attempts import died_of_memory, taken_from
from decrappify.restoration.input_record import ChangedInputError, InputRecord, recorded_planes
from decrappify.restoration.job import Job
from decrappify.restoration.measuring import Channel
from decrappify.restoration.restorer import Restorer
from decrappify.restoration.results import MemoryResult, Result, StoreResult, Unfinished, placed_key, unfinished
from decrappify.restoration.resuming import changed_options, changed_settings, refusal, run_key, settings_of
from decrappify.restoration.run_record import flaw_of, flaw_of_state

if TYPE_CHECKING:
    from decrappify.io.store.locks import OutputLock

logger = logging.getLogger(__name__)


class Start:
    """Start of a run.

    Parameters
    ----------
    job : Job
        The run.
    inputs : InputRecord
        Record of the job's movie.
    output : Path or None
        The output; None for memory.
    asked : mapping
        ``tile_size``, ``tile_overlap``, ``device``, ``precision`` and ``backend`` of the user.
    overwrite, resume : bool
        As for `restore`.

    Attributes
    ----------
    complete : bool
        Whether all planes are finished.
    provenance : dict
        Provenance of the result; set by `prepare`.
    planes_done : int
        Planes finished by earlier runs.
    earlier : mapping or None
        Record left by a killed run, see `decrappify.restoration.attempts`.

    Raises
    ------
    OutputExistsError
        If the output exists, or an unfinished one of other settings or of another input, and `overwrite` is False.
    OutputError
        If another process writes the output.
    InputError
        If the output is the input, contains it, or lies in it.
    """

    def __init__(
        self,
        job: Job,
        inputs: InputRecord,
        output: Path | None,
        asked: Mapping[str, Any],
        *,
        overwrite: bool,
        resume: bool,
    ) -> None:
        self.job, self.inputs, self.output = job, inputs, output
        self._asked, self._overwrite, self._resume = dict(asked), overwrite, resume
        self._settings = settings_of(job) if output is not None else {}
        self._run_key = run_key(self._settings)
        self.complete = False
        self._state: dict[str, Any] = {}
        self.provenance: dict[str, Any] = {}
        self.planes_done = 0
        self.earlier: Any = None
        self._lock: OutputLock | None = None
        if output is not None:
            self._lock = self._locked(output)
            try:
                self._check_output(output, self._lock)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Release the lock on the output."""
        if self._lock is not None:
            self._lock.release()

    def prepare(self, progress: Any, cancel: threading.Event | None) -> tuple[Restorer, list[Channel], Result]:
        """Create the restorer, the measured values of each channel, and the open result."""
        state, job, chosen = self._state, self.job, self._device()
        runtime = take_up_runtime(state.get("runtime"), chosen) if state else present_runtime(chosen)
        used = {name: state.get(name, value) for name, value in self._asked.items() if name != "device"}
        restorer = Restorer(job.model, device=chosen, expected_pixels=job.n_pixels, cancel=cancel, **used)
        restorer.grid((job.movie.shape[3], job.movie.shape[4]))  # raises on unsuitable tiles before anything is written
        self._check_memory()
        if died_of_memory(self.earlier, self.planes_done):
            self._use_smaller_tiles(restorer)
        self._log_settings(restorer)
        channels = [Channel.from_dict(values) for values in state.get("channels", [])] or job.measure()
        decided = self._decided(restorer, channels, runtime)
        self.provenance = decided["provenance"]
        result = self._open(job.metadata | {"provenance": self.provenance}, progress)
        if result.state != decided:
            result.state.update(decided)
            result.save_state()
        if state:  # for an export, they are read from the working store
            result.update_metadata(provenance=self.provenance, missing=job.blanks())
        return restorer, channels, result

    def _check_memory(self) -> None:
        """Raise an error if one window does not fit into memory, before the system kills the run."""
        job = self.job
        height, width = job.movie.shape[3:]
        out_y, out_x = job.shape[3:]
        group = max(map(len, job.groups))
        source = height * width * group * (4 * (job.model.n_frames + 1) + job.movie.dtype.itemsize)
        result = out_y * out_x * job.out_channels * (4 + job.dtype.itemsize)
        check_memory(
            source + result,
            f"restoring frames of {height} x {width} pixels",
            "crop the movie, bin it, or use a computer or container with more memory",
        )

    def _locked(self, output: Path) -> OutputLock:
        from decrappify.io.store.locks import OutputLock
        from decrappify.io.store.outputs import check_output, refuse_input

        refuse_input(output, self.job.movie)
        check_output(output, overwrite=True)
        return OutputLock(output)

    def _check_output(self, output: Path, lock: OutputLock) -> None:
        from decrappify.io.store.outputs import check_output
        from decrappify.io.store.working_folder import WorkingFolder

        before = unfinished(lock)
        self._resume = self._resume and (before is None or self._is_same_run(before))
        folder = WorkingFolder(lock, self._run_key, overwrite=self._overwrite)
        if self._resume and self._was_placed(lock):
            # Killed between the last rename and the removal of the working folder.
            self.complete = True
            folder.remove_finished()
            return
        if before is not None and output.exists() and not self._overwrite:
            raise OutputExistsError(
                f"{output} already exists, and its unfinished run is kept; move it to another name and repeat the run, "
                "or replace it with overwrite=True (--overwrite)"
            )
        check_output(output, overwrite=self._overwrite)
        if self._resume and before is not None:
            self._state = dict(before.journal.state)
            self.planes_done = len(before.journal.done)
            self.earlier = taken_from(self._state)

    def _was_placed(self, lock: OutputLock) -> bool:
        """Return whether a killed run of this call has finished the output; the input is read to determine it."""
        if not (lock.placed_by or "").startswith(self._run_key):
            return False
        planes = self.job.input_planes()
        for plane in planes:
            self.job.movie.frame(*plane)
        return lock.placed_by == placed_key(self._run_key, self.inputs.checksum(planes))

    def _is_same_run(self, before: Unfinished) -> bool:
        """Return whether this call finishes an unfinished run; raise for another run unless it is replaced."""
        flaw = flaw_of(before.journal, self.job) if before.run_key == self._run_key else None
        if flaw is not None:
            if self._overwrite:
                return False
            raise OutputExistsError(
                f"{before.partial} holds an unfinished output whose record is damaged ({flaw}); discard it with "
                "overwrite=True (--overwrite), or choose another output"
            )
        state = before.journal.state
        changes = self._changes(state) if flaw_of_state(state) is None else ["it has other settings"]
        if before.run_key == self._run_key and not changes:
            return self._has_same_input(before)
        if not self._overwrite:
            raise OutputExistsError(refusal(before.partial, changes or ["it has other settings"]))
        return False

    def _changes(self, state: Mapping[str, Any]) -> list[str]:
        """Return the reasons why this call cannot finish an unfinished run."""
        network, frame = self.job.model.network, self.job.movie.shape[3:]
        multiple = network.spec.tile_multiple
        asked = self._asked
        sizes = (state.get("tile_size"), asked["tile_size"] or state.get("tile_size"))
        if all(_holds(size, frame, multiple) for size in sizes):
            asked = {name: value for name, value in asked.items() if name not in ("tile_size", "tile_overlap")}
        return changed_settings(state.get("settings") or {}, self._settings) + changed_options(asked, state)

    def _has_same_input(self, before: Unfinished) -> bool:
        """Compare the input with the record of the unfinished run; raise for other inputs unless it is replaced."""
        notes = before.journal.notes.values()
        rows = [*before.journal.state.get("read", ()), *(row for note in notes for row in note.get("read", ()))]
        try:
            self.inputs.verify(recorded_planes(rows))
        except ChangedInputError as error:
            if self._overwrite:
                return False
            t, c, z = error.plane
            name = self.job.movie.name
            change = f"{name} has other pixels now in frame {t} (channel {c}, slice {z})"
            raise OutputExistsError(refusal(before.partial, [change])) from error
        return True

    def _device(self) -> torch.device:
        """Return the requested device, or that of the run which is continued."""
        device, before = self._asked["device"], self._state.get("device")
        if before is None:
            return choose_device(device)
        if str(device) == "auto":
            try:
                return choose_device(before)
            except InputError:
                chosen = choose_device(device)
                if self._state.get("precision") == "float16" and chosen.type == "cpu":
                    raise InputError(
                        f"the unfinished run computes in float16 on {before}, which is not here; finish it on a "
                        "machine with a GPU, or discard it with overwrite=True (--overwrite)"
                    ) from None
                logger.warning("continuing on %s a run begun on %s: last digits may differ", chosen.type, before)
                return chosen
        return choose_device(device)

    def _decided(self, restorer: Restorer, channels: list[Channel], runtime: dict[str, Any]) -> dict[str, Any]:
        """Return the state of the run: the decisions made now, or those made when it was begun."""
        network = restorer.network
        settings: dict[str, Any] = {"tile_size": restorer.tile_size, "tile_overlap": restorer.tile_overlap}
        settings |= {"precision": network.precision, "backend": network.backend}
        begun_with = self._state.get("provenance", {}).get("restoration", {})
        recorded = {name: begun_with.get(name, value) for name, value in (settings | runtime).items()}
        decided: dict[str, Any] = {
            "channels": [channel.to_dict() for channel in channels],
            **settings,
            "device": network.device.type,
            "asked": {name: value if value is None else _plain(value) for name, value in self._asked.items()},
            "read": [] if self._state else self.inputs.take_new(),
        } | self._state
        decided["provenance"] = self.job.provenance(channels, recorded)
        decided["runtime"], decided["settings"] = runtime, self._settings
        return decided

    def _use_smaller_tiles(self, restorer: Restorer) -> None:
        used, smaller = restorer.used_and_smaller((self.job.movie.shape[3], self.job.movie.shape[4]))
        killed = f"the system killed the run before for lack of memory, with tile_size={used}"
        if smaller is None:
            logger.warning("%s, the smallest; close other programs, or raise the memory limit", killed)
            return
        logger.warning("%s: continuing with tile_size=%d", killed, smaller)
        restorer.tile_size = self._state["tile_size"] = smaller

    def _open(self, metadata: dict[str, Any], progress: Callable[..., Any] | None) -> Result:
        if self.output is None:
            return MemoryResult(self.job.shape, self.job.dtype, metadata)
        return StoreResult(
            self.output,
            self.job.shape,
            self.job.dtype,
            metadata,
            run_key=self._run_key,
            overwrite=self._overwrite,
            resume=self._resume,
            progress=progress,
            lock=self._lock,
        )

    def _log_settings(self, restorer: Restorer) -> None:
        network, tile_size = restorer.network, self._asked["tile_size"]
        logger.info(
            "%s on %s in %s, tiles of %d pixels with an overlap of %d",
            network.backend, network.device, network.precision, restorer.tile_size, restorer.tile_overlap,
        )  # fmt: skip
        if tile_size is not None and tile_size >= max(self.job.movie.shape[3:]):
            logger.info("tile_size=%d holds the whole frame (%d x %d)", tile_size, *self.job.movie.shape[3:])


def _holds(tile_size: Any, frame_shape: tuple[int, ...], multiple: int) -> bool:
    """Return whether one tile covers the whole frame, so that its size does not matter."""
    return (
        isinstance(tile_size, int) and tile_size // multiple * multiple >= -(-max(frame_shape) // multiple) * multiple
    )


def _plain(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)
