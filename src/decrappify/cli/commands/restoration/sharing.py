"""Options of commands that share the work on one movie: a Dask cluster, local workers, or independent jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from decrappify.cli.common import describe
from decrappify.errors import InputError

if TYPE_CHECKING:
    from decrappify.movie import Movie


def sharing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a restoration by several processes."""
    for option in (
        click.option(
            "--part",
            metavar="K/N",
            help="Restore part K of N, such as 3/16, of an OUT that N independent jobs share; the last completes it.",
        ),
        click.option(
            "--workers",
            metavar="N",
            type=int,
            help="Restore with N local processes of one thread each (needs decrappify[dask]).",
        ),
        click.option(
            "--dask",
            metavar="ADDRESS",
            help="Restore with the workers of a Dask scheduler, such as tcp://host:8786 (needs decrappify[dask]).",
        ),
    ):
        command = option(command)
    return command


def checked_sharing(dask: str | None, workers: int | None, part: str | None, *, single: bool) -> dict[str, Any]:
    """Return the arguments of `restore` for the options; `single` is whether the command has one movie.

    Raises
    ------
    InputError
        If two of the options are set, or there are several outputs.
    """
    given = {"--dask": dask, "--workers": workers, "--part": part}
    used = [name for name, value in given.items() if value is not None]
    if len(used) > 1:
        raise InputError(f"{used[0]} and {used[1]} are two ways to share a restoration; omit one of them")
    if used and not single:
        raise InputError(
            f"{used[0]} shares the restoration of one movie; pass IN and OUT without --output-dir and --scene all, or "
            "omit it and start the same command several times, each of which takes the outputs that no other one writes"
        )
    return {"cluster": dask if workers is None else workers, "part": part} if used else {}


@contextmanager
def without_dask_logs(shared: Mapping[str, Any]) -> Iterator[None]:
    """Hide the log messages of Dask if a cluster is used: lost connections are also raised as an error in one line."""
    if shared.get("cluster") is None:
        yield
        return
    from decrappify.restoration.distributed.cluster import check_dask

    check_dask()  # it sets the levels of its loggers when it is imported
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class PartReport:
    """Line printed at the end of a command with ``--part``, which depends on what it has restored.

    Parameters
    ----------
    output : Path
        The output.
    part : str
        The part.
    """

    def __init__(self, output: Path, part: str) -> None:
        self._output, self._part = output, part
        self._was_complete, self._count = output.exists(), 0

    def on_plane(self, *_: int) -> None:
        """Count a plane that is written."""
        self._count += 1

    def _is_empty(self, restored: Movie) -> bool:
        from decrappify.restoration.distributed.parts import Part
        from decrappify.restoration.job.region import part_of

        part = Part.parsed(self._part)
        return part_of(restored.shape[0], restored.shape[2], part.number, part.count) is None

    def line(self, restored: Movie) -> str:
        """Return the line; `restored` is the result of the command."""
        if self._was_complete:
            return f"{self._output}: part {self._part} is already complete, and so is the output"
        if self._output.exists():
            return f"{self._output}: {describe(restored)}, completed by part {self._part}"
        what = "restored" if self._count else "already complete"
        if self._is_empty(restored):
            what = "empty, as there are fewer frames than parts"
        return f"{self._output}: part {self._part} is {what}; the last part to end completes the output"
