"""Environment of a run: devices, agreement between processes, Ctrl-C, and errors of the run folder."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from decrappify._common.argument_names import argument, setting
from decrappify._common.counting import counted
from decrappify._common.processes.launch import present_launch
from decrappify._common.processes.processor import threads_put_back
from decrappify.errors import DecrappifyError, InputError, OutputError
from decrappify.inference.precision import has_fast_bfloat16
from decrappify.training.config.options import RunSettings


def check_device(config: RunSettings) -> None:
    """Raise InputError if this machine does not have the device."""
    if config.device == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        n_local = min(config.n_devices, present_launch().n_local) if present_launch().n_nodes > 1 else config.n_devices
        if found < n_local:
            raise InputError(
                f"{argument('device')} is 'cuda' and n_devices is {n_local}, but torch finds "
                f"{counted(found, 'CUDA GPU')} here; use {setting('device', 'auto')} or 'cpu', or fewer devices"
            )
    if config.device == "mps" and not torch.backends.mps.is_available():
        raise InputError(
            f"{argument('device')} is 'mps', but torch finds no Apple GPU here; use {setting('device', 'auto')} or "
            "'cpu'"
        )


def used_precision(config: RunSettings) -> str:
    """Return the precision of a run; ``"auto"`` depends on the device."""
    if config.precision != "auto":
        return config.precision
    has_gpu = config.device in ("auto", "cuda") and torch.cuda.is_available()
    on_cpu = config.device == "cpu" or (config.device == "auto" and not torch.backends.mps.is_available())
    device = torch.device("cuda" if has_gpu else "cpu" if on_cpu else "mps")
    return "bfloat16" if has_fast_bfloat16(device) else "float32"


def fabric_precision(config: RunSettings) -> Any:
    """Return Lightning Fabric's name of the precision of a run."""
    return {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}[used_precision(config)]


@contextmanager
def quiet_fabric() -> Iterator[None]:
    """Omit the messages of Lightning Fabric on its settings, which it prints in scripts and notebooks.

    The precision of a run is on the model card, and lost processes raise errors.
    """
    logger = logging.getLogger("lightning_fabric.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def on_any_rank(fabric: Any, flag: bool) -> bool:
    """Return whether `flag` is set on any rank: ranks that disagree about stopping would deadlock."""
    if fabric.world_size == 1:
        return flag
    return bool(fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum") > 0)


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Set torch's deterministic algorithms, and restore the caller's choice afterwards."""
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(wanted)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextmanager
def needs_folder(folder: Path | None) -> Iterator[None]:
    """Raise OutputError if the run folder was removed, instead of the error that this caused."""
    try:
        yield
    except (DecrappifyError, OSError) as error:
        if folder is None or folder.is_dir():
            raise
        raise OutputError(
            f"the run folder {folder} no longer exists; restore it and resume, or start the run again"
        ) from error


@contextmanager
def folder_errors(folder: Path | None) -> Iterator[None]:
    """Convert OSErrors of files in a run folder to OutputError with one line.

    Raises
    ------
    OutputError
        If a file cannot be written, as on a full disk, or the folder was removed.
    """
    try:
        with needs_folder(folder):
            yield
    except DecrappifyError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write into the run folder {folder}: {error.strerror or error}; free some space and resume from "
            "the last checkpoint"
        ) from error


@contextmanager
def training_session(config: RunSettings, cancel: threading.Event | None) -> Iterator[threading.Event]:
    """Seed torch and set up Ctrl-C and deterministic algorithms for a run; yield the event that cancels it.

    Afterwards the caller's random state, number of threads, algorithms and signal handler are restored.
    """
    with (
        torch.random.fork_rng(devices=[]),
        threads_put_back(),
        deterministic(config.deterministic),
        interruptible(cancel or threading.Event()) as event,
    ):
        torch.manual_seed(config.seed)
        yield event


@contextmanager
def interruptible(cancel: threading.Event) -> Iterator[threading.Event]:
    """Set `cancel` at the first Ctrl-C; a second one interrupts immediately."""
    if threading.current_thread() is not threading.main_thread():
        yield cancel
        return

    def request(*_: Any) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, request)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, previous)
