"""Preparation and locking of the run folder, to which one process writes at a time."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from decrappify._common.argument_names import setting
from decrappify._common.processes.launch import present_launch
from decrappify._common.progress import Cancel, Check, check_cancel
from decrappify.errors import Cancelled, InputError, MissingFileError, OutputError, OutputExistsError

STOPPED_EARLY = "the run was stopped before its first step"

P = ParamSpec("P")
R = TypeVar("R")

_CHECKPOINTS = ("checkpoint.pt", "checkpoint.previous.pt")
_EVENTS = "events.out.tfevents.*"
_RUN_FILES = (
    *_CHECKPOINTS,
    *(
        "checkpoint.damaged.pt",
        "model.safetensors",
        "pretrained.safetensors",
        "critic.safetensors",
        "pretrained_critic.safetensors",
        "checkpoints/*.safetensors",
    ),
    *("log.csv", "loss.png", "log.png", "monitors.png", "checkpoints.png", "fidelity.png", "pretrained.png"),
    *("preview_*.png", _EVENTS),
    *("images/cycle_*/*/*.tif", "images/cycle_*/*/*.png"),
)
_BEFORE_TRAINING = ("log.csv", "loss.png", "preview_0000000.png", _EVENTS)
_LONGEST_LINE = 10_000
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # process numbers set by torchrun, Lightning Fabric and Slurm


def holds_run_folder(function: Callable[P, R]) -> Callable[P, R]:
    """Create and lock the run folder `output` while the decorated function runs.

    In a run on several devices only the first process acquires the lock.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        from decrappify.io.store.locks import locked_folder

        output: Any = kwargs.get("output")
        n_processes = max(getattr(kwargs.get("config"), "n_devices", 1), present_launch().n_processes)
        if output is None or (n_processes > 1 and _rank() != 0):
            return function(*args, **kwargs)
        folder = Path(output)
        is_new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot use {folder} as run folder: {error.strerror or error}") from error
        try:
            with locked_folder(folder):
                return function(*args, **kwargs)
        except BaseException as error:
            if is_new:
                with suppress(OSError):  # not empty
                    folder.rmdir()
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(_interrupted(folder)) from error
            if isinstance(error, Cancelled):
                raise Cancelled(f"{error}; {_kept(folder)}") from error
            raise

    return call


def early_check(cancel: Cancel | None, n_processes: int = 1) -> Check:
    """Return a function that raises Cancelled if a run is cancelled before it has a Trainer; see `Trainer.check_start`.

    It does nothing for runs of several processes, which can only agree on stopping once they are connected.
    """
    return partial(check_cancel, cancel if n_processes == 1 else None, STOPPED_EARLY)


def refuse_data_folder(folder: Path, *data: Any) -> None:
    """Raise InputError if a run folder is a folder of the data, or is inside an OME-Zarr store of the data."""
    from decrappify.io.store.zarr_folders import is_zarr_folder

    for each in data:
        if isinstance(each, list | tuple):
            refuse_data_folder(folder, *each)
        elif isinstance(each, str | os.PathLike) and (path := Path(each).resolve()).is_dir():
            is_store = is_zarr_folder(path)
            run = folder.resolve()
            if run == path or (is_store and run.is_relative_to(path)):
                raise InputError(f"run folder {folder} is the data {each}, or is inside it; choose another folder")


def prepare_run_folder(output: str | Path, *, resume: bool, overwrite: bool) -> Path:
    """Create the run folder, or remove an older run from it with `overwrite`.

    Raises
    ------
    OutputExistsError
        If it contains a run, or files with the names of a run's files, and neither `resume` nor `overwrite` is set.
    MissingFileError
        If the folder has no checkpoint to resume from.
    OutputError
        If it cannot be used.
    """
    folder = Path(output)
    if _has_checkpoint(folder) and not (resume or overwrite):
        raise OutputExistsError(
            f"{folder} already contains a run; pass {setting('resume', True)} to resume it, or "
            f"{setting('overwrite', True)} to replace it"
        )
    found = sorted(path for pattern in _RUN_FILES for path in folder.glob(pattern))
    if not overwrite and _has_no_result(folder, found):
        found = []
    if resume and not _has_checkpoint(folder):  # checked before the data are read, which can take minutes
        checkpoint = f"no checkpoint {folder / 'checkpoint.pt'} to resume from"
        if not found:
            raise MissingFileError(f"{checkpoint}; start the run without {setting('resume', True)}")
        raise MissingFileError(
            f"{checkpoint}, as the run in {folder} ended before its first one; start it again with "
            f"{setting('overwrite', True)} instead of {setting('resume', True)}"
        )
    found = [] if resume else found
    if found and not overwrite:
        raise OutputExistsError(
            f"{folder} contains {found[0].relative_to(folder)}, which a run would replace; choose another folder, or "
            f"pass {setting('overwrite', True)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in found:  # no file of an older run may be mistaken for one of this run
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot use {folder} as run folder: {error.strerror or error}") from error
    return folder


def describe_run(folder: Path) -> str | None:
    """Return one line on the training run in a folder: its state, steps and model; None if it contains no run."""
    columns, last = _log_ends(folder / "log.csv")
    if not {"step", "seconds"} <= set(columns) and not _has_checkpoint(folder):
        return None
    kind = "NoGAN training run" if "phase" in columns else "training run"
    at = f", last logged at step {last['step']}" if last.get("step") else ""
    at += f" of phase {last['phase']!r}" if last.get("phase") else ""
    model = folder / "model.safetensors"
    if not model.is_file():
        resume = "'decrappify train' with its run file and --resume resumes it"
        return f"{folder}: unfinished {kind}{at}; {resume if _has_checkpoint(folder) else 'start it again'}"
    from decrappify.model.header import read_card

    stopped = read_card(model)["card"].get("unfinished")
    state = f"{kind} {stopped}" if stopped else f"finished {kind}{at}"
    return f"{folder}: {state}; 'decrappify models {model}' prints the card of its model"


def _log_ends(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return columns and last complete row of a log; both are empty if it cannot be read."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    except (OSError, UnicodeDecodeError):
        return [], {}
    rows = list(csv.reader([*lines[:1], *lines[1:][-1:]]))
    return (rows[0], dict(zip(*rows, strict=False)) if len(rows) > 1 else {}) if rows else ([], {})


def _has_checkpoint(folder: Path) -> bool:
    return any((folder / name).exists() for name in _CHECKPOINTS)


def _has_no_result(folder: Path, found: Sequence[Path]) -> bool:
    """Return whether a run ended before its first checkpoint: its only files are those of the validation at step 0."""
    log = folder / "log.csv"
    if log not in found or not all(any(path.match(name) for name in _BEFORE_TRAINING) for path in found):
        return False
    with suppress(OSError, UnicodeDecodeError), log.open(encoding="utf-8", newline="") as file:
        header, first, rest = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE), file.read(1)
        is_log = header.endswith("\n") and {"step", "seconds"} <= set(header.strip().split(","))
        return is_log and not rest and (not first or (header.startswith("step,") and first.startswith("0,")))
    return False


def _interrupted(folder: Path) -> str:
    if _has_checkpoint(folder):
        return "the last checkpoint is kept; resume with --resume"
    return "no checkpoint was saved, so the run cannot be resumed; repeat the command to start it again"


def _kept(folder: Path) -> str:
    if _has_checkpoint(folder):
        return f"the last checkpoint is kept; resume with {setting('resume', True)}"
    return "nothing was saved, so start it again"


def _rank() -> int:
    return next((int(os.environ[name]) for name in _RANKS if os.environ.get(name, "").isdecimal()), 0)
