"""Threads and processor type of a run, on which the last bits of its results depend: recorded, and reused on resuming.

oneDNN and MKL choose kernels by the processor's instruction sets and caches, and split sums by the number of threads.
Bit-identical results require the same processor type and the same number of threads.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

# Relevant instruction sets with different names in torch and Linux.
_AS_LINUX = {"avx512_f": "avx512f", "avx512_bw": "avx512bw", "avx512_dq": "avx512dq", "avx512_vl": "avx512vl"}
# Levels of oneDNN from the lowest to the highest, with the instruction sets that each adds.
_LEVELS: dict[str, set[str]] = {
    "SSE41": {"sse4_1"},
    "AVX": {"avx"},
    "AVX2": {"avx2"},
    "AVX2_VNNI": {"avx2", "avx_vnni"},
    "AVX512_CORE": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "AVX512_CORE_VNNI": {"avx512f", "avx512_vnni"},
    "AVX512_CORE_BF16": {"avx512f", "avx512_bf16"},
    "AVX512_CORE_FP16": {"avx512f", "avx512_fp16"},
    "AVX512_CORE_AMX": {"avx512f", "amx_bf16", "amx_int8"},
    "AVX512_CORE_AMX_FP16": {"avx512f", "amx_fp16"},
}
_OTHER_NAMES = {"AVX10_1_512": "AVX512_CORE_FP16", "AVX10_1_512_AMX": "AVX512_CORE_AMX"}
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_MOST_THREADS = 1024  # accepted from a record; OpenMP ends the process if it cannot start them
_OF_MKL = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")


@cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of this processor by their Linux names; empty if unknown."""
    flags = _cpuinfo("flags", "Features").split()
    if not flags:
        import torch

        find = getattr(torch.cpu, "get_capabilities", dict)  # torch 2.10 and later
        flags = [_AS_LINUX.get(name, name) for name, there in find().items() if there is True]
    return frozenset(flags)


def onednn_level(flags: frozenset[str] | None = None, limit: str | None = None) -> str:
    """Return the highest instruction-set level that oneDNN uses, as named by ``ONEDNN_MAX_CPU_ISA``.

    Parameters
    ----------
    flags : frozenset of str, optional
        Instruction sets by their Linux names; those of this processor by default.
    limit : str, optional
        The level that the user allows; by default the value of ``ONEDNN_MAX_CPU_ISA``.

    Returns
    -------
    str
        A level; ``"none"`` if the processor has none of them (such as ARM).

    Examples
    --------
    >>> zen3 = frozenset({"sse4_1", "avx", "avx2"})
    >>> onednn_level(zen3, ""), onednn_level(zen3, "AVX"), onednn_level(zen3, "AVX512_CORE"), onednn_level(frozenset())
    ('AVX2', 'AVX', 'AVX2', 'none')
    """
    flags = cpu_flags() if flags is None else flags
    if limit is None:
        limit = next((os.environ[name] for name in _LIMITS if name in os.environ), "")
    there = [level for level, needed in _LEVELS.items() if needed <= flags]
    limit = _OTHER_NAMES.get(limit.upper(), limit.upper())
    names = list(_LEVELS)
    if limit in names:
        there = [level for level in there if names.index(level) <= names.index(limit)]
    return there[-1] if there else "none"


def processor_type(device: Any = "cpu") -> str:
    """Return a one-line description of everything that determines which kernels compute a run.

    Parameters
    ----------
    device : str or torch.device
        Device of the network; a CUDA device adds the name of the GPU.

    Returns
    -------
    str
        Such as ``"x86_64 GenuineIntel AVX512_CORE_AMX, caches 48K 2048K, oneDNN AVX2, torch AVX2"``: architecture,
        vendor, capability of the hardware, L1 and L2 cache of one core, and the levels that oneDNN and torch use.
    """
    import torch

    vendor = _cpuinfo("vendor_id", "CPU implementer") or platform.processor()
    parts = [f"{platform.machine()} {vendor} {onednn_level(limit='')}", f"caches {_caches()}"]
    parts += [f"oneDNN {onednn_level()}", f"torch {torch.backends.cpu.get_cpu_capability()}"]
    parts += [f"{name}={os.environ[name]}" for name in _OF_MKL if name in os.environ]
    chosen = torch.device(device)
    if chosen.type == "cuda" and torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name(chosen))
    return ", ".join(parts)


def present_runtime(device: Any = "cpu") -> dict[str, Any]:
    """Return ``{"threads": number of torch's threads, "processor": processor_type(device)}`` for a run's record."""
    import torch

    return {"threads": torch.get_num_threads(), "processor": processor_type(device)}


def take_up_runtime(recorded: Any, device: Any = "cpu") -> dict[str, Any]:
    """Set torch to the number of threads that a run recorded, and log a warning if its last digits may differ.

    Call it inside `threads_put_back`.

    Parameters
    ----------
    recorded : mapping or None
        The result of `present_runtime` (or of this function) in the earlier part of the run; None or an invalid record
        is treated as a run of a version that recorded none.
    device : str or torch.device
        Device of the network.

    Returns
    -------
    dict
        The record of the resumed run: the same threads, and every processor type that has computed a part of it.
    """
    import torch

    threads, processor = _parts(recorded)
    if not threads:
        logger.warning("the earlier part of this run recorded neither threads nor processor: last digits may differ")
        return present_runtime(device)
    before = torch.get_num_threads()
    if threads != before:
        torch.set_num_threads(threads)
        if torch.get_num_threads() == threads:
            logger.info("using %d threads, as at the start of the run, instead of %d", threads, before)
        else:
            logger.warning("the run began with %d threads, torch uses %d here: last digits may differ", threads, before)
    now = processor_type(device)
    if processor.split("; then ")[-1] != now:
        logger.warning(
            "the run began on another type of processor (%s; here %s): last digits may differ", processor, now
        )
        processor = f"{processor}; then {now}"
    return {"threads": threads, "processor": processor}


@contextmanager
def threads_put_back() -> Iterator[None]:
    """Restore the caller's number of torch threads on exit."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def _parts(recorded: Any) -> tuple[int, str]:
    """Return threads and processor of a record, 0 and "" if it is not one."""
    if not isinstance(recorded, Mapping):
        return 0, ""
    threads, processor = recorded.get("threads"), recorded.get("processor")
    if type(threads) is not int or not 1 <= threads <= _MOST_THREADS or not isinstance(processor, str):
        return 0, ""
    return threads, processor


@cache
def _cpuinfo(*names: str) -> str:
    """Return the value of the first line of /proc/cpuinfo with one of these names; "" on other systems than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() in names), "")


@cache
def _caches() -> str:
    """Return the sizes of a core's L1 and L2 data caches in Linux notation; oneDNN's block sizes depend on them."""
    folder, sizes = Path("/sys/devices/system/cpu/cpu0/cache"), []
    for index in sorted(folder.glob("index[0-9]")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if level in ("1", "2") and kind != "Instruction":
            sizes.append(size)
    return " ".join(sizes) or "unknown"
