"""One movie restored by several processes that are killed at random: Dask workers, scheduler and client, and parts."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from decrappify.io import save_movie
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks.residual_unet import ResidualUNet

from .killing import contents

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

N_FRAMES = 60
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SETTINGS = ("--device", "cpu", "--precision", "float32", "--tile-size", "96")


class Commands:
    """Processes in a folder with the input and the model; all are killed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._started = folder, []
        pixels = np.random.default_rng(5).integers(90, 4000, (N_FRAMES, 1, 1, 192, 200), dtype=np.uint16)
        save_movie(Movie.from_array(pixels), folder / "input.ome.zarr")
        network = ResidualUNet(n_frames=3, base_channels=16, depth=1)
        nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
        Model(network, card={"name": "random"}).save(folder / "random.safetensors")
        self.port = _free_port()

    def start(self, *words: str, shown: bool = False) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE if shown else subprocess.DEVNULL
        made = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=self.folder, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True
        )
        self._started.append(made)
        return made

    def restore(self, output: str, *words: str) -> subprocess.Popen[str]:
        model = ("--model", "random.safetensors")
        return self.start("decrappify", "restore", "input.ome.zarr", output, *model, *SETTINGS, *words, shown=True)

    def scheduler(self) -> subprocess.Popen[str]:
        self.port = _free_port()
        words = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        return self.start("distributed.cli.dask_scheduler", *words)

    def worker(self) -> subprocess.Popen[str]:
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self.start("distributed.cli.dask_worker", self.address, *words)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def planes_done(self, output: str) -> int:
        """Return the number of planes in the journals of the store and of the regions."""
        working = self.folder / f"{output}.partial"
        found = 0
        for path in (working / "journal", *(working / "regions").glob("*.journal")):
            try:
                found += path.read_bytes().count(b"\n[")
            except OSError:  # deleted after its planes were recorded
                continue
        return found

    def wait(self, process: subprocess.Popen[str], output: str, planes: int) -> None:
        """Wait until the process has ended, or that many planes are finished."""
        while process.poll() is None and self.planes_done(output) < planes:
            time.sleep(0.01)

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def commands(tmp_path):
    made = Commands(tmp_path)
    yield made
    made.end()


@pytest.fixture
def expected(commands):
    (commands.folder / "whole").mkdir()
    code, message = ended(commands.restore("whole/out.ome.zarr"))
    assert code == 0, message
    return contents(commands.folder / "whole")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, message = process.communicate(timeout=300)
    return process.returncode, message


def is_one_line(code: int, message: str) -> bool:
    """Return whether a run succeeded, was killed, or ended in one line of an error after warnings of one line each."""
    lines = message.strip().splitlines()
    return code in (0, 2, -9) and all(line.startswith("decrappify: ") for line in lines)


def test_killed_workers_schedulers_and_clients(commands, expected):
    pytest.importorskip("distributed")
    seed = random.randrange(10**6)
    chance, output, kills = random.Random(seed), "shared/out.ome.zarr", []
    (commands.folder / "shared").mkdir()
    scheduler, workers = commands.scheduler(), []
    victims = ["client", "scheduler", chance.choice(["client", "scheduler"]), "worker"]
    for victim in [*victims, ""]:
        if scheduler.poll() is not None:
            scheduler, workers = commands.scheduler(), []
        workers = [worker for worker in workers if worker.poll() is None]
        workers += [commands.worker() for _ in range(2 - len(workers))]
        client = commands.restore(output, "--dask", commands.address)
        if victim:
            commands.wait(client, output, commands.planes_done(output) + chance.randint(1, 8))
            time.sleep(chance.uniform(0, 0.2))
        if victim and client.poll() is None:
            kills.append(victim)
            {"worker": workers[0], "scheduler": scheduler, "client": client}[victim].kill()
        code, message = ended(client)
        assert is_one_line(code, message), f"seed {seed}, {kills}: {code} {message}"
        if code == 0:
            break
    print(f"kills, seed {seed}: {', '.join(kills)}")  # noqa: T201
    assert {"client", "scheduler"} <= set(kills)
    assert contents(commands.folder / "shared") == expected, f"seed {seed}, {kills}"


def test_killed_workers_and_clients_of_one_large_frame(commands):
    pytest.importorskip("distributed")
    seed = random.randrange(10**6)
    chance, output, kills = random.Random(seed), "shared/out.ome.zarr", []
    regions = commands.folder / "shared" / "out.ome.zarr.partial" / "regions"
    pixels = np.random.default_rng(5).integers(90, 4000, (1, 1, 1, 4128, 4096), dtype=np.uint16)  # read in parts
    save_movie(Movie.from_array(pixels), commands.folder / "input.ome.zarr", overwrite=True)
    network = ResidualUNet(n_frames=1, base_channels=4, depth=1)
    nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    Model(network, card={"name": "small"}).save(commands.folder / "random.safetensors", overwrite=True)
    for name in ("whole", "shared"):
        (commands.folder / name).mkdir()
    assert ended(commands.restore("whole/out.ome.zarr"))[0] == 0
    expected, workers = contents(commands.folder / "whole"), []
    commands.scheduler()
    for victim in ["worker", "client", "worker", "client", "worker", "client"]:
        workers = [worker for worker in workers if worker.poll() is None]
        workers += [commands.worker() for _ in range(4 - len(workers))]
        client = commands.restore(output, "--dask", commands.address)
        wanted = len(finished_rectangles(regions.parent)) + chance.randint(0, 2)
        while client.poll() is None and (
            not list(regions.glob("frames-*.journal")) or len(finished_rectangles(regions.parent)) < wanted
        ):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        if client.poll() is None:
            kills.append(f"{victim}, {len(finished_rectangles(regions.parent))} rectangles")
            {"worker": workers[0], "client": client}[victim].kill()
        code, message = ended(client)
        assert is_one_line(code, message), f"seed {seed}, {kills}: {code} {message}"
        if code == 0:
            assert contents(commands.folder / "shared") == expected, f"seed {seed}, {kills}"
            shutil.rmtree(commands.folder / output)
    print(f"kills, seed {seed}: {'; '.join(kills)}")  # noqa: T201
    code, message = ended(commands.restore(output, "--dask", commands.address))
    assert code == 0, f"seed {seed}, {kills}: {message}"
    assert contents(commands.folder / "shared") == expected, f"seed {seed}, {kills}"
    assert kills


def finished_rectangles(working: Path) -> list[bytes]:
    """Return the lines of the journals of an unfinished output that name finished rectangles."""
    found = []
    for path in (working / "journal", *(working / "regions").glob("*.journal")):
        with suppress(OSError):
            found += [line for line in path.read_bytes().splitlines() if line.startswith((b'{"rectangle"', b"["))]
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of another process is read from /proc")
def test_worker_and_part_need_the_memory_of_a_single_run(commands):
    pytest.importorskip("distributed")
    pixels = np.random.default_rng(5).integers(90, 4000, (80, 1, 1, 512, 512), dtype=np.uint16)  # 42 MB
    save_movie(Movie.from_array(pixels), commands.folder / "input.ome.zarr", overwrite=True)
    network = ResidualUNet(n_frames=3, base_channels=4, depth=1)
    Model(network, card={"name": "small"}).save(commands.folder / "random.safetensors", overwrite=True)
    single = peak_megabytes(commands.restore("single.ome.zarr"))
    part = peak_megabytes(commands.restore("part.ome.zarr", "--part", "1/1"))
    commands.scheduler()
    worker = commands.worker()
    peak_megabytes(commands.restore("short.ome.zarr", "--dask", commands.address, "--frames", "0:20"))
    short = peak_of(worker.pid)
    client = peak_megabytes(commands.restore("workers.ome.zarr", "--dask", commands.address))
    found = {"part": part, "worker": peak_of(worker.pid), "client": client}
    print(f"peak, MB: single {single:.0f}, {', '.join(f'{name} {peak:.0f}' for name, peak in found.items())}")  # noqa: T201
    outputs = [contents(commands.folder / f"{name}.ome.zarr") for name in ("single", "part", "workers")]
    assert outputs[0] == outputs[1] == outputs[2]
    assert all(peak < single + 150 for peak in found.values()), (single, found)  # equal runs differ by 60 MB
    assert found["worker"] < short + 20, f"{short:.0f} MB after a quarter of the movie; the rest has 31 MB"


def peak_megabytes(process: subprocess.Popen[str]) -> float:
    """Wait for the end of a run that must succeed, and return the largest memory it had."""
    peak = 0.0
    while process.poll() is None:
        with suppress(OSError):  # it has ended meanwhile
            peak = max(peak, peak_of(process.pid))
        time.sleep(0.02)
    code, message = ended(process)
    assert code == 0, message
    return peak


def peak_of(pid: int) -> float:
    """Return the largest memory of a process so far, in MB."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1e3 if found else 0.0  # a process that has ended has no entry


def test_killed_parts(commands, expected):
    seed = random.randrange(10**6)
    chance, output, kills = random.Random(seed), "parts/out.ome.zarr", 0
    (commands.folder / "parts").mkdir()
    parts = ["1/3", "2/3", "3/3"]
    for _ in range(8):
        running = [commands.restore(output, "--part", part) for part in parts]
        victim = chance.choice(running)
        commands.wait(victim, output, commands.planes_done(output) + chance.randint(0, 20))
        time.sleep(chance.uniform(0, 0.2))
        if kills < 4 and victim.poll() is None:
            victim.kill()
            kills += 1
        results = [ended(process) for process in running]
        assert all(is_one_line(*result) for result in results), f"seed {seed}: {results}"
        parts = [part for part, (code, _) in zip(parts, results, strict=True) if code]
        if not parts:
            break
    print(f"{kills} kills, seed {seed}")  # noqa: T201
    assert kills
    assert contents(commands.folder / "parts") == expected, f"seed {seed}"
