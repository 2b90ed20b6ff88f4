"""Preparation of the network of a run: device, precision, backend and tiles, new or as in the interrupted run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.inference.network import choose_device
from decrappify.inference.options import InferenceOptions
from decrappify.inference.precision import has_fast_bfloat16
from decrappify.limits.memory import check_memory
from decrappify.restoration.job.job import Job
from decrappify.restoration.tiling.restorer import Restorer

if TYPE_CHECKING:
    from decrappify._common.progress import Cancel
    from decrappify.io.store.planes.rectangles import Rectangle

logger = logging.getLogger(__name__)


def prepared_restorer(
    job: Job,
    inference: InferenceOptions,
    begun: Mapping[str, Any],
    device: torch.device,
    *,
    killed: bool,
    cancel: Cancel | None,
    checks_memory: bool = True,
) -> Restorer:
    """Create the restorer of a run, and log its settings.

    Parameters
    ----------
    job : Job
        Planes to restore.
    inference : InferenceOptions
        As passed to this call.
    begun : mapping
        State of the interrupted run, from which values are reused; empty for a new run.
    device : torch.device
        As returned by `chosen_device`.
    killed : bool
        Whether the system killed the previous run for lack of memory; smaller tiles are then used.
    cancel : threading.Event, optional
        Checked before every tile.
    checks_memory : bool
        Whether to check that one window fits into memory; otherwise call `check_window_memory`.

    Raises
    ------
    InputError
        If the options do not match the network, the device or the frames.
    DeviceMemoryError
        If one window does not fit into memory.
    """
    names = ("tile_size", "tile_overlap", "precision", "backend")
    if begun.get("precision") == "bfloat16" and not has_fast_bfloat16(device):
        logger.warning(
            "the run began in bfloat16, which this processor only emulates: the remaining planes may take several "
            "times longer; finish it on the first machine, or discard it with %s",
            setting("overwrite", True),
        )
    used = replace(inference, device=str(device), **{name: begun[name] for name in names if name in begun})
    restorer = Restorer(*job.networks, inference=used, expected_pixels=job.n_pixels, cancel=cancel)
    restorer.grid(frame_shape(job))  # raises on unsuitable tiles before anything is written
    if checks_memory:
        check_window_memory(job, restorer)
    if killed:
        _use_smaller_tiles(job, restorer)
    _log_settings(job, restorer, inference)
    return restorer


def chosen_device(device: str, begun: Mapping[str, Any]) -> torch.device:
    """Return the requested device, or with ``"auto"`` that of the interrupted run."""
    before = begun.get("device")
    if before is None or str(device) != "auto":
        return choose_device(device)
    try:
        return choose_device(before)
    except InputError:
        chosen = choose_device(device)
        if begun.get("precision") == "float16" and chosen.type == "cpu":
            raise InputError(
                f"the unfinished run computes in float16 on {before}, which is not available; finish "
                f"it on a machine with a GPU, or discard it with {setting('overwrite', True)}"
            ) from None
        logger.warning("resuming on %s a run that began on %s: the last digits may differ", chosen.type, before)
        return chosen


def frame_shape(job: Job) -> tuple[int, int]:
    """Return the shape (Y, X) of the frames of the input."""
    return job.movie.shape[3], job.movie.shape[4]


def check_window_memory(job: Job, restorer: Restorer, rectangle: Rectangle | None = None) -> None:
    """Raise an error if one window, or the rectangle of one, does not fit into memory, before the system kills the run.

    Raises
    ------
    DeviceMemoryError
        If it does not fit.
    """
    (height, width), (out_y, out_x) = frame_shape(job), job.shape[3:]
    what = f"restoring frames of {height} x {width} pixels"
    if rectangle is not None:
        rows, columns = restorer.part((height, width), rectangle.rows, rectangle.columns).source
        (height, width), (out_y, out_x) = (rows.stop - rows.start, columns.stop - columns.start), rectangle.shape
        what += f" in parts of {out_y} x {out_x} pixels of the result"
    group = max(map(len, job.groups))
    source = height * width * group * (4 * (job.n_frames + 1) + job.movie.dtype.itemsize)
    result = out_y * out_x * job.out_channels * (4 + job.dtype.itemsize)
    check_memory(
        source + result,
        what,
        "crop the movie, bin it, or use a computer or container with more memory",
    )


def _use_smaller_tiles(job: Job, restorer: Restorer) -> None:
    used, smaller = restorer.used_and_smaller(frame_shape(job))
    killed = f"the system ended the previous run for lack of memory, with {setting('tile_size', used)}"
    if smaller is None:
        logger.warning("%s, the smallest; close other programs, or raise the memory limit", killed)
        return
    logger.warning("%s: continuing with %s", killed, setting("tile_size", smaller))
    restorer.tile_size = smaller


def _log_settings(job: Job, restorer: Restorer, inference: InferenceOptions) -> None:
    network, tile_size = restorer.network, inference.tile_size
    logger.info(
        "%s on %s in %s, tiles of %d pixels with an overlap of %d",
        network.backend, network.device, network.precision, restorer.tile_size, restorer.tile_overlap,
    )  # fmt: skip
    if tile_size is not None and tile_size >= max(job.movie.shape[3:]):
        logger.info("%s covers the whole frame (%d x %d)", setting("tile_size", tile_size), *job.movie.shape[3:])
