"""Complete, atomic checkpoints: all state needed to resume bit for bit, including threads and processor type.

The checkpoint before the last one is kept next to it in case the last one is damaged.
"""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from decrappify._common.argument_names import setting
from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify.errors import InputError, MissingFileError, ModelFileError, OutputError
from decrappify.io.store.outputs import atomic_output
from decrappify.limits.reached import raise_if_limit
from decrappify.limits.weights import check_archive
from decrappify.training.config.options import with_present_names

log = logging.getLogger(__name__)

_CONTENT = "content."  # prefix of the names of training data among the settings
_LISTED = 6  # differences in a message
# Settings that a resumed run may change.
FREE_SETTINGS = ("device", "workers", "checkpoint_minutes")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) under a temporary name, rename it, and keep the previous checkpoint.

    Raises
    ------
    OutputError
        If it cannot be written; the previous checkpoint remains.
    """
    try:
        with atomic_output(path, overwrite=True) as temporary:
            with temporary.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())  # before the earlier checkpoint is renamed
            if path.exists():
                path.replace(previous_path(path))
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise OutputError(f"cannot write the checkpoint {path}: {_reason(path, error)}") from error


def previous_path(path: Path) -> Path:
    """Return the path of the checkpoint before the last one.

    >>> previous_path(Path("run/checkpoint.pt")).name
    'checkpoint.previous.pt'
    """
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def has_checkpoint(path: Path) -> bool:
    """Return whether the last or the previous checkpoint exists."""
    return path.exists() or previous_path(path).exists()


def load_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of a run with the same `settings`.

    If the last checkpoint is damaged, it is renamed and the previous one is read, with a warning.

    Raises
    ------
    MissingFileError, ModelFileError
        If no checkpoint can be read.
    InputError
        If settings differ; the message contains the values of the first ones.
    """
    if not has_checkpoint(path):
        raise MissingFileError(f"no checkpoint {path} to resume from; start the run without {setting('resume', True)}")
    state = _last_intact(path)
    now, then = dict(_flat(settings)), dict(_flat(with_present_names(state["settings"])))
    changed = [key for key in now | then if now.get(key) != then.get(key)]
    if not changed:
        return state
    more = f" and {counted(len(changed) - _LISTED, 'more difference')}" if len(changed) > _LISTED else ""
    listed = ", ".join(_difference(key, now.get(key), then.get(key)) for key in changed[:_LISTED])
    advice = "keep the settings"
    if all(key.startswith(_CONTENT) for key in changed):
        advice = "train on the data with which the run began"
    raise InputError(f"cannot resume {path}: {listed}{more}; {advice}, or start a new run in another folder")


def _difference(key: str, now: Any, then: Any) -> str:
    name = key.removeprefix(_CONTENT)
    if name == key:
        return f"{key} is {short(now)} now and was {short(then)}"
    return f"{name} is {now or 'absent'} now and was {then or 'absent'}"


def _last_intact(path: Path) -> dict[str, Any]:
    previous = previous_path(path)
    if path.exists():
        try:
            return _read(path)
        except ModelFileError as error:
            if not previous.exists():
                raise
            reason = str(error)
    else:  # killed between the two renames of `save_checkpoint`
        reason = f"{path} is missing"
    state = _read(previous)
    with suppress(OSError):  # otherwise the next checkpoint would replace the intact one by the damaged one
        path.replace(path.with_name(f"{path.stem}.damaged{path.suffix}"))
    log.warning("%s; resumed from the previous checkpoint, %s, at step %s", reason, previous, state.get("step"))
    return state


def _read(path: Path) -> dict[str, Any]:
    check_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself does not compare checksums
        if damaged is not None:
            raise zipfile.BadZipFile(damaged)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # torch raises several types for a damaged file
        raise_if_limit(error, f"reading {path}")
        raise ModelFileError(f"checkpoint {path} cannot be read: it is damaged or not a checkpoint") from error
    if not isinstance(state, dict) or not isinstance(state.get("settings"), Mapping):
        raise ModelFileError(f"{path} is not a checkpoint of a training run; pass the folder of one")
    return state


def _reason(path: Path, error: Exception) -> str:
    if not path.parent.is_dir():
        return f"the run folder {path.parent} no longer exists; restore it and resume, or start the run again"
    cause: BaseException | None = error
    while cause is not None and getattr(cause, "errno", None) is None:  # the cause of torch's error, or ours
        cause = cause.__cause__ or cause.__context__
    known = getattr(cause, "strerror", None) or str(cause or error).splitlines()[0]
    free = shutil.disk_usage(path.parent).free
    again = f"repeat the command with {setting('overwrite', True)}"
    then = "resume from the last checkpoint" if has_checkpoint(path) else again
    return f"{known} ({free / 1e6:.0f} MB free); free some space and {then}"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Iterate over all plain values with their dotted names, such as ``architecture.depth``."""
    if isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
