"""Memory available to this process, limited by the host, its control groups and its resource limits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from decrappify.errors import DeviceMemoryError

_UNLIMITED = 1 << 60  # version 1 writes the largest multiple of a page for "no limit"
_TORCH = 330_000_000  # bytes that importing torch 2.14 and its dependencies takes on Linux, measured
_CHECKED_FROM = 64 << 20  # bytes: for smaller arrays the limits are not checked


def available_memory() -> int:
    """Return the number of bytes available for new arrays of this process.

    The minimum of the free memory of the host, of each control group (containers, batch systems) of this process, and
    of its limits of address space and data (``ulimit -v``, ``ulimit -d``).
    """
    import psutil

    free_bytes = [int(psutil.virtual_memory().available), *_own_limits()]
    if sys.platform == "linux":
        free_bytes += control_group_rooms(_text(Path("/proc/self/cgroup")), _text(Path("/proc/self/mountinfo")))
    return max(0, min(free_bytes))


def check_memory(nbytes: int, what: str, remedy: str) -> None:
    """Raise DeviceMemoryError if an array does not fit into memory, before it is allocated.

    Parameters
    ----------
    nbytes : int
        Size of the array.
    what, remedy : str
        The beginning of the message, such as ``"frame 3 of cells.tif"``, and the remedy.

    Raises
    ------
    DeviceMemoryError
        If it is larger than `available_memory`.
    """
    if nbytes < _CHECKED_FROM:
        return
    free = available_memory()
    if nbytes > free:
        raise DeviceMemoryError(f"{what} needs {in_units(nbytes)}, only {in_units(free)} of memory are free; {remedy}")


def check_importing_torch() -> None:
    """Raise an error if torch does not fit into memory, as the system would end the process without a message.

    Raises
    ------
    DeviceMemoryError
        If it does not fit and is not imported yet.
    """
    if "torch" not in sys.modules:
        remedy = "close other programs, or raise the memory limit of this process or its container"
        check_memory(_TORCH, "loading PyTorch", remedy)


def in_units(nbytes: float) -> str:
    """Return a size in kB, MB or GB.

    >>> in_units(5.2e9), in_units(3e6), in_units(100)
    ('5.2 GB', '3 MB', '0.1 kB')
    """
    if nbytes >= 1e9:
        return f"{nbytes / 1e9:.1f} GB"
    return f"{nbytes / 1e6:.0f} MB" if nbytes >= 1e6 else f"{nbytes / 1e3:.1f} kB"


def control_group_rooms(groups: str, mounts: str, root: Path = Path("/")) -> list[int]:
    """Return the free bytes below each memory limit of the control groups of a process; empty without limits.

    Parameters
    ----------
    groups, mounts : str
        Contents of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.
    root : Path
        The root of the mount points.

    Notes
    -----
    File pages that are not in use (``inactive_file``) are released on demand and count as free. Version 2 limits by
    ``memory.max`` and, by slowing down, ``memory.high``; version 1 by ``memory.limit_in_bytes``. Limits of all parent
    groups also apply.
    """
    free_bytes = []
    for folder, top, version in _memory_groups(groups, mounts, root):
        while True:
            free = _free_v2(folder) if version == 2 else _free_v1(folder)
            if free is not None:
                free_bytes.append(free)
            if folder == top or top not in folder.parents:
                break
            folder = folder.parent
    return free_bytes


def _memory_groups(groups: str, mounts: str, root: Path) -> Iterator[tuple[Path, Path, int]]:
    """Yield the folder of the process's group, that of the mounted hierarchy, and the version."""
    paths: dict[int, str] = {}
    for line in groups.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            paths[1] = path
        elif number == "0" and not controllers:
            paths[2] = path
    for line in mounts.splitlines():
        fields, _, kind = line.partition(" - ")
        place, (name, *options) = fields.split(), kind.split() or [""]
        version = {"cgroup2": 2, "cgroup": 1}.get(name)
        if version is None or version not in paths or len(place) < 5:
            continue
        if version == 1 and "memory" not in ",".join(options[-1:]).split(","):
            continue
        top = root / place[4].replace("\\040", " ").lstrip("/")
        inside = PurePosixPath(paths[version])
        # A container without a separate namespace has the path of the host, but only its part mounted.
        if inside.is_relative_to(place[3]):
            inside = inside.relative_to(place[3])
        folder = top / str(inside).lstrip("/")
        yield (folder if ".." not in inside.parts and folder.is_dir() else top), top, version


def _free_v2(folder: Path) -> int | None:
    limits = [_number(folder / name) for name in ("memory.max", "memory.high")]
    return _free(limits, folder / "memory.current", "inactive_file")


def _free_v1(folder: Path) -> int | None:
    return _free([_number(folder / "memory.limit_in_bytes")], folder / "memory.usage_in_bytes", "total_inactive_file")


def _free(limits: list[int | None], used: Path, inactive: str) -> int | None:
    """Return the free bytes below the lowest limit; without a limit None, and the long statistics are not read."""
    known = [limit for limit in limits if limit is not None and limit < _UNLIMITED]
    if not known:
        return None
    return max(0, min(known) - max(0, (_number(used) or 0) - _statistic(used.parent, inactive)))


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None  # "max" means no limit


def _statistic(folder: Path, name: str) -> int:
    values = dict(line.split()[:2] for line in _text(folder / "memory.stat").splitlines() if len(line.split()) > 1)
    found = values.get(name, "0")
    return int(found) if found.isdecimal() else 0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _own_limits() -> list[int]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    limits = {"vms": resource.getrlimit(resource.RLIMIT_AS)[0], "data": resource.getrlimit(resource.RLIMIT_DATA)[0]}
    limits = {name: limit for name, limit in limits.items() if limit != resource.RLIM_INFINITY}
    if not limits:
        return []
    import psutil

    used = psutil.Process().memory_info()
    return [max(0, limit - getattr(used, name)) for name, limit in limits.items() if hasattr(used, name)]
