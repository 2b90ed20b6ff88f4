"""Processes that torchrun started for one run, from the environment that it sets."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Launch:
    """A process among those that torchrun started.

    Attributes
    ----------
    rank : int
        Number of this process.
    n_processes : int
        Number of processes on all nodes.
    n_local : int
        Number of processes on this node.
    restarts : int
        How often the processes of this node were restarted after one of them had failed.
    name : str
        Identifier that torchrun was passed or drew; empty if it has none.
    """

    rank: int = 0
    n_processes: int = 1
    n_local: int = 1
    restarts: int = 0
    name: str = ""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.n_processes // self.n_local


def present_launch() -> Launch:
    """Return how torchrun started this process; a single process without torchrun.

    >>> present_launch()
    Launch(rank=0, n_processes=1, n_local=1, restarts=0, name='')
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Launch()
    n_processes = max(1, _number("WORLD_SIZE", 1))
    n_local = max(1, _number("LOCAL_WORLD_SIZE", 1))
    name = os.environ["TORCHELASTIC_RUN_ID"]
    restarts = _number("TORCHELASTIC_RESTART_COUNT", 0)
    return Launch(_number("RANK", 0), n_processes, n_local, restarts, "" if name == "none" else name)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default
