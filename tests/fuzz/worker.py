"""A process that damages files and reads them, one after another, in a forked and monitored child.

Usage: python -m tests.fuzz.worker MODULE... ; a job per line on stdin, its outcome per line on stdout, both JSON.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from .mutations import EXTREMES, JSON, PLAIN, Mutation, mutate, mutate_tree
from .tiff_mutations import TIFF

MOST_BYTES = 1 << 30  # resident memory of the child
MOST_CPU_S, MOST_WALL_S = 20.0, 90.0
_ADDRESS_SPACE = 8 << 30  # in addition to that at the start of the child: a bomb must not exhaust the machine
_CASES_PER_CHILD = 250


def mutations_for(path: Path) -> tuple[Mutation, ...]:
    """Return the mutations for a file, by its name."""
    if path.suffix in (".tif", ".tiff", ".lsm", ".stk"):
        return TIFF
    return JSON if path.suffix in (".json",) or path.name in (".zarray", ".zattrs", ".zgroup") else PLAIN


def damaged(job: dict[str, Any], folder: Path) -> Path:
    """Create the damaged copy of a job, and return the path to open."""
    source = Path(job["source"])
    rng = Random(f"{job['seed']} {job['target']} {source.name} {job['number']}")
    copy = folder / source.name
    if source.is_dir():
        shutil.copytree(source, copy, symlinks=True)
    else:
        shutil.copyfile(source, copy)
    damage = MAKERS.get(job["target"])
    if damage is not None:
        damage(copy, rng)
    elif source.is_dir():
        mutate_tree(copy, rng, mutations_for)
    else:
        copy.write_bytes(mutate(copy.read_bytes(), rng, mutations_for(copy)))
    return copy / job["open"] if job["open"] else copy


def edit_safetensors(path: Path, rng: Random) -> None:
    """Damage a model file: its bytes, the header of safetensors, or the JSON of the model in it."""
    from .mutations import BYTES, edit_json

    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    how = rng.random()
    if how < 0.25:
        path.write_bytes(mutate(data, rng, BYTES))
        return
    header, rest = data[8 : 8 + size], data[8 + size :]
    if how < 0.45:
        header = edit_json(header, rng)
    else:
        table = json.loads(header)
        own = mutate(table["__metadata__"]["decrappify"].encode(), rng, JSON)
        table["__metadata__"]["decrappify"] = own.decode(errors="replace")
        header = json.dumps(table).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + rest)


def edit_czi_field(path: Path, rng: Random) -> None:
    """Set one field of a CZI file to an extreme value; fields are at multiples of 4 bytes."""
    content = bytearray(path.read_bytes())
    size = rng.choice((4, 8))
    at = rng.randrange(0, len(content) - size, 4)
    near_zero = -rng.randrange(1 << rng.randrange(1, 31))
    value = rng.choice((*EXTREMES, 0x00FF << 48, 1 << 40, near_zero, near_zero, rng.getrandbits(32)))
    value &= (1 << 8 * size) - 1
    content[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(content)


def edit_zarr_chunk(store: Path, rng: Random) -> None:
    """Set one or two fields at the start of a chunk of a Zarr store to an extreme value, or near its length."""
    chunks = [path for path in sorted(store.rglob("*")) if path.is_file() and path.name.isdigit()]
    chunk = rng.choice(chunks)
    content = bytearray(chunk.read_bytes())
    for _ in range(rng.choice((1, 1, 2))):
        size = rng.choice((1, 4))
        at = rng.randrange(0, min(len(content), 48) - size, size)
        value = rng.choice((*EXTREMES, len(content), len(content) + 1, len(content) - 16, rng.randrange(1 << 12)))
        content[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    if rng.random() < 0.3:
        content = content[: rng.randrange(1, len(content))]
    chunk.write_bytes(content)


def edit_training(run: Path, rng: Random) -> None:
    """Damage all checkpoints of a training run, one of them, or its log."""
    files = sorted(path for path in run.rglob("*") if path.is_file())
    checkpoints = [path for path in files if path.suffix == ".pt"]
    chosen = checkpoints if rng.random() < 0.5 else [rng.choice(checkpoints * 5 + files)]
    for file in chosen:
        file.write_bytes(mutate(file.read_bytes(), rng, PLAIN))


def edit_journal(run: Path, rng: Random) -> None:
    """Damage a line of the journal of an unfinished restoration, or a document of its store."""
    from .run_inputs import interrupt_restoration, unfinished_documents

    interrupt_restoration(run)
    file = rng.choice(unfinished_documents(run))
    lines = file.read_bytes().split(b"\n")
    place = rng.randrange(len(lines))
    if rng.random() < 0.6 and lines[place]:
        lines[place] = mutate(lines[place], rng, JSON)
        file.write_bytes(b"\n".join(lines))
    else:
        file.write_bytes(mutate(file.read_bytes(), rng, PLAIN))


def edit_film(path: Path, rng: Random) -> None:
    """Damage a film; see `films.damage_film`."""
    from .films import damage_film

    damage_film(path, rng)


def edit_command(folder: Path, rng: Random) -> None:
    """Damage a command, see `commands.damage_command`."""
    from .commands import damage_command

    damage_command(folder, rng)


MAKERS: dict[str, Callable[[Path, Random], None]] = {
    "czi fields": edit_czi_field,
    "zarr fields": edit_zarr_chunk,
    "safetensors": edit_safetensors,
    "training": edit_training,
    "journal": edit_journal,
    "film": edit_film,
    "command": edit_command,
}


def _run(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job in this process."""
    from .checks import CHECKS, Fault

    _reset_peak()
    with tempfile.TemporaryDirectory(prefix="f", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        path = damaged(job, folder)
        Path(job["case"]).write_text(f"{folder}\n", encoding="utf-8", errors="surrogateescape")
        try:
            outcome, text = CHECKS[job["check"]](path), ""
        except Fault as fault:
            outcome, text = "fault", str(fault)
        except Exception as error:  # noqa: BLE001 -- any error is a fault
            outcome, text = "fault", f"the check itself fails: {error!r}"
        peak = _peak()
        if not text and peak > MOST_BYTES:
            outcome, text = "memory", f"took {peak / 2**20:.0f} MiB"
        if text:
            _keep(folder, job)
        return {"outcome": outcome, "text": text.encode("utf-8", "backslashreplace").decode()}


def _keep(folder: Path, job: dict[str, Any]) -> None:
    kept = Path(job["keep"]) / f"{Path(job['source']).stem}-{job['seed']}-{job['number']}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept, symlinks=True, ignore=_pipes)


def _keep_case(job: dict[str, Any]) -> None:
    """Keep the damaged files of a terminated process."""
    with suppress(OSError):  # terminated before the name of the folder was written
        folder = Path(os.fsdecode(Path(job["case"]).read_bytes().rstrip(b"\n")))
        _keep(folder, job)
        shutil.rmtree(folder, ignore_errors=True)


def _pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_fifo()]


def _reset_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Child:
    """A forked process that runs jobs until it is stopped, hangs, crashes or has run its maximum of jobs."""

    def __init__(self) -> None:
        jobs, self._jobs = os.pipe()
        self._results, results = os.pipe()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 -- of the child, closed by stop()
        self.n_done = 0
        self.pid = os.fork()
        if self.pid:
            os.close(jobs)
            os.close(results)
            return
        os.close(self._jobs)
        os.close(self._results)
        os.dup2(self.log.fileno(), 2)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1, all_threads=False)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _ADDRESS_SPACE,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with os.fdopen(jobs) as lines, os.fdopen(results, "w") as answers:
            for line in lines:
                print(json.dumps(_run(json.loads(line))), file=answers, flush=True)
        os._exit(0)

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the outcome of a job; the child has ended if it hung, used too much memory or crashed."""
        self.n_done += 1
        try:
            os.write(self._jobs, (json.dumps(job) + "\n").encode())
        except BrokenPipeError:
            return self._died("before this case", job)
        begin, cpu = time.monotonic(), self._cpu_s()
        answer = b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self._results], [], [], 0.02)
            if ready:
                part = os.read(self._results, 1 << 16)
                if not part:
                    return self._died("during this case", job)
                answer += part
                continue
            spent, waited = self._cpu_s() - cpu, time.monotonic() - begin
            size = self._bytes()
            if size > MOST_BYTES + (MOST_BYTES >> 2):
                return self._killed("memory", f"took {size / 2**20:.0f} MiB", job)
            if spent > MOST_CPU_S or waited > MOST_WALL_S:
                return self._killed("hang", f"still running after {spent:.0f} s of CPU time, {waited:.0f} s", job)
        return dict(json.loads(answer))

    def stop(self) -> None:
        """End the process."""
        os.close(self._jobs)
        os.close(self._results)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.log.close()

    def _died(self, when: str, job: dict[str, Any]) -> dict[str, Any]:
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        _keep_case(job)
        return {"outcome": "died", "text": f"{_ending(status)} {when}: {self._stack()}"}

    def _killed(self, outcome: str, text: str, job: dict[str, Any]) -> dict[str, Any]:
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(0.3)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0
        _keep_case(job)
        return {"outcome": outcome, "text": f"{text}: {self._stack()}"}

    def _stack(self) -> str:
        self.log.seek(0)
        lines = self.log.read()[-20000:].decode(errors="replace").splitlines()
        begin = max((number for number, line in enumerate(lines) if "most recent call first" in line), default=0)
        return " < ".join(line.strip().removeprefix("File ") for line in lines[begin + 1 : begin + 13])

    def _cpu_s(self) -> float:
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _bytes(self) -> int:
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()
        except OSError:
            return 0


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with {os.waitstatus_to_exitcode(status)}"


def main() -> None:
    """Run the jobs from stdin."""
    for module in sys.argv[1:]:
        import_module(module)
    child: Child | None = None
    for line in sys.stdin:
        if child is None:
            child = Child()
        outcome = child.run(json.loads(line))
        if not child.pid or child.n_done >= _CASES_PER_CHILD:
            child.stop()
            child = None
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()
    if child is not None:
        child.stop()


if __name__ == "__main__":
    main()
