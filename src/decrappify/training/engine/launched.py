"""Runs on several processes that torchrun started: their number, resuming after a restart, and a lost process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from decrappify._common.argument_names import setting
from decrappify._common.processes.launch import Launch, present_launch
from decrappify.errors import InputError, ProcessLostError

if TYPE_CHECKING:
    from decrappify.training.config.options import RunOptions, RunSettings

C = TypeVar("C", bound="RunSettings")

_LAUNCH = ".torchrun"  # name of the launch that began the run
# Parts of the errors of torch's process groups when another process has ended, which have no separate type.
_LOST = ("gloo", "nccl", "connection closed by peer", "connection reset", "broken pipe", "socket timeout")


def with_processes(config: C, launch: Launch | None = None) -> C:
    """Return the settings for the processes that torchrun started; unchanged without torchrun.

    Raises
    ------
    InputError
        If the settings state another number of processes.
    """
    launch = launch or present_launch()
    if launch.n_processes == 1 or config.n_devices == launch.n_processes:
        return config
    if config.n_devices != 1:
        raise InputError(
            f"n_devices is {config.n_devices}, but torchrun started {launch.n_processes} processes; omit n_devices, or "
            "start as many"
        )
    return replace(config, n_devices=launch.n_processes)


def check_single_process(what: str) -> None:
    """Raise InputError if torchrun started several processes for a run that uses one."""
    n_processes = present_launch().n_processes
    if n_processes > 1:
        raise InputError(f"{what} runs in one process, but torchrun started {n_processes}; start it without torchrun")


def restarted(run: RunOptions, folder: str | Path | None, launch: Launch | None = None) -> RunOptions:
    """Return the options of a run that torchrun has restarted: it is resumed, or begins again without a checkpoint.

    On several nodes, only the node of the process that failed counts the restart; on the others, the name of the launch
    in the run folder shows that it has begun the run. Files are replaced only by the name: a restart may also follow
    the refusal of a folder that contains another run.
    """
    from decrappify.training.engine.checkpoint import has_checkpoint

    launch = launch or present_launch()
    if launch.n_processes == 1 or folder is None:
        return run
    folder = Path(folder)
    is_own = launch.name != "" and launch.name == _begun_by(folder)
    if has_checkpoint(folder / "checkpoint.pt"):
        return replace(run, resume=True, overwrite=False) if is_own or launch.restarts > 0 else run
    has_model = any(folder.glob("**/*.safetensors"))
    return replace(run, resume=False, overwrite=True) if is_own and not has_model else run


def record_launch(folder: Path | None) -> None:
    """Write the name of the launch into the run folder, by the first process."""
    launch = present_launch()
    if folder is not None and launch.name and launch.rank == 0 and launch.name != _begun_by(folder):
        (folder / _LAUNCH).write_text(launch.name, encoding="utf-8")


def _begun_by(folder: Path) -> str:
    try:
        return (folder / _LAUNCH).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def process_settings(n_devices: int) -> dict[str, Any]:
    """Return the arguments of Lightning Fabric for the number of processes, one per device."""
    launch = present_launch()
    if launch.n_processes == 1:
        return {"devices": n_devices}
    return {"devices": launch.n_local, "num_nodes": launch.n_nodes}


def rejoin(on_cuda: bool) -> None:
    """Connect the processes that torchrun has restarted, before Lightning Fabric does.

    torchrun keeps its store of addresses when it restarts processes. Some of them would read the addresses of processes
    that have ended, and wait for these, so that every attempt has separate keys. On several nodes, the number of the
    attempt is not known (docs/training-cluster.md states how torchrun then uses another store).

    Parameters
    ----------
    on_cuda : bool
        Whether the processes compute on GPUs.
    """
    launch = present_launch()
    has_kept_store = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if launch.restarts == 0 or launch.n_processes == 1 or launch.n_nodes > 1 or not has_kept_store:
        return
    from torch import distributed

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = distributed.TCPStore(host, port, is_master=False)  # type: ignore[attr-defined]
    distributed.init_process_group(
        "nccl" if on_cuda else "gloo",
        store=distributed.PrefixStore(f"decrappify_attempt_{launch.restarts}", store),  # type: ignore[attr-defined]
        rank=launch.rank,
        world_size=launch.n_processes,
    )


@contextmanager
def process_errors(n_processes: int) -> Iterator[None]:
    """Convert the error of a connection to another process of the run into one line.

    Raises
    ------
    ProcessLostError
        If another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if n_processes == 1 or not any(part in str(error).lower() for part in _LOST):
            raise
        raise ProcessLostError(
            "another process of the run has ended, see its message; the last checkpoint, if any, is kept: resume with "
            f"{setting('resume', True)}, or start with 'torchrun --max-restarts 3'"
        ) from error
