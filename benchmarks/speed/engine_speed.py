"""Speed of the largest photo generator with folding, memory layouts, precisions and runtimes.

`deoldify-artistic` with random weights, one square of 560 × 560 pixels (render factor 35), on the CPU. In each row the
variants alternate in one process, --rounds times after a small image as warm-up, so that other load on the machine
affects all of them; ratios are of the medians of CPU time, which such load changes least.

- eager: NCHW float32 with one direct convolution per layer, as fastai calls it; the bare module, which sums large
  layers in groups of channels for numerical accuracy; folded and channels_last; and in Winograd's form, as
  `InferenceNetwork` runs it.
- runtimes: `torch.compile`, ONNX Runtime and OpenVINO on the folded network, against the same folded network, at
  --runtime-size.
- bfloat16: at full size if the processor supports it; otherwise it is emulated, and measured once at 112 pixels.

    export OMP_WAIT_POLICY=passive                # otherwise waiting threads count as CPU time
    python benchmarks/speed/engine_speed.py       # 15 minutes on 2 idle cores
    python benchmarks/speed/engine_speed.py --rounds 2 --runtime-size 224

Peak memory is the growth of the process during the predictions of a variant, without the weights.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.stopwatch import convolution
from benchmarks.peers.worker import cpu_seconds, forget_peak, peak_memory
from decrappify.inference.backends import RUNTIMES
from decrappify.inference.compiling import compiled
from decrappify.inference.folding import fold_norms
from decrappify.inference.network import has_fast_bfloat16
from decrappify.inference.winograd import with_winograd
from decrappify.networks import create
from decrappify.networks.blocks import SplitConv2d

NETWORK, SEED, THREADS, SMALL = "deoldify-artistic", 0, (1, 2), 112
DIRECT, BARE = "direct convolutions, NCHW", "bare module (sums in groups), NCHW"
FOLDED, WINOGRAD = "folded, channels_last", "folded, channels_last, Winograd"
Predict = Callable[[Tensor], Tensor]


def random_image(side: int) -> Tensor:
    """Create one random source, (1, 3, side, side)."""
    return torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(SEED))


def generator() -> Any:
    """Create the network, identical in every row."""
    torch.manual_seed(SEED)
    return create(NETWORK).eval().requires_grad_(False)


def channels_last(network: Any) -> Predict:
    """Return a function that runs a network on images in channels_last layout."""
    network.to(memory_format=torch.channels_last)
    return lambda source: network(source.contiguous(memory_format=torch.channels_last))


def folded() -> Predict:
    """Return the network as `InferenceNetwork` passes it to other runtimes."""
    return channels_last(fold_norms(generator(), large_in_one_go=True))


def direct() -> Any:
    """Return the network with torch's own convolutions and layout."""
    network = fold_norms(generator())
    for module in network.modules():
        if isinstance(module, SplitConv2d):
            module.__class__ = torch.nn.Conv2d
    return network


def measure_eager(threads: int, args: argparse.Namespace) -> Row:
    """Measure folding, layout and Winograd's form."""
    torch.set_num_threads(threads)
    network = generator()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(random_image(SMALL))
    gflop = counter.get_total_flops() / SMALL**2 * args.size**2 / 1e9
    variants: dict[str, Predict] = {
        DIRECT: direct(),
        BARE: network,
        FOLDED: folded(),
        WINOGRAD: channels_last(with_winograd(fold_norms(generator(), large_in_one_go=True))),
    }
    return {"kind": "eager", "threads": threads, "gflop": gflop} | compare(
        variants, args.size, args.rounds, DIRECT, warm=SMALL
    )


def measure_compiled(args: argparse.Namespace) -> Row:
    """Measure `inference.compiling.compiled` and its compilation time."""
    network = fold_norms(generator(), large_in_one_go=True).to(memory_format=torch.channels_last)
    started, cpu = time.perf_counter(), cpu_seconds()
    fast = compiled(network, side=args.runtime_size)
    made = {"seconds_to_make": time.perf_counter() - started, "cpu_to_make": cpu_seconds() - cpu}
    variants = {FOLDED: channels_last(network), "torch.compile": channels_last(fast)}
    row = compare(variants, args.runtime_size, args.rounds, FOLDED)
    return {"kind": "runtime", "threads": args.threads, "fell_back": fast is network} | made | row


def measure_runtime(backend: str, name: str, args: argparse.Namespace) -> Row:
    """Measure the folded network in another runtime, as `InferenceNetwork` runs it for `backend`."""
    network, source = fold_norms(generator(), large_in_one_go=True), random_image(args.runtime_size)
    started, cpu = time.perf_counter(), cpu_seconds()
    with torch.inference_mode():
        run = RUNTIMES[backend](network, source, "float32")
    made = {"seconds_to_make": time.perf_counter() - started, "cpu_to_make": cpu_seconds() - cpu}
    row = compare({FOLDED: folded(), name: run}, args.runtime_size, args.rounds, FOLDED)
    return {"kind": "runtime", "threads": args.threads, "fell_back": False} | made | row


def measure_bfloat16(args: argparse.Namespace) -> Row:
    """Measure bfloat16 against float32; one small image if the processor only emulates it."""
    fast = has_fast_bfloat16(torch.device("cpu"))
    exact = folded()
    half = channels_last(fold_norms(generator()).bfloat16())

    def run(image: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return half(image).float()

    side, rounds = (args.size, args.rounds) if fast else (SMALL, 1)
    row = compare({FOLDED: exact, "bfloat16": run}, side, rounds, FOLDED)
    return {"kind": "bfloat16", "threads": args.threads, "fast": fast} | row


@torch.inference_mode()
def compare(variants: Mapping[str, Predict], side: int, rounds: int, first: str, *, warm: int | None = None) -> Row:
    """Measure alternating variants on one image: CPU seconds, seconds, peak memory, largest difference from `first`.

    Each variant is first run on an image of side `warm`, by default of the same size.
    """
    source, conv = random_image(side), convolution()
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    wall: dict[str, list[float]] = {name: [] for name in variants}
    memory: dict[str, int] = dict.fromkeys(variants, 0)
    error: dict[str, float] = dict.fromkeys(variants, 0.0)
    peaks: list[float] = []
    for number in range(rounds):
        expected: Tensor | None = None
        for name, predict in variants.items():
            if not number:
                predict(random_image(warm or side))
            peaks.append(conv())
            gc.collect()
            before = forget_peak()
            started, cpu_started = time.perf_counter(), cpu_seconds()
            answer = predict(source)
            cpu[name].append(cpu_seconds() - cpu_started)
            wall[name].append(time.perf_counter() - started)
            memory[name] = max(memory[name], peak_memory() - before)
            if expected is None:
                expected = answer.clone()
            else:
                error[name] = max(error[name], (answer - expected).abs().max().item())
    medians = {name: statistics.median(times) for name, times in cpu.items()}
    return {
        "side": side,
        "rounds": rounds,
        "conv_gflops_per_cpu_s": statistics.median(peaks),
        "variants": [
            {
                "name": name,
                "cpu_s": cpu[name],
                "wall_s": wall[name],
                "ratio": medians[first] / medians[name],
                "peak_mib": memory[name] / 2**20,
                "error": error[name],
            }
            for name in variants
        ],
    }


def section(rows: list[Row]) -> str:
    """Format one table for each group of variants, and a sentence on the processor."""
    parts = [
        "## Speed of the photo generator\n\n"
        f"`{NETWORK}`, random weights (seed {SEED}), float32 on the CPU unless stated otherwise, one square. Variants "
        "alternate in one process; medians (single values are in the JSON of the rows). Ratio: CPU time of the first "
        "variant divided by that of this variant. Wall times are longer while other programs run."
    ]
    for kind in ("eager", "runtime", "bfloat16"):
        chosen = [row for row in rows if row["kind"] == kind]
        if chosen:
            parts.append({"eager": _eager, "runtime": _runtimes, "bfloat16": _bfloat16}[kind](chosen))
    return "\n\n".join(parts)


def _eager(rows: list[Row]) -> str:
    header = [
        "threads",
        "variant",
        "side",
        "CPU s",
        "wall s",
        "ratio",
        "GFLOP/CPU s",
        "of conv 3 × 3",
        "memory growth, MiB",
    ]
    header.append("largest difference")
    lines = []
    for row in rows:
        for one in row["variants"]:
            rate = row["gflop"] / statistics.median(one["cpu_s"])
            lines.append(
                [
                    *(row["threads"], one["name"], row["side"]),
                    *(statistics.median(one["cpu_s"]), statistics.median(one["wall_s"]), one["ratio"]),
                    *(rate, rate / row["conv_gflops_per_cpu_s"], one["peak_mib"], f"{one['error']:.1e}"),
                ]
            )
    gflop = f"{rows[0]['gflop']:.0f} GFLOP for an image of {rows[0]['side']} × {rows[0]['side']}."
    return gflop + "\n\n" + table(header, lines, (0, 0, 0, 1, 1, 2, 1, 2, 0, 0))


def _runtimes(rows: list[Row]) -> str:
    header = [
        "runtime",
        "threads",
        "side",
        "CPU s",
        "folded eager, CPU s",
        "ratio",
        "preparation, CPU s",
        "memory growth, MiB",
    ]
    header.append("largest difference")
    lines = []
    for row in rows:
        eager, other = row["variants"]
        name = f"{other['name']} (fell back to eager)" if row["fell_back"] else other["name"]
        lines.append(
            [
                *(name, row["threads"], row["side"]),
                *(statistics.median(other["cpu_s"]), statistics.median(eager["cpu_s"]), other["ratio"]),
                *(row["cpu_to_make"], other["peak_mib"], f"{other['error']:.1e}"),
            ]
        )
    return table(header, lines, (0, 0, 0, 2, 2, 2, 0, 0, 0))


def _bfloat16(rows: list[Row]) -> str:
    row = rows[0]
    _, half = row["variants"]
    how = "supported by the processor" if row["fast"] else "not supported by this processor (AVX2), only emulated"
    chosen = "selects it if the results agree" if row["fast"] else "selects float32 here"
    return (
        f"bfloat16 is {how}: at {row['side']} × {row['side']} pixels {1 / half['ratio']:.2f} times the CPU time of "
        f"folded float32 ({half['cpu_s'][0]:.2f} s), largest difference {half['error']:.3f}. "
        f'`precision="auto"` {chosen}.'
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=560, help="side of the image in the eager rows")
    options.add_argument(
        "--runtime-size", type=int, default=560, help="side of the image for torch.compile and the runtimes"
    )
    options.add_argument("--rounds", type=int, default=3, help="rounds of each variant")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    shared = {"network": NETWORK, "seed": SEED, "rounds": args.rounds}
    eager = shared | {"side": args.size, "variants": [DIRECT, BARE, FOLDED, WINOGRAD]}
    runtime = shared | {"side": args.runtime_size, "threads": args.threads}
    jobs = {f"eager {n} threads": Job(eager | {"threads": n}, partial(measure_eager, n, args)) for n in THREADS}
    for backend, name in (("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")):
        jobs[name] = Job(runtime, partial(measure_runtime, backend, name, args))
    jobs["torch.compile"] = Job(runtime, partial(measure_compiled, args))
    jobs["bfloat16"] = Job(eager | {"threads": args.threads}, partial(measure_bfloat16, args))
    Benchmark("engine_speed", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
