"""Estimates of time and disk space before a run."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import torch

from decrappify.batch.summary import size_text
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.options import InferenceOptions
from decrappify.io.registry import writer_for
from decrappify.restoration.job import Job
from decrappify.restoration.restorer import Restorer

_PYRAMID = 4 / 3  # a store with levels of half the side each


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
    """

    def __init__(self, inference: InferenceOptions) -> None:
        self._inference = inference
        self._tiles: dict[tuple[int, tuple[int, int]], float] = {}

    def seconds(self, job: Job) -> float:
        """Return the estimated duration of a job."""
        restorer = Restorer(*job.networks, inference=self._inference, expected_pixels=job.n_pixels)
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
