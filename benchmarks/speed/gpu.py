"""Speed of the shipped networks and of complete restorations on one CUDA GPU.

- matmul: TFLOP/s of large matrix products in each precision, the peak to which the networks are compared
- one row per model: TFLOP/s and megapixels per second of the network alone, channels last, on batches of tiles in
  float32, bfloat16 and float16: as in a restoration, with cuDNN's own choice of algorithms, as a CUDA graph, and with
  `torch.compile` (bfloat16, largest batch)
- pipeline: frames from an OME-Zarr store to an array on disk, one after another from pageable and from pinned memory,
  and overlapped (decoding, upload, network, download and writing at the same time), and `restore` itself; megapixels
  per second, and the share of the time in which the GPU does not compute

    python benchmarks/speed/gpu.py    # under 6 minutes; one line without a GPU

A row that would begin after the limit of --seconds is left out; the next call measures it.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import generate
from benchmarks.speed.gpu_pipeline import MODES, Timed, run_pipeline
from decrappify import InferenceOptions, load_model, restore
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.precision import PRECISIONS

MODELS = ("fluorescence-movie", "fluorescence-still")
TILE, BATCHES = 512, (1, 4, 16)
MATMUL_SIDE, MEASURED_S, WARM_UP = 8192, 0.3, 3
FRAMES, SIDE = 60, 2048
VARIANTS = ("as restored", "cuDNN benchmark", "CUDA graph", "compile")


def seconds_per_call(run: Callable[[], Any], device: torch.device, measured_s: float = MEASURED_S) -> float:
    """Return the seconds of a call, the least of three series; on a GPU by its events."""
    for _ in range(WARM_UP):
        run()
    synchronize(device)
    started = time.perf_counter()
    run()
    synchronize(device)
    calls = max(1, round(measured_s / 3 / max(time.perf_counter() - started, 1e-6)))
    best = math.inf
    for _ in range(3):
        with Timed(device) as timed:
            for _ in range(calls):
                run()
        best = min(best, timed.seconds() / calls)
    return best


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Set whether matrix products in float32 may use TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def measure_matmul(device: torch.device, side: int = MATMUL_SIDE) -> Row:
    """Measure TFLOP/s of square matrix products."""
    rates = {}
    for name, dtype in (("float32", torch.float32), ("tf32", torch.float32), *list(PRECISIONS.items())[1:]):
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        with tf32(name == "tf32"):
            seconds = seconds_per_call(partial(torch.matmul, left, right), device)
        rates[name] = 2 * side**3 / seconds / 1e12
    return {"kind": "matmul", "device_name": device_name(device), "tflops": rates}


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def variant(name: str, network: Any, precision: str, source: Tensor) -> Callable[[], Any]:
    """Return a call of the network on a batch; `name` is one of `VARIANTS`."""
    if name != "compile":
        ready = InferenceNetwork(network, device=source.device, precision=precision, backend="torch")
    else:
        ready = InferenceNetwork(network, device=source.device, precision=precision, backend="compile")
    if name == "cuDNN benchmark":
        image = source.to(PRECISIONS[precision], memory_format=torch.channels_last)

        def run() -> None:
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=True):
                ready._network(image)

        return run
    return captured(ready, source) if name == "CUDA graph" else partial(ready, source)


def captured(ready: InferenceNetwork, source: Tensor) -> Callable[[], Any]:
    """Return a replay of a CUDA graph of the network on one batch."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            ready(source)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        prediction = ready(source)

    def replay() -> Tensor:
        graph.replay()
        return prediction

    replay.keeps = ready, source  # type: ignore[attr-defined]  # a graph does not own the memory of its weights
    return replay


def measure_model(name: str, device: torch.device, batches: tuple[int, ...] = BATCHES, side: int = TILE) -> Row:
    """Measure the network alone in every precision, batch and variant; a variant that fails is left out."""
    from torch.utils.flop_counter import FlopCounterMode

    network = load_model(name).network
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, network.spec.source_channels, side, side))
    gflop, megapixels = counter.get_total_flops() / 1e9, side**2 / 1e6
    found: dict[str, Row] = {}
    for precision in PRECISIONS if device.type == "cuda" else ("float32",):
        for batch in batches:
            for one in variants_for(device, precision, batch == max(batches)):
                source = torch.rand(batch, network.spec.source_channels, side, side, device=device)
                with suppress(RuntimeError):  # of CUDA: out of memory, or an operation that cannot be captured
                    seconds = seconds_per_call(variant(one, network, precision, source), device)
                    found[f"{precision}, {batch}, {one}"] = {
                        "mp_per_s": batch * megapixels / seconds,
                        "tflops": batch * gflop / seconds / 1e3,
                    }
    return {"kind": "model", "model": name, "gflop_per_mp": gflop / megapixels, "found": found}


def variants_for(device: torch.device, precision: str, is_largest: bool) -> list[str]:
    """Return the variants to measure: compilation lasts up to a minute, so it is measured once."""
    if device.type != "cuda":
        return ["as restored"]
    return [name for name in VARIANTS if name != "compile" or (precision == "bfloat16" and is_largest)]


def measure_pipeline(model: str, device: torch.device, n_frames: int = FRAMES, side: int = SIDE) -> Row:
    """Measure all modes of the pipeline and the restoration itself on one movie."""
    with tempfile.TemporaryDirectory() as folder:
        source = generate(Path(folder) / "source.ome.zarr", n_frames, side)
        ready = InferenceNetwork(load_model(model).network, device=device)
        ready(torch.rand(1, ready.n_channels, side, side, device=device))
        modes = {
            name: run_pipeline(ready, source, Path(folder) / "result.zarr", **options)
            for name, options in MODES.items()
            if device.type == "cuda" or not options["pinned"]
        }
        modes["restore"] = measure_restore(model, source, Path(folder), device)
    megapixels = n_frames * side**2 / 1e6
    for found in modes.values():
        found |= {"mp_per_s": megapixels / found["seconds"], "idle": 1 - found["busy_s"] / found["seconds"]}
    return {"kind": "pipeline", "model": model, "precision": ready.precision, "frames": n_frames, "modes": modes}


def measure_restore(model: str, source: Path, folder: Path, device: torch.device) -> Row:
    """Measure `restore` from disk to disk, and the time in which the GPU computes its predictions."""
    timings: list[Timed] = []
    original = InferenceNetwork.__call__

    def timed(network: InferenceNetwork, tile: Tensor) -> Tensor:
        with Timed(device) as one:
            prediction = original(network, tile)
        timings.append(one)
        return prediction

    InferenceNetwork.__call__ = timed  # type: ignore[method-assign]
    try:
        started = time.perf_counter()
        restore(source, model, folder / "restored.ome.zarr", inference=InferenceOptions(device=str(device)))
        seconds = time.perf_counter() - started
    finally:
        InferenceNetwork.__call__ = original  # type: ignore[method-assign]
    return {"seconds": seconds, "busy_s": sum(one.seconds() for one in timings)}


def section(rows: list[Row]) -> str:
    """Format the tables of all rows that are there."""
    peaks = next((row for row in rows if row["kind"] == "matmul"), None)
    parts = [
        "## On a GPU\n\nNetworks alone on batches of "
        f"{TILE} × {TILE} pixels, channels last; pipelines on {FRAMES} uint16 frames of {SIDE} × {SIDE}, from disk to "
        "disk. Of matmul: relative to a matrix product in the same precision. Idle: share of the time in which the GPU "
        "computes no prediction."
    ]
    if peaks:
        parts.append(table(["matmul on", *peaks["tflops"]], [[peaks["device_name"], *peaks["tflops"].values()]], 1))
    for row in (row for row in rows if row["kind"] == "model"):
        lines = []
        for key, found in row["found"].items():
            precision, batch, name = key.split(", ")
            share = found["tflops"] / peaks["tflops"][precision] if peaks else None
            lines.append([precision, int(batch), name, found["mp_per_s"], found["tflops"], share])
        header = ["precision", "tiles per batch", "variant", "MP/s", "TFLOP/s", "of matmul"]
        parts.append(f"### {row['model']}, {row['gflop_per_mp']:.0f} GFLOP/MP")
        parts.append(table(header, lines, (0, 0, 0, 1, 2, 3)))
    for row in (row for row in rows if row["kind"] == "pipeline"):
        lines = [[name, f["seconds"], f["mp_per_s"], 100 * f["idle"]] for name, f in row["modes"].items()]
        parts.append(f"### Pipeline of {row['model']}, {row['precision']}")
        parts.append(table(["mode", "s", "MP/s", "idle, %"], lines, (0, 2, 1, 0)))
    return "\n\n".join(parts)


def main() -> None:
    """Measure the rows for which there is time, and print the section."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=300, help="no row begins later")
    args = options.parse_args()
    began = time.monotonic()
    if not torch.cuda.is_available():
        sys.exit("torch finds no CUDA GPU here: nothing was measured")
    device = torch.device("cuda")
    settings = {"device": device_name(device)}
    jobs = {"matmul": Job(settings, partial(measure_matmul, device))}
    jobs |= {name: Job(settings, partial(measure_model, name, device)) for name in MODELS}
    jobs["pipeline"] = Job(settings | {"frames": FRAMES}, partial(measure_pipeline, MODELS[0], device))
    benchmark = Benchmark("gpu", args, options)
    for key in args.only or list(jobs):
        if time.monotonic() - began < args.seconds:
            args.only = [key]
            benchmark.run(jobs, section)
        else:
            print(f"{key}: not measured, {args.seconds:g} s are over; the same command measures it")
    print(section(list(benchmark.matching(jobs).values())))


if __name__ == "__main__":
    main()
