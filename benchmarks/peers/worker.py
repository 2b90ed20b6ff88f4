"""Protocol of the workers: a method in its own process and environment, with requests and answers as JSON lines.

Every worker answers the same requests on stdin, so that all methods read identical files and are measured alike:

- ``{"verb": "train", "low": folder, "high": folder, "model": new folder, "cpu_seconds": 180, "seed": 0, "scale": 1,
  "n_frames": 1}``: train on files of equal names in two folders, until the process has spent that CPU time on
  training (reading and validation included, imports not). The files are TIFF, YX or TYX.
- ``{"verb": "load", "model": folder}``: load a trained model; ``"backend": "openvino"`` compiles it, and decrappify
  also accepts other backends and a ``"precision"``.
- ``{"verb": "restore", "source": path, "output": path or null}``: restore one file of YX or TYX, a TIFF or a plain Zarr
  array. With an `output`, reading and writing are measured too: a TIFF file of float32 in the gray levels of the
  reference, or a Zarr store as the method writes it if the name ends in .zarr. Without one, the pixels are read
  before the timer starts and the result stays in memory.

Without CUDA_VISIBLE_DEVICES="" a method uses the GPU if present. The command is ``python WORKER.py THREADS``.

An answer contains seconds, CPU seconds and the peak memory of that request alone. Output of the library is redirected
to stderr. Only the standard library is imported here, as this file runs in every environment.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
Verb = Callable[[dict[str, Any]], Answer]


def serve(verbs: Mapping[str, Verb]) -> None:
    """Answer requests until stdin ends; an exception ends the process."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    for line in sys.stdin:
        request = json.loads(line)
        answer = verbs[request.pop("verb")](request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def measured(run: Callable[[], Any]) -> Answer:
    """Measure seconds, CPU seconds (with waited-for children) and peak memory (MiB) of a call; keep its `value`."""
    gc.collect()
    before = forget_peak()
    started, cpu = time.perf_counter(), cpu_seconds()
    value = run()
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": cpu_seconds() - cpu,
        "held_mib": before / 2**20,
        "peak_mib": peak_memory() / 2**20,
        "value": value,
    }


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the child processes that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def forget_peak() -> int:
    """Reset the peak memory (Linux) and return the current memory in bytes."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss includes the parent's peak, VmHWM does not
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
