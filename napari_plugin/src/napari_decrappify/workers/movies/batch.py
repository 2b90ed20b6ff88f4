"""Job of the Batch widget: restore many files into one folder, or estimate it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify import InferenceOptions, load_model
from decrappify.errors import InputError
from napari_decrappify.workers.running.task import Task

if TYPE_CHECKING:
    from decrappify.batch import Row, Summary

SUMMARY = "decrappify-summary.csv"
SUFFIXES = {"OME-Zarr": ".ome.zarr", "OME-TIFF": ".ome.tif"}


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    paths : tuple of Path
        Files and folders.
    recursive, all_scenes : bool
        Whether to search the folders in a folder, and to restore every scene of a file.
    movie_model, still_model : str, Path or None
        Models for movies and stacks, and for single images; None for none.
    folder : Path
        Output folder.
    suffix : str
        Format of the outputs.
    device : str
        As for `decrappify.restore`.
    dry_run : bool
        Only estimate time and size.
    """

    paths: tuple[Path, ...]
    recursive: bool
    all_scenes: bool
    movie_model: str | Path | None
    still_model: str | Path | None
    folder: Path
    suffix: str
    device: str
    dry_run: bool = False

    def estimate(self) -> BatchSettings:
        """Return the settings of the estimate of this run."""
        return replace(self, dry_run=True)


@dataclass(frozen=True)
class BatchDone:
    """Rows of a batch, and the file with its summary; None for an estimate."""

    summary: Summary
    path: Path | None

    @property
    def is_estimate(self) -> bool:
        """Whether nothing was written."""
        return self.path is None


def restore_files(settings: BatchSettings, task: Task) -> BatchDone:
    """Restore the files, or estimate it; reports the `Row` of each output when it is done."""
    from decrappify import restore_many

    task.report("searching files, and loading the models …")
    models = [load_model(model) for model in (settings.movie_model, settings.still_model) if model is not None]
    if not models:
        raise InputError("no model is chosen; choose one for movies, for single images, or both")
    path = None if settings.dry_run else settings.folder / SUMMARY

    def on_row(row: Row) -> None:
        task.report(row)
        if settings.dry_run:
            task.check_cancel()

    arguments: dict[str, Any] = {"dry_run": True} if settings.dry_run else {"summary": path}
    summary = restore_many(
        settings.paths,
        models if len(models) > 1 else models[0],
        settings.folder,
        name="{stem}" + settings.suffix,
        scene="all" if settings.all_scenes else None,
        recursive=settings.recursive,
        inference=InferenceOptions(device=settings.device),
        progress=task.progress,
        cancel=task.cancel,
        on_row=on_row,
        **arguments,
    )
    return BatchDone(summary, path)


def words_of(done: BatchDone, free: int) -> str:
    """Return the result of a batch or of its estimate in one line.

    Parameters
    ----------
    done : BatchDone
        The rows.
    free : int
        Free bytes on the disk of the outputs.
    """
    text = str(done.summary.text())
    if not done.is_estimate:
        return f"{text}; summary: {done.path}"
    seconds = sum(row.seconds or 0 for row in done.summary)
    size = sum(row.megabytes or 0 for row in done.summary if row.status != "finished earlier")
    return f"{text}; about {_duration(seconds)}, up to {size * 4 / 3:.3g} MB on disk, {free / 1e9:.3g} GB are free"


def _duration(seconds: float) -> str:
    """Return a duration.

    >>> _duration(5.4), _duration(75), _duration(7300)
    ('5 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
