"""Estimates of time and disk space before a run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from decrappify.batch.items import matching_choice
from decrappify.batch.summary import duration, size_text
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.options import InferenceOptions
from decrappify.io.recognition.registry import writer_for
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.tiling.restorer import Restorer

if TYPE_CHECKING:
    from decrappify.movie import Movie

_PYRAMID = 4 / 3  # a store with levels of half the side each


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """Estimate of one restoration.

    Attributes
    ----------
    seconds : float
        Time of the network; reading and writing run at the same time.
    n_bytes : int
        Size of the output without compression, with the pyramid of a store.
    free : int
        Free bytes on the disk of the output.
    device, precision : str
        Those that the run uses, such as ``"cpu"`` and ``"bfloat16"``.
    """

    seconds: float
    n_bytes: int
    free: int
    device: str
    precision: str

    @property
    def fits(self) -> bool:
        """Whether the output fits on the disk."""
        return self.n_bytes <= self.free

    def text(self) -> str:
        """Return the estimate as one line.

        >>> RunEstimate(75.0, 3 * 10**9, 10**9, "cuda", "bfloat16").text()
        'about 1 min 15 s (cuda, bfloat16) and up to 3 GB on disk, of which 1 GB are free: free some space first'
        """
        end = "are free" if self.fits else "are free: free some space first"
        return (
            f"about {duration(self.seconds)} ({self.device}, {self.precision}) and up to {size_text(self.n_bytes)} on "
            f"disk, of which {size_text(self.free)} {end}"
        )


def estimate_restoration(
    movie: Movie,
    model: Any,
    output: str | Path,
    *,
    inference: InferenceOptions = InferenceOptions(),
    options: RestorationOptions = RestorationOptions(),
) -> RunEstimate:
    """Estimate time and disk space of a restoration from the measured time of one tile; nothing is written.

    Parameters
    ----------
    movie : Movie
        The input.
    model : Model, name or path, or mapping or list of these
        As for `restore`.
    output : path
        The output; its suffix determines the format, and its folder need not exist.
    inference, options
        As for `restore`.

    Raises
    ------
    InputError
        If the model does not fit the movie.
    FormatError
        If the format is not supported.
    """
    job = Job(movie, matching_choice(options.models(model), movie), options)
    speed, path = SpeedEstimate(inference), Path(output)
    seconds = speed.seconds(job)
    size = int(np.prod(job.shape, dtype=np.int64)) * np.dtype(job.dtype).itemsize
    network = speed.networks[0]
    return RunEstimate(
        seconds, sum(disk_bytes(path, size)), free_bytes(path.parent), network.device.type, network.precision
    )


def disk_bytes(output: Path, n_bytes: int) -> tuple[int, int]:
    """Return the size of an output without compression, and that of its working store, which is deleted at the end.

    >>> disk_bytes(Path("a.ome.zarr"), 300), disk_bytes(Path("a.ome.tif"), 300)
    ((400, 0), (300, 400))
    """
    store = round(n_bytes * _PYRAMID)
    return (store, 0) if writer_for(output).is_working_store else (n_bytes, store)


def space_warning(folder: Path, outputs: list[tuple[Path, int]]) -> str | None:
    """Return a warning if outputs of so many bytes, without compression, do not fit on the disk of a folder."""
    sizes = [disk_bytes(output, n_bytes) for output, n_bytes in outputs]
    needed = sum(size for size, _ in sizes) + max((working for _, working in sizes), default=0)
    free = free_bytes(folder)
    if needed <= free:
        return None
    return (
        f"the outputs need up to {size_text(needed)} without compression, {size_text(free)} are free in {folder}; the "
        "run stops when the disk is full: free some space, or choose another disk"
    )


def free_bytes(folder: Path) -> int:
    """Return the free space on the disk of a folder, which need not exist."""
    existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(existing).free


class SpeedEstimate:
    """Estimates of the duration of restorations, from the measured time of one tile of each network.

    Reading and writing run at the same time as the network, and are not included.

    Parameters
    ----------
    inference : InferenceOptions
        As for `restore`.

    Attributes
    ----------
    networks : sequence of InferenceNetwork
        Networks of the latest job.
    """

    def __init__(self, inference: InferenceOptions) -> None:
        self._inference = inference
        self._tiles: dict[tuple[int, tuple[int, int]], float] = {}
        self.networks: Sequence[InferenceNetwork] = ()

    def seconds(self, job: Job) -> float:
        """Return the estimated duration of a job."""
        restorer = Restorer(*job.networks, inference=self._inference, expected_pixels=job.n_pixels)
        self.networks = restorer.networks
        grid = restorer.grid((job.movie.shape[3], job.movie.shape[4]))
        n_windows = len(job.frames) * job.shape[2]
        tiles = [
            self._tile_seconds(restorer.networks[job.network_of(group)], grid.tile_shape)
            for group in range(len(job.groups))
        ]
        return n_windows * len(grid) * sum(tiles)

    def _tile_seconds(self, network: InferenceNetwork, tile_shape: tuple[int, int]) -> float:
        key = (id(network), tile_shape)
        if key not in self._tiles:
            source = torch.rand((1, network.n_channels, *tile_shape), device=network.device)
            network(source)  # the first tile includes preparations
            started = time.perf_counter()
            network(source).sum().item()
            self._tiles[key] = time.perf_counter() - started
        return self._tiles[key]
