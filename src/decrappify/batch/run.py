"""Restoration of all outputs of a run, one after the other; an error of one does not stop the others."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.counting import counted
from decrappify._common.progress import Bar, NoBar, Progress, check_cancel
from decrappify.batch.attempts import attempt
from decrappify.batch.folders import make_folders, remove_empty
from decrappify.batch.items import Item, Opening, item_errors, matching_choice
from decrappify.batch.summary import (
    FAILED,
    FINISHED,
    IN_PROGRESS,
    INTERRUPTED,
    NOT_STARTED,
    RESTORED,
    RESUMED,
    Row,
    Summary,
)
from decrappify.errors import Cancelled
from decrappify.io.remote.address import is_address
from decrappify.io.remote.path import RemotePath
from decrappify.restoration.finished import RunArguments, restore_unless_finished
from decrappify.restoration.records.output_record import OutputRecord

if TYPE_CHECKING:
    from decrappify.model import Model
    from decrappify.restoration.job.channel_models import ModelChoice

logger = logging.getLogger(__name__)

OnRow = Callable[[Row], Any]
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_REPLACED, _OUTPUTS = ".decrappify-replaced.jsonl", ".decrappify-outputs.jsonl"


@dataclass(slots=True)
class BatchRun:
    """A run over many outputs.

    Attributes
    ----------
    items : sequence of Item
        The outputs.
    model : Model or ModelChoice
        Models for the channels.
    folder : Path
        Folder of the outputs.
    opening : Opening
        Scene and other arguments with which inputs are opened.
    arguments : RunArguments
        Arguments of `restore`.
    on_row : callable
        Called with the `Row` of each output when it is done; of one that another process is writing, at the end.
    save : callable
        Called with the `Summary` now and then, and at the end.
    """

    items: Sequence[Item]
    model: Model | ModelChoice
    folder: Path
    opening: Opening
    arguments: RunArguments
    on_row: OnRow
    save: Callable[[Summary], Any]
    rows: list[Row] = field(default_factory=list)
    known: OutputRecord = field(init=False)
    _has_skipped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.known = known_outputs(self.folder)

    def restore_all(self) -> Summary:
        """Restore all outputs.

        Raises
        ------
        Cancelled, KeyboardInterrupt
            If the run was stopped; the rows of the outputs that are not complete state it.
        """
        self.rows = [row_of(item, FAILED if item.error is not None else NOT_STARTED) for item in self.items]
        summary = Summary(self.rows)
        for row in self.rows:
            if row.error:
                self.on_row(row)
        replaced = OutputRecord(self.folder / _REPLACED) if self.arguments.overwrite else None
        if replaced is not None and not self.arguments.resume:
            replaced.remove()
        try:
            self._restore([n for n, item in enumerate(self.items) if item.error is None], replaced)
            again = [n for n, row in enumerate(self.rows) if row.status == IN_PROGRESS]  # finished meanwhile?
            self._restore(again, replaced, is_last=True)
        finally:
            self.save(summary)
        if replaced is not None and summary.complete:
            replaced.remove()
        return summary

    def _restore(self, numbers: Sequence[int], replaced: OutputRecord | None, *, is_last: bool = False) -> None:
        for number in numbers:
            try:
                check_cancel(self.arguments.cancel, "cancelled")
                row, is_full = self._restored(number, replaced)
            except BaseException as error:
                if isinstance(error, Cancelled | KeyboardInterrupt):
                    self.rows[number] = replace(self.rows[number], status=INTERRUPTED)
                if isinstance(error, Cancelled):
                    done = sum(row.status in (RESTORED, RESUMED, FINISHED) for row in self.rows)
                    raise Cancelled(
                        f"cancelled after {done} of {counted(len(self.rows), 'output')}; finished outputs and frames "
                        "are kept, repeat the call to restore the rest"
                    ) from error
                raise
            self.rows[number] = row
            if row.status != IN_PROGRESS or is_last:
                self.on_row(row)
            elif not self._has_skipped:
                logger.info("skipping outputs that other processes are writing; they are checked again at the end")
                self._has_skipped = True
            self.save(Summary(self.rows))
            if is_full:
                logger.error("the disk is full: the remaining outputs were not started")
                return

    def _restored(self, number: int, replaced: OutputRecord | None) -> tuple[Row, bool]:
        """Restore one output; return its row, and whether the disk is full."""
        item = self.items[number]
        assert item.output is not None, "an item without an error has an output"
        bars = _Bars(self.arguments.progress, f"{number + 1}/{len(self.items)}")
        run = replace(self.arguments, progress=bars)

        def work(row: Row) -> Row:
            assert item.output is not None
            with item_errors(), self.opening.open(item.source, item.scene) as movie:
                made = make_folders(item.output.parent, self.folder)
                try:
                    model = matching_choice(self.model, movie)
                    restored, was_finished = restore_unless_finished(
                        movie, item.scene_name, model, item.output, run, record=replaced, known=self.known
                    )
                    restored.close()
                finally:
                    remove_empty(made)
            return replace(row, status=FINISHED if was_finished else RESUMED if bars.initial else RESTORED)

        row, error = attempt(row_of(item, FAILED), work)
        if error is not None:
            logger.debug("%s", item.source, exc_info=error)
        return row, _is_disk_full(error)


def known_outputs(folder: Path) -> OutputRecord:
    """Return the record of the outputs in formats that contain no record of their run."""
    return OutputRecord(folder / _OUTPUTS)


def row_of(item: Item, status: str) -> Row:
    """Return the row of an item with a status."""
    n_t, n_c, n_z, height, width = item.shape or (None,) * 5
    return Row(
        input=str(RemotePath(os.fspath(item.source)) if is_address(item.source) else item.source),
        scene=item.scene_name if item.is_one_of_many else "",
        output="" if item.output is None else str(item.output),
        status=status,
        model=item.model,
        frames=n_t,
        channels=n_c,
        slices=n_z,
        height=height,
        width=width,
        dtype=item.dtype,
        megabytes=None if item.shape is None else round(item.n_bytes / 1e6, 6),
        error="" if item.error is None else str(item.error),
    )


class _Bars:
    """Progress bars with the number of the output; they also record the number of planes finished by earlier runs."""

    def __init__(self, progress: Progress | bool | None, number: str) -> None:
        self._progress, self._number = progress, number
        self.initial = 0

    def __call__(self, *, total: int, desc: str, unit: str, initial: int = 0) -> Bar:
        self.initial = self.initial or initial
        if not callable(self._progress):
            return NoBar()
        return self._progress(total=total, desc=f"{self._number} {desc}", unit=unit, initial=initial)


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        error = error.__cause__
    return False
