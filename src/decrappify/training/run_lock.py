"""One process at a time writes a run folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from decrappify.errors import InputError, OutputError

P = ParamSpec("P")
R = TypeVar("R")

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # as torchrun, Lightning Fabric and Slurm number the processes of a run


def holds_run_folder(function: Callable[P, R]) -> Callable[P, R]:
    """Hold the lock on the run folder `output`, which is created, while the decorated function runs.

    The further processes of a run on several devices leave the lock to the first one.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        from decrappify.io.locks import locked_folder

        output: Any = kwargs.get("output")
        if output is None or (getattr(kwargs.get("config"), "n_devices", 1) != 1 and _rank() != 0):
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
        except BaseException:
            if is_new:
                with suppress(OSError):  # something is in it
                    folder.rmdir()
            raise

    return call


def refuse_data_folder(folder: Path, *data: Any) -> None:
    """Raise InputError if a run folder is a folder of the data, or lies in an OME-Zarr store of it."""
    from decrappify.io.formats import ZARR_DOCUMENTS

    for each in data:
        if isinstance(each, list | tuple):
            refuse_data_folder(folder, *each)
        elif isinstance(each, str | os.PathLike) and (path := Path(each).resolve()).is_dir():
            is_store = any((path / name).exists() for name in ZARR_DOCUMENTS)
            run = folder.resolve()
            if run == path or (is_store and run.is_relative_to(path)):
                raise InputError(f"run folder {folder} is the data {each}, or lies in it; choose another folder")


def _rank() -> int:
    return next((int(os.environ[name]) for name in _RANKS if os.environ.get(name, "").isdecimal()), 0)
