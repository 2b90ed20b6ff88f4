"""Complete, atomic checkpoints: everything a run needs to go on bit for bit, threads and processor type included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from decrappify.errors import InputError, MissingFileError, ModelFileError, OutputError
from decrappify.io.outputs import atomic_output


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) through a temporary name, so that a crash never leaves half a file."""
    try:
        with atomic_output(path, overwrite=True) as temporary:
            torch.save(state, temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise OutputError(f"cannot write the checkpoint {path}: {error}; free some space and resume") from error


def load_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of a run with the same `settings`; a differing setting is refused by name."""
    if not path.is_file():
        raise MissingFileError(f"no checkpoint {path} to resume from; start the run without resume first")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise ModelFileError(f"checkpoint {path} cannot be read, it is damaged or not a checkpoint") from error
    if not isinstance(state, dict) or "settings" not in state:
        raise ModelFileError(f"{path} is not a checkpoint of a training run; name the folder of one")
    now, then = dict(_flat(settings)), dict(_flat(state["settings"]))
    for key in now | then:
        if now.get(key) != then.get(key):
            raise InputError(
                f"cannot resume {path}: {key} is {now.get(key)!r} now and was {then.get(key)!r}; "
                "keep the settings, or start a new run in another folder"
            )
    return state


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Give every plain value with its dotted name, such as ``architecture.depth``."""
    if isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
