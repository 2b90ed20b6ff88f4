"""Timers for functions of a running program, and the throughput of a convolution for comparison."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

from benchmarks.harness.results import Row


class Stopwatch:
    """Seconds and CPU seconds of named parts, and the times at which steps ended.

    On a CPU with one thread of torch the parts are timed in the thread that runs them: the next batch is created at the
    same time in another one.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self.parts: dict[str, list[float]] = {}
        self.ends: list[tuple[float, float]] = []

    def now(self) -> tuple[float, float]:
        """Return seconds and CPU seconds, after synchronizing with the GPU."""
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), cpu_seconds()

    @contextmanager
    def on(self, owner: Any, name: str, part: str, *, ends_step: bool = False, wall: bool = False) -> Iterator[None]:
        """Time every call of a function of a class or module; `wall` includes the time in which it waits."""
        original = getattr(owner, name)

        @wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            now = time.perf_counter if wall else self._time
            before = now()
            answer = original(*args, **kwargs)
            self.parts.setdefault(part, []).append(now() - before)
            if ends_step:
                self.ends.append(self.now())
            return answer

        setattr(owner, name, timed)
        try:
            yield
        finally:
            setattr(owner, name, original)

    def _time(self) -> float:
        if self._device == "cuda":
            return self.now()[0]
        return time.thread_time() if torch.get_num_threads() == 1 else time.process_time()


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the loader processes that it started."""
    import psutil

    total = time.process_time()
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def convolution() -> Callable[[], float]:
    """Return a function that runs a 3 × 3 convolution of 64 channels and returns its GFLOP per second of CPU time."""
    conv = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    image = torch.randn(1, 64, 256, 256).contiguous(memory_format=torch.channels_last)

    def run() -> float:
        started = time.process_time()
        for _ in range(5):
            conv(image)
        return 5 * 2 * 64 * 64 * 9 * 256**2 / (time.process_time() - started) / 1e9

    run()
    return run


def conv_rate(device: str, precision: str) -> float:
    """Compute GFLOP of a 3 × 3 convolution of 64 channels per CPU second, or per second of the GPU."""
    if device == "cpu" and precision == "float32":
        return convolution()()
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    conv = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False, device=device, dtype=dtype)
    conv = conv.to(memory_format=torch.channels_last)
    image = torch.randn(8, 64, 256, 256).to(device, dtype, memory_format=torch.channels_last)
    watch, calls = Stopwatch(device), 5 if device == "cpu" else 50
    with torch.inference_mode():
        conv(image)
        started = watch.now()
        for _ in range(calls):
            conv(image)
        taken = [after - before for before, after in zip(started, watch.now(), strict=True)]
    gflop = calls * 2 * 64 * 64 * 9 * image[:, 0].numel() / 1e9
    return float(gflop / taken[device == "cpu"])


def medians(rows: Sequence[Row]) -> Row:
    """Compute the median of each value."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}
