"""Restoration of whole frames on one device, serial or overlapped; rows of gpu.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness.results import Row
from decrappify import open_movie
from decrappify.inference.network import InferenceNetwork
from decrappify.windows import window_indices

Array = NDArray[Any]

MODES: dict[str, dict[str, bool]] = {
    "one after another, pageable": {"pinned": False, "overlapped": False},
    "one after another, pinned": {"pinned": True, "overlapped": False},
    "overlapped, pinned": {"pinned": True, "overlapped": True},
}
_AHEAD = 2  # frames that are decoded, and results that are written, at the same time


class Timed:
    """Seconds between its entry and its exit on a device: by CUDA events, whose time is known later."""

    def __init__(self, device: torch.device) -> None:
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device.type == "cuda" else None
        self._times: list[float] = []

    def __enter__(self) -> Timed:
        self._mark(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._mark(1)

    def _mark(self, number: int) -> None:
        if self._events is None:
            self._times.append(time.perf_counter())
        else:
            self._events[number].record()

    def seconds(self) -> float:
        """Return the time after waiting for its end."""
        if self._events is None:
            return self._times[1] - self._times[0]
        self._events[1].synchronize()
        return float(self._events[0].elapsed_time(self._events[1]) / 1e3)


def run_pipeline(ready: InferenceNetwork, source: Path, target: Path, *, pinned: bool, overlapped: bool) -> Row:
    """Restore every frame of a movie into an array on disk; return the seconds, and those in which the GPU computes."""
    import zarr

    movie = open_movie(source)
    n_frames, side = movie.shape[0], movie.shape[4]
    result = zarr.create_array(
        target, shape=(n_frames, side, side), chunks=(1, 1024, 1024), dtype="uint16", overwrite=True
    )
    started = time.perf_counter()
    frames = (movie.frame(t) for t in range(n_frames))
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        decoded = _ahead(reader, frames) if overlapped else frames
        timings, pending = [], list[Future[None]]()
        uploaded = _uploaded(decoded, ready.device, pinned, overlapped)
        for t, window in enumerate(_windows(uploaded, n_frames, ready.n_frames)):
            with Timed(ready.device) as timed, torch.inference_mode():
                prediction = ready(window)[0, 0].mul(1000).round().clamp(0, 65535).to(torch.int32).to(torch.uint16)
            timings.append(timed)
            stored = _downloaded(prediction, pinned)
            done = writer.submit(_write, result, t, *stored)
            pending.append(done)
            if not overlapped or len(pending) > _AHEAD:
                pending.pop(0).result()
        for done in pending:
            done.result()
    return {"seconds": time.perf_counter() - started, "busy_s": sum(timed.seconds() for timed in timings)}


def _ahead(thread: ThreadPoolExecutor, frames: Iterator[Array]) -> Iterator[Array]:
    """Yield the frames, with some decoded in another thread before they are needed."""
    waiting = [thread.submit(next, frames, None) for _ in range(_AHEAD)]
    while (frame := waiting.pop(0).result()) is not None:
        waiting.append(thread.submit(next, frames, None))
        yield frame


def _uploaded(frames: Iterator[Array], device: torch.device, pinned: bool, overlapped: bool) -> Iterator[Tensor]:
    """Yield frames as float32 on the device; pinned ones are copied while the GPU computes."""
    copies = torch.cuda.Stream() if device.type == "cuda" and overlapped else None
    for frame in frames:
        host = torch.from_numpy(np.ascontiguousarray(frame))
        host = host.pin_memory() if pinned else host
        with torch.cuda.stream(copies) if copies is not None else nullcontext():
            there = host.to(device, non_blocking=pinned)
        if copies is not None:
            torch.cuda.current_stream().wait_stream(copies)
            there.record_stream(torch.cuda.current_stream())
        yield there.to(torch.float32).div_(1000)


def _windows(frames: Iterator[Tensor], n_frames: int, length: int) -> Iterator[Tensor]:
    """Yield the window around each frame, (1, length, Y, X); only the frames of one window are kept on the device."""
    kept: dict[int, Tensor] = {}
    following = enumerate(frames)
    for t in range(n_frames):
        wanted = window_indices(t, n_frames, length)
        while max(wanted) not in kept:
            number, frame = next(following)
            kept[number] = frame
        yield torch.stack([kept[index] for index in wanted])[None]
        kept = {index: frame for index, frame in kept.items() if index > t - length}


def _downloaded(prediction: Tensor, pinned: bool) -> tuple[Tensor, Any]:
    """Copy a result to the host; return it with the event of its end, None if the copy is complete."""
    if not pinned:
        return prediction.cpu(), None
    host = torch.empty(prediction.shape, dtype=prediction.dtype, pin_memory=True)
    host.copy_(prediction, non_blocking=True)
    ended = torch.cuda.Event()
    ended.record()
    return host, ended


def _write(result: Any, t: int, frame: Tensor, ended: Any) -> None:
    if ended is not None:
        ended.synchronize()
    result[t] = frame.numpy()
