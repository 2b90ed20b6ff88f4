"""A method in a process and an environment of its own: requests on stdin, answers on stdout, as JSON lines.

Every worker answers the same requests, so that all methods see identical files and are measured alike:

- ``{"verb": "train", "low": folder, "high": folder, "model": new folder, "cpu_seconds": 180, "seed": 0, "scale": 1,
  "n_frames": 1}``: learn from files of equal names in two folders, and stop when the process has spent that CPU time
  on training (reading and validation count, importing does not). The files are TIFF, YX or TYX.
- ``{"verb": "load", "model": folder}``: make a trained model ready to restore; decrappify also takes a ``"backend"``.
- ``{"verb": "restore", "source": path, "output": path or null}``: restore one file of YX or TYX, a TIFF or a plain Zarr
  array. With an `output` reading and writing are part of what is measured: a TIFF file of float32 in the truth's own
  grey levels, or a Zarr store as the method writes it where the name ends in .zarr. Without, the pixels are read
  before the clock starts and the answer stays in memory.

Without CUDA_VISIBLE_DEVICES="" a method takes the GPU where there is one. The command is ``python WORKER.py THREADS``.

An answer holds seconds, CPU seconds and the peak memory of that request alone. What the library prints goes to stderr.
Only the standard library is imported here, as this file runs in every environment.
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
    """Answer requests until stdin ends; a failure is answered too, and ends the process."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; only answers may reach the other side
    for line in sys.stdin:
        request = json.loads(line)
        answer = verbs[request.pop("verb")](request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def measured(run: Callable[[], Any]) -> Answer:
    """Seconds, CPU seconds (waited-for child processes included) and peak memory (MiB) of a call, and its `value`."""
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
    """CPU time of this process and of those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def forget_peak() -> int:
    """Start the count of the peak memory anew (Linux) and return the memory held now, in bytes."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss starts from the parent's peak on Linux; VmHWM starts anew
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
