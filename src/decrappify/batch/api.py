"""`restore_many`: restoration of files, folders and patterns into one folder."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.checks import check_instance
from decrappify._common.counting import counted
from decrappify._common.progress import Cancel, Progress, checked_progress
from decrappify.batch.attempts import attempt
from decrappify.batch.estimate import SpeedEstimate, disk_bytes, free_bytes, space_warning
from decrappify.batch.inputs import find_sources
from decrappify.batch.items import Item, Opening, check_outputs, find_items, item_errors, matching_choice
from decrappify.batch.naming import DEFAULT, NameTemplate
from decrappify.batch.run import BatchRun, OnRow, known_outputs, row_of
from decrappify.batch.summary import FAILED, FINISHED, PLANNED, UNFINISHED, Row, Summary, check_summary, size_text
from decrappify.errors import DecrappifyError, InputError, OutputError
from decrappify.inference.options import InferenceOptions
from decrappify.restoration.finished import RunArguments, finished_output, scene_run_key
from decrappify.restoration.job.channel_models import ModelChoice
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.records.output_record import OutputRecord

if TYPE_CHECKING:
    from decrappify.model import Model

logger = logging.getLogger(__name__)

_SAVE_S = 30.0  # least time between two intermediate summaries

Path_ = str | os.PathLike[str]


def restore_many(
    paths: Path_ | Iterable[Path_],
    model: Model | str | Path | Mapping[str, Any] | Sequence[Any],
    output_dir: Path_,
    *,
    name: str = DEFAULT,
    scene: int | str | None = None,
    recursive: bool = False,
    opening: Mapping[str, Any] | None = None,
    inference: InferenceOptions = InferenceOptions(),
    options: RestorationOptions = RestorationOptions(),
    overwrite: bool = False,
    resume: bool = True,
    dry_run: bool = False,
    summary: Path_ | None = None,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
    on_row: OnRow | None = None,
) -> Summary:
    """Restore files, folders and patterns into one folder; an error of one input does not stop the others.

    Outputs that an earlier call finished with the same input, model and options are skipped, and unfinished ones are
    resumed, so that an interrupted call is continued by repeating it. Two processes may work on the same folder: each
    skips the outputs that the other one is writing. The network is prepared once.

    Parameters
    ----------
    paths : path or iterable of path
        Files, stores, folders, and patterns such as ``"raw/*.czi"``. See ``docs/batch.md`` for the content of folders.
    model : Model, str or Path, or mapping or list of these
        As for `restore`: with ``["fluorescence-movie", "fluorescence-still"]``, movies are restored with the first and
        stills with the second model; with ``{"GFP": ..., "DAPI": ...}``, each channel has a model.
    output_dir : path
        Folder of the outputs; created if missing. Folders within an input folder are created in it, too.
    name : str
        Template of the names, with ``{stem}``, ``{name}``, ``{folder}``, ``{scene}`` and ``{scene_number}``; the suffix
        determines the format.
    scene : int or str, optional
        Scene of each input, ``"all"`` for every one; by default the first, with a warning.
    recursive : bool
        Whether to search the folders in a folder.
    opening : mapping, optional
        Further arguments of `open_movie`, such as ``{"channel": "GFP"}``.
    inference, options
        As for `restore`.
    overwrite : bool
        Whether to replace existing outputs, except those that an unfinished call with `overwrite` has replaced already.
    resume : bool
        Whether to resume unfinished outputs.
    dry_run : bool
        Only return the outputs with their sizes and estimated times; nothing is written.
    summary : path, optional
        File (``.csv`` or ``.json``) for the rows of the summary. It is also written during the run and after an
        interruption; an earlier summary is replaced.
    progress, cancel
        As for `restore`.
    on_row : callable, optional
        Called with the `Row` of each output when it is done.

    Returns
    -------
    Summary
        One row per output; `Summary.complete` states whether all outputs exist.

    Raises
    ------
    MissingFileError, ModelFileError
        If a model cannot be loaded.
    InputError
        If no input was found, two inputs have one output, or an argument is not valid.
    OutputError
        If the folder of the outputs cannot be written.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> import decrappify as dc
    >>> done = dc.restore_many("raw/*.czi", "fluorescence-movie", "restored", summary="run.csv")  # doctest: +SKIP
    >>> done.complete  # doctest: +SKIP
    True
    """
    from decrappify.inference.reuse import networks_reused
    from decrappify.io.store.outputs import refuse_remote

    check_instance(InferenceOptions, inference=inference)
    check_instance(RestorationOptions, options=options)
    inference.check_unused("batch_size", by="restore_many")
    arguments = RunArguments(
        inference=inference,
        options=options,
        overwrite=overwrite,
        resume=resume,
        progress=checked_progress(progress),
        cancel=cancel,
    )
    refuse_remote(output_dir)
    folder, template = Path(output_dir), NameTemplate(name)
    _check_folder(folder)
    if summary is not None and Path(summary).absolute().parent != folder.absolute():  # which may not exist yet
        check_summary(summary)
    loaded = options.models(model)
    how = Opening(scene=scene, arguments=dict(opening or {}))
    words = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    folder_as = how.arguments.get("folder_as", "auto")
    sources = find_sources(words, recursive=recursive, folder_as=folder_as, excluded=folder)
    items = list(find_items(sources, loaded, template, folder, how, options))
    check_outputs(items, template)
    _report_items(items, len(sources), folder)
    _check_channels(items, loaded)
    with networks_reused():
        if dry_run:
            return _planned(items, loaded, folder, how, arguments, on_row)
        from decrappify.io.store.outputs import create_folder

        create_folder(folder)
        if summary is not None:
            check_summary(summary)
        save = _Saver(summary)
        run = BatchRun(items, loaded, folder, how, arguments, on_row or _ignore, save.now_and_then)
        try:
            return run.restore_all()
        finally:
            save.at_end(Summary(run.rows))
            with suppress(OSError):
                folder.rmdir()  # only if it is empty


def _planned(
    items: Sequence[Item],
    model: Model | ModelChoice,
    folder: Path,
    opening: Opening,
    run: RunArguments,
    on_row: OnRow | None,
) -> Summary:
    """Return the rows of a dry run."""
    speed, known = SpeedEstimate(run.inference), known_outputs(folder)
    rows = []

    def plan(item: Item, _: Row) -> Row:
        with item_errors():
            return _planned_row(item, model, opening, run, speed, known)

    for item in items:
        row = row_of(item, FAILED)
        if item.error is None:
            row, _ = attempt(row, partial(plan, item), timed=False)
        rows.append(row)
        if on_row is not None:
            on_row(row)
    return Summary(rows)


def _planned_row(
    item: Item,
    model: Model | ModelChoice,
    opening: Opening,
    run: RunArguments,
    speed: SpeedEstimate,
    known: OutputRecord,
) -> Row:
    from decrappify.io.store.outputs import refuse_input
    from decrappify.io.store.working_paths import working_path

    assert item.output is not None, "an item without an error has an output"
    with opening.open(item.source, item.scene) as movie:
        job = Job(movie, matching_choice(model, movie), run.options)
        refuse_input(item.output, movie)
        if not run.overwrite:
            found = finished_output(item.output, item.scene_name, scene_run_key(job, run.inference), job, known)
            if found is not None:
                found.close()
                return row_of(item, FINISHED)
        status = UNFINISHED if run.resume and working_path(item.output).exists() else PLANNED
        return replace(row_of(item, status), seconds=round(speed.seconds(job), 4))


def _report_items(items: Sequence[Item], n_sources: int, folder: Path) -> None:
    """Log the number and size of the outputs, and what cannot be restored, before the first one."""
    good = [(item.output, item.n_bytes) for item in items if item.error is None and item.output is not None]
    size = sum(sum(disk_bytes(output, n_bytes)[:1]) for output, n_bytes in good)
    logger.info(
        "%s from %s, %s without compression, %s free in %s", counted(len(good), "output"), counted(n_sources, "input"),
        size_text(size), size_text(free_bytes(folder)), folder,
    )  # fmt: skip
    if len(good) < len(items):
        logger.warning("%d of %s cannot be restored", len(items) - len(good), counted(len(items), "output"))
    warning = space_warning(folder, good)
    if warning is not None:
        logger.warning("%s", warning)


def _check_channels(items: Sequence[Item], model: Model | ModelChoice) -> None:
    """Log a warning if a model is set for a channel that no input has."""
    channels = {channel for item in items for channel in item.channels}
    unused = model.unmatched(channels) if isinstance(model, ModelChoice) and channels else []
    if unused:
        logger.warning(
            "no input has a channel %r, for which a model is set; the channels are %s",
            unused[0], ", ".join(map(repr, sorted(channels))),
        )  # fmt: skip


def _check_folder(folder: Path) -> None:
    """Raise an error if outputs cannot be written to a folder, which need not exist."""
    from decrappify.io.store.zarr_folders import is_zarr_folder

    for each in (folder, *folder.absolute().parents):
        if os.path.lexists(each) and not each.is_dir():
            raise OutputError(f"{each} is not a folder; choose a folder for the outputs")
        if each.is_dir() and is_zarr_folder(each):
            raise InputError(f"{folder} is in the Zarr store {each}; choose another folder for the outputs")
    existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())
    if not os.access(existing, os.W_OK):
        raise OutputError(f"no permission to write into {existing}; choose another folder for the outputs")


class _Saver:
    """Writing of the summary during a run and at its end."""

    def __init__(self, path: Path_ | None) -> None:
        self._path, self._last = path, time.monotonic()

    def now_and_then(self, summary: Summary) -> None:
        """Write the summary if the last one is old; an error is reported at the end."""
        if self._path is not None and time.monotonic() - self._last >= _SAVE_S:
            with suppress(DecrappifyError, OSError):
                summary.save(self._path)
            self._last = time.monotonic()

    def at_end(self, summary: Summary) -> None:
        """Write the summary; an error is logged, as the outputs are complete."""
        if self._path is None:
            return
        try:
            summary.save(self._path)
        except (DecrappifyError, OSError) as error:
            logger.warning("the summary could not be written: %s", error)


def _ignore(row: Row) -> None:
    """Do nothing with a row."""
