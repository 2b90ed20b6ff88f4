"""Run the tests marked `cpu_sensitive` with the kernels of several processor types, on 1 and on 2 threads.

Usage: python tests/processors.py [pytest arguments]; `make test-cpu` calls it.

``ONEDNN_MAX_CPU_ISA`` and ``ATEN_CPU_CAPABILITY`` only limit the instruction sets of a processor; they cannot add any.
Levels that the hardware does not support, or that are its highest level, are skipped with the reason. On a processor
with AVX2 only, one level remains.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from decrappify._common.processes.processor import cpu_flags, onednn_level

ROOT = Path(__file__).parents[1]
THREADS = (1, 2)
# Limits of oneDNN, with the corresponding limits of torch's kernels and MKL, and the required instruction sets.
LIMITS = {
    "AVX2": ({"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}, {"avx2"}),
    "AVX512_CORE": ({}, {"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
}
NAMES = {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "OMP_NUM_THREADS"}


def reason_to_skip(limit: str, flags: frozenset[str]) -> str:
    """Return the reason to skip a level on a processor with these instruction sets; "" if it runs."""
    own = onednn_level(flags, "")
    if not LIMITS[limit][1] <= flags:
        return f"this processor reaches {own}, and the limit cannot raise it"
    return f"{limit} is the highest level of this processor, which runs without limit" if own == limit else ""


def environments(flags: frozenset[str]) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield the label of each combination, its variables, and the reason to skip it ("" if it runs)."""
    for limit in (*LIMITS, "no limit"):
        for threads in THREADS:
            variables = {"OMP_NUM_THREADS": str(threads)}
            reason = ""
            if limit in LIMITS:
                variables |= {"ONEDNN_MAX_CPU_ISA": limit} | LIMITS[limit][0]
                reason = reason_to_skip(limit, flags)
            yield f"{limit}, {threads} thread{'s' * (threads > 1)}", variables, reason


def main(arguments: list[str]) -> int:
    mark = "cpu_sensitive"
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if mark in path.read_text("utf-8")]
    command = [sys.executable, "-m", "pytest", "-q", "-m", f"{mark} and not slow", *files, *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    kept |= {"OMP_WAIT_POLICY": "PASSIVE"}  # active waiting would occupy the cores
    outcomes, failed = [], 0
    for label, variables, reason in environments(cpu_flags()):
        if reason:
            outcomes.append(f"{label}: skipped, {reason}")
            continue
        sys.stdout.write(f"== {label}: {' '.join(f'{name}={value}' for name, value in variables.items())}\n")
        sys.stdout.flush()
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=kept | variables, check=False).returncode
        outcomes.append(f"{label}: {'failed' if code else 'passed'} in {time.monotonic() - started:.0f} s")
        failed += code != 0
    sys.stdout.write("\n".join(["", *outcomes, ""]))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
