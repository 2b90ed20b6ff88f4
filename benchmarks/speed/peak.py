"""Speed of the shipped networks on each backend, as a share of the peak of a convolution.

- channels: GFLOP/s of a 3 × 3 convolution (oneDNN, channels last) by its number of channels, in float32 and bfloat16,
  and the bandwidth of the main memory for copying
- one row per shipped model: GFLOP/s of its network alone on one tile, on torch, `torch.compile` and OpenVINO, in
  float32 and bfloat16, alternately with the convolutions; the backend that `auto` would use for a long run

Intensity is the work per byte, if each layer reads its source from and writes its result to the main memory once.

    python benchmarks/speed/peak.py             # 4 minutes on one core
    python benchmarks/harness/performance.py    # the roofline plot and the tables of docs/performance.md, from the rows

Ratios are also valid on a machine that is shared with others: CPU seconds, one thread, the least of alternating rounds.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify import load_model
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.precision import PRECISIONS, has_fast_bfloat16
from decrappify.model import shipped_models

CHANNELS = (16, 32, 48, 64, 96, 112, 128, 192, 256)
PEAK_CHANNELS = (64, 128, 192)  # whose best is the peak of a row
TILE, CONV_SIDE, ROUNDS = 512, 256, 4
LONG_RUN = 10**10  # pixels

Run = Callable[[], Any]


def precisions() -> list[str]:
    return ["float32", "bfloat16"] if has_fast_bfloat16(torch.device("cpu")) else ["float32"]


def backends() -> list[str]:
    """Return torch and the backends that can run here."""
    compiler = any(shutil.which(name) for name in ("g++", "clang++", "cl"))
    return ["torch", *["compile"] * compiler, *["openvino"] * (find_spec("openvino") is not None)]


def convolution(channels: int, precision: str) -> tuple[Run, float]:
    """Return a run of a 3 × 3 convolution and its GFLOP."""
    dtype = PRECISIONS[precision]
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(dtype, memory_format=torch.channels_last)
    image = torch.randn(1, channels, CONV_SIDE, CONV_SIDE).to(dtype).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            conv(image)

    return run, 2 * 9 * channels**2 * CONV_SIDE**2 / 1e9


def rates(runs: Mapping[str, tuple[Run, float]]) -> dict[str, float]:
    """Run all alternately; return for each the amount per CPU second of its fastest run."""
    seconds = dict.fromkeys(runs, math.inf)
    for _ in range(ROUNDS + 1):
        for name, (run, _amount) in runs.items():
            started = time.process_time()
            run()
            seconds[name] = min(seconds[name], time.process_time() - started)
    return {name: amount / seconds[name] for name, (_, amount) in runs.items()}


def measure_channels() -> Row:
    """Measure convolutions by their number of channels, and the bandwidth of the main memory."""
    runs = {f"{p} {channels}": convolution(channels, p) for p in precisions() for channels in CHANNELS}
    source = torch.ones(1 << 26)  # 256 MiB, more than all caches
    target = torch.empty_like(source)
    runs["copy"] = (lambda: target.copy_(source), 2 * source.nbytes / 1e9)
    found = rates(runs)
    return {
        "kind": "channels",
        "conv": {p: [found[f"{p} {channels}"] for channels in CHANNELS] for p in precisions()},
        "copy_gb_per_s": found["copy"],
    }


def work_and_traffic(network: nn.Module, source: Tensor) -> tuple[float, float]:
    """Return GFLOP of a prediction, and the gigabytes read and written by its layers in float32."""
    from torch.utils.flop_counter import FlopCounterMode

    moved = 0

    def add(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal moved
        moved += sum(x.nbytes for x in (*inputs, output) if isinstance(x, Tensor))

    layers = [module for module in network.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(add) for module in layers]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(source)
    for hook in hooks:
        hook.remove()
    weights = sum(parameter.nbytes for parameter in network.parameters())
    return counter.get_total_flops() / 1e9, (moved + weights) / 1e9


def measure_model(name: str) -> Row:
    """Measure the network of a model on every backend and in every precision, alternately with convolutions."""
    torch.compiler.reset()  # otherwise networks of the same kind count as recompilations, whose number is limited
    network = load_model(name).network
    source = torch.rand(1, network.spec.source_channels, TILE, TILE)
    gflop, gigabytes = work_and_traffic(network, source)
    row: Row = {"kind": "model", "model": name, "gflop_per_mp": gflop * 1e6 / TILE**2, "preparation": {}}
    row["intensity"] = {p: gflop / gigabytes * 4 / PRECISIONS[p].itemsize for p in precisions()}
    runs = {f"conv {p} {c}": convolution(c, p) for p in precisions() for c in PEAK_CHANNELS}
    for precision in precisions():
        for backend in backends():
            started = time.process_time()
            ready = InferenceNetwork(network, device="cpu", precision=precision, backend=backend)
            ready(source)
            row["preparation"][f"{backend} {precision}"] = time.process_time() - started
            runs[f"{backend} {precision}"] = (partial(ready, source), gflop)
    found = rates(runs)
    row["peak"] = {p: max(found[f"conv {p} {c}"] for c in PEAK_CHANNELS) for p in precisions()}
    row["gflops"] = {key: rate for key, rate in found.items() if not key.startswith("conv ")}
    row["auto"] = {
        p: InferenceNetwork(network, device="cpu", precision=p, expected_pixels=LONG_RUN).backend for p in precisions()
    }
    return row


def section(rows: list[Row]) -> str:
    """Format a table of channels and one of models."""
    parts = [
        "## Share of the peak\n\nOne thread, CPU seconds, the least of "
        f"{ROUNDS} alternating rounds; networks alone on a tile of {TILE} × {TILE} pixels. Peak: the fastest of 3 × 3 "
        f"convolutions of {', '.join(map(str, PEAK_CHANNELS))} channels in the same row. Targets: 0.90 in float32, "
        "0.70 in bfloat16. `auto`: the backend chosen for a long run by measurement."
    ]
    for row in (row for row in rows if row["kind"] == "channels"):
        lines = [[p, *values, max(values)] for p, values in row["conv"].items()]
        header = ["conv 3 × 3, GFLOP/s", *(f"{channels} channels" for channels in CHANNELS), "best"]
        parts.append(table(header, lines, 0))
        parts.append(f"Copying in the main memory: {row['copy_gb_per_s']:.1f} GB/s read and written.")
    models = [row for row in rows if row["kind"] == "model"]
    names = [name for name in ("torch", "compile", "openvino") if any(f"{name} float32" in r["gflops"] for r in models)]
    lines = []
    for row in models:
        for precision, peak in row["peak"].items():
            found = [row["gflops"].get(f"{name} {precision}") for name in names]
            shares = [None if value is None else value / peak for value in found]
            ahead = row["gflops"][f"{row['auto'][precision]} {precision}"] / row["gflops"]["torch float32"]
            lines.append(
                [row["model"], precision, row["gflop_per_mp"], peak, *found, *shares, row["auto"][precision], ahead]
            )
    header = ["model", "precision", "GFLOP/MP", "peak, GFLOP/s", *(f"{name}, GFLOP/s" for name in names)]
    header += [*(f"{name}, of peak" for name in names), "auto", "auto over torch in float32"]
    digits = [0, 0, 0, 0, *[0] * len(names), *[2] * len(names), 0, 2]
    if lines:
        parts.append(table(header, lines, digits))
        seconds = {name: [r["preparation"].get(f"{name} float32") for r in models] for name in names}
        shown = [
            f"{name} {min(known):.1f} to {max(known):.1f}"
            for name, values in seconds.items()
            if (known := [value for value in values if value is not None])
        ]
        parts.append(f"Preparing a network in float32 and predicting the first tile, CPU seconds: {', '.join(shown)}.")
    return "\n\n".join(parts)


def main() -> None:
    """Run the missing rows and write the section."""
    from benchmarks.harness.scoring import identity

    options = parser(__doc__)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    settings = {"threads": args.threads, "tile": TILE, "rounds": ROUNDS}
    jobs = {"channels": Job(settings, measure_channels)}
    jobs |= {name: Job(settings | {"model": identity(name)}, partial(measure_model, name)) for name in shipped_models()}
    Benchmark("peak", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
