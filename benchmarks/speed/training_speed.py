"""Cost of a training step, and the shares of the network, the data, the optimizer and the averaging.

The real training loop (`run_training`, `train_nogan`) runs a few steps of each variant on simulated movies in memory,
with timers at its parts: creating data, forward and loss, backward, clipping, optimizer, averaging weights.
The variants of a row alternate, --rounds times, and the first steps of each turn are excluded; medians over the turns,
single values in the rows' JSON. CPU seconds are those of all threads and loader processes.

- batches: the default microscopy network with 1 and 3 frames, with two crappifications of each window and the stability
  loss, with two but weight 0, and on measured pairs, which have one source.
- losses, workers, threads, precision: the change of a default step by each.
- data: the cost of one tuple by crappifier and by kind of image, without any network.
- NoGAN: steps of pretraining, critic and GAN phase of the "microscopy" preset, and the time of its whole schedule.

GFLOP are counted on a real step, backward included, and compared with a 3 × 3 convolution of 64 channels measured in
the same row.

    export OMP_WAIT_POLICY=passive                # otherwise waiting threads count as CPU time
    python benchmarks/speed/training_speed.py     # 7 minutes on 2 idle cores

If torch finds a CUDA GPU there are rows for it too; --device runs the rows of one device only.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.devices import DEVICES, chosen_devices
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.stopwatch import Stopwatch, conv_rate
from benchmarks.speed.nogan_steps import measure_nogan, nogan_table
from benchmarks.speed.training_precision import curves_table, measure_curves
from decrappify import DataOptions, TrainingConfig

SEED, WARM = 0, 3
CURVES = (2, 300)  # seeds and steps of the runs whose PSNR is compared
PARTS = {
    "data": "data",
    "forward": "forward, loss",
    "backward": "backward",
    "clip": "clipping",
    "optimiser": "optimizer",
    "average": "average",
}
CRAPPIFIER = "fluorescence-any"
DEFAULT = "3 frames, stability loss"
OF_BFLOAT16 = ("cpu precision", "cpu held-out PSNR by precision")


@cache
def movies() -> list[Any]:
    """Return simulated movies (SimulatedMovie): two films and two stills."""
    from decrappify.samples import simulate

    wanted = (("cell", 12), ("nuclei", 12), ("filaments", 1), ("vesicles", 1))
    return [
        simulate(kind, n_frames=n_frames, size=(192, 192), seed=6000 + index)
        for index, (kind, n_frames) in enumerate(wanted)
    ]


def held_out_movies() -> list[Any]:
    """Return the films of `movies` and one more, which is held out."""
    from decrappify.samples import simulate

    return [*movies()[:2], simulate("cell", n_frames=12, size=(192, 192), seed=6100)]


def dataset(config: TrainingConfig, *, pairs: bool) -> Any:
    """Return the training data of `train` with these settings."""
    from decrappify.training.data.training_data import Split, read_training_data

    split = Split(n_frames=config.n_frames)
    truths = [movie.truth for movie in movies()]
    if pairs:
        measured = [(movie.noisy, movie.truth) for movie in movies()[: 2 if config.n_frames > 1 else None]]
        data = read_training_data(None, None, measured, replace(split, options=DataOptions(validation=measured[:1])))
    else:
        data = read_training_data(truths, CRAPPIFIER, None, replace(split, options=DataOptions(validation=truths[:1])))
    return data.training(config.patch_size, config.max_steps * config.batch_size, SEED)


def variants(device: str, threads: int) -> dict[str, dict[str, Row]]:
    """Return the alternating settings of each row: those of `TrainingConfig`, whether on `pairs`, and `threads`."""
    from decrappify.inference.network import has_fast_bfloat16

    batches = {
        f"{n} frame{'s' * (n > 1)}, {name}": {"n_frames": n, **settings}
        for n in (1, 3)
        for name, settings in (
            ("stability loss", {}),
            ("weight 0", {"stability_weight": 0.0}),
            ("pairs", {"pairs": True}),
        )
    }
    rows: dict[str, dict[str, Row]] = {
        "batches": batches,
        "losses": {loss: {"loss": loss} for loss in ("rmse", "charbonnier", "l1", "l2", "ssim-mix")},
        "workers": {f"{n} worker{'s' * (n != 1)}": {"workers": n} for n in (0, 1, 2)},
    }
    if device == "cpu":
        rows["threads"] = {f"{n} thread{'s' * (n > 1)}": {"threads": n} for n in (1, 2)}
    else:
        rows["batch size"] = {f"batches of {n}": {"batch_size": n} for n in (8, 32, 128)}
    absent = device == "cuda" and not torch.cuda.is_available()  # rows of a GPU may be stored
    if device == "cpu" or absent or has_fast_bfloat16(torch.device(device)):
        rows["precision"] = {
            "float32, data not ahead": {"precision": "float32", "ahead": False},
            "float32": {"precision": "float32"},
            "bfloat16": {"precision": "bfloat16"},
        }
    shared = {"threads": threads, "pairs": False}
    return {kind: {name: shared | one for name, one in made.items()} for kind, made in rows.items()}


def _config(settings: Mapping[str, Any], steps: int, device: str) -> tuple[TrainingConfig, bool]:
    """Return the configuration of a variant, and whether it trains on pairs."""
    plain = {"precision": "float32"} | {k: v for k, v in settings.items() if k not in ("threads", "pairs", "ahead")}
    config = TrainingConfig(**plain, max_steps=steps, validate_every=steps, device=device, seed=SEED)
    return config, settings["pairs"]


def run_steps(settings: Mapping[str, Any], device: str, steps: int) -> Row:
    """Train for a few steps with timers, and return the cost of one step."""
    from lightning_fabric import Fabric

    from decrappify.datasets import PairDataset, TupleDataset
    from decrappify.networks import create
    from decrappify.training.engine import trainer
    from decrappify.training.engine.sampler import prefetched
    from decrappify.training.engine.weight_average import WeightAverage
    from decrappify.training.supervised import run as supervised

    config, pairs = _config(settings, WARM + steps, device)
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(SEED)
    network, data = create(config.network, n_frames=config.n_frames), dataset(config, pairs=pairs)
    held_out = FirstItem(data)
    watch = Stopwatch(device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    gc.collect()
    with ExitStack() as stack:
        if not config.workers:  # else they are created in loader processes during the steps
            stack.enter_context(watch.on(PairDataset if pairs else TupleDataset, "__getitem__", "data"))
        if not settings.get("ahead", True):  # each batch is created when the step needs it
            trainer.prefetched = lambda loader: (batch for batch in loader)
            stack.callback(setattr, trainer, "prefetched", prefetched)
        stack.enter_context(watch.on(supervised, "generator_loss", "forward"))
        stack.enter_context(watch.on(Fabric, "backward", "backward"))
        stack.enter_context(watch.on(Fabric, "clip_gradients", "clip"))
        stack.enter_context(watch.on(torch.optim.AdamW, "step", "optimiser"))
        stack.enter_context(watch.on(WeightAverage, "update", "average", ends_step=True))
        stack.enter_context(watch.on(Future, "result", "waiting", wall=True))  # for the batch of the other thread
        supervised.run_training(network, data, held_out, config)
    (start, cpu_start), (end, cpu_end) = watch.ends[WARM - 1], watch.ends[-1]
    found: Row = {"step_s": (end - start) / steps, "step_cpu_s": (cpu_end - cpu_start) / steps}
    for part, times in watch.parts.items():
        calls = config.batch_size if part == "data" else 1
        found[part] = sum(times[-calls * steps :]) / steps
    if "waiting" in found:
        found["waiting"] /= found["step_s"]  # the share of the time, not CPU seconds
    found["gpu_mib"] = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    return found


class FirstItem(torch.utils.data.Dataset[Any]):
    """Data set of one item for the validation at the end of a run, which is not measured."""

    def __init__(self, data: Any) -> None:
        self._item = data[0]

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self._item


def count_flops(settings: Mapping[str, Any]) -> tuple[float, float]:
    """Count GFLOP of one step, forward alone and with backward."""
    from torch.utils.data import default_collate
    from torch.utils.flop_counter import FlopCounterMode

    from decrappify.losses import pixel_loss
    from decrappify.networks import create
    from decrappify.training.engine.generator import generator_loss

    config, pairs = _config(settings, 1, "cpu")
    network = create(config.network, n_frames=config.n_frames)
    data = dataset(config, pairs=pairs)
    batch = default_collate([data[index] for index in range(config.batch_size)])
    with FlopCounterMode(display=False) as counter:
        loss, _ = generator_loss(network, batch, pixel_loss(config.loss), config.stability_weight)
        forward = counter.get_total_flops()
        loss.backward()
    return forward / 1e9, counter.get_total_flops() / 1e9


def measure_steps(made: Mapping[str, Row], device: str, rounds: int, steps: int) -> Row:
    """Measure the alternating variants of one row."""
    threads = torch.get_num_threads()
    turns: dict[str, list[Row]] = {name: [] for name in made}
    peaks: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, settings in made.items():
            turns[name].append(run_steps(settings, device, steps))
            peaks[name].append(conv_rate(device, settings.get("precision", "float32")))
    torch.set_num_threads(threads)  # a variant may have set its own
    rows = []
    for name, settings in made.items():
        forward, gflop = count_flops(settings)
        rows.append({"name": name, **settings, "forward_gflop": forward, "gflop": gflop, "turns": turns[name]})
        rows[-1]["conv_gflops"] = statistics.median(peaks[name])
    gpu = torch.cuda.get_device_name() if device == "cuda" else ""
    return {"kind": "steps", "device": device, "device_name": gpu, "rounds": rounds, "steps": steps, "variants": rows}


def measure_data(rounds: int, tuples: int) -> Row:
    """Measure the CPU milliseconds of one training tuple, and of its parts."""
    from decrappify.crappify import Crappifier
    from decrappify.datasets import TupleDataset

    with tempfile.TemporaryDirectory() as folder:
        made = data_variants(Path(folder), tuples)
        found: dict[str, list[Row]] = {name: [] for name in made}
        for _ in range(rounds):
            for name, data in made.items():
                watch = Stopwatch("cpu")
                started = time.process_time()
                with ExitStack() as stack:
                    stack.enter_context(watch.on(Crappifier, "__call__", "crappify"))
                    stack.enter_context(watch.on(TupleDataset, "_draw_window", "window"))
                    for index in range(tuples):
                        data[index]
                total = (time.process_time() - started) / tuples
                found[name].append({"total": total} | {k: sum(v) / tuples for k, v in watch.parts.items()})
    return {"kind": "data", "rounds": rounds, "variants": [{"name": k, "turns": v} for k, v in found.items()]}


def data_variants(folder: Path, tuples: int) -> dict[str, Any]:
    """Return data sets that differ in the crappifier or in the kind of image."""
    from decrappify import crappifier_preset, open_movie, save_movie
    from decrappify.datasets import TupleDataset

    films, stills = [movie.truth for movie in movies()[:2]], [movie.truth for movie in movies()[2:]]
    stored = [save_movie(film, folder / f"film-{index}.ome.zarr") for index, film in enumerate(films)]
    kinds: dict[str, tuple[list[Any], str, Row]] = {
        "films, 3 frames": (films, CRAPPIFIER, {}),
        "films, 1 frame": (films, CRAPPIFIER, {"n_frames": 1}),
        "stills that drift, 3 frames": (stills, CRAPPIFIER, {}),
        "films left on disk (OME-Zarr), 3 frames": (stored, CRAPPIFIER, {"cache_bytes": 0}),
        "films, 3 frames, spinning-disk": (films, "spinning-disk", {}),
        "films, 3 frames, widefield": (films, "widefield", {}),
        "films, 3 frames, confocal-jitter": (films, "confocal-jitter", {}),
        "films, 3 frames, fluorescence-any-x2": (films, "fluorescence-any-x2", {}),
    }
    return {
        name: TupleDataset([open_movie(image) for image in images], crappifier_preset(preset), length=tuples, **more)
        for name, (images, preset, more) in kinds.items()
    }


def section(rows: list[Row], steps: int) -> str:
    """Format one table for each row."""
    default = TrainingConfig()
    parts = [
        "## Speed of training\n\n"
        "The real training loop on simulated films and stills of 192 × 192 pixels in memory, degraded during training "
        f"by `{CRAPPIFIER}`: default network ({default.network}), batches of {default.batch_size} windows of "
        f"{default.patch_size} × {default.patch_size} pixels and {default.n_frames} frames, float32, no loader "
        f"processes, unless stated otherwise. {steps} steps (ten times as many on a GPU) in each of "
        f"{rows[0]['rounds']} alternating rounds; medians. CPU seconds: of all threads and loader processes. GFLOP: "
        "counted, including the backward pass. Network: GFLOP per CPU second (GPU: per second) of forward and "
        "backward pass; of conv: relative to a 3 × 3 convolution of 64 channels alone. The last columns are shares of "
        "a step; the rest is collating, checking the loss, the learning-rate schedule, the loop, and the work of "
        "loader processes. With 2 threads, each part includes the CPU time of the batch that is created at the same "
        "time, so the rest is below 0. Waiting: share of the time in which the step waits for its data."
    ]
    on_cpu = [variant for row in rows if row.get("device") == "cpu" for variant in row.get("variants", ())]
    network = next((_step(one) - _step(one, "data") for one in on_cpu if one["name"] == DEFAULT), None)
    tables: dict[str, Callable[[Row], str]] = {
        "steps": _steps,
        "data": partial(_data, network=network),
        "nogan": nogan_table,
        "curves": curves_table,
    }
    for row in rows:
        kind = row["key"].partition(" ")[2]
        where = row.get("device_name") or ("" if row["kind"] in ("data", "curves") else "CPU")
        parts.append(f"### {kind[0].upper()}{kind[1:]}" + (f" ({where})" if where else ""))
        parts.append(tables[row["kind"]](row))
    return "\n\n".join(parts)


def _step(variant: Row, name: str = "step_cpu_s") -> float:
    return float(statistics.median(turn[name] for turn in variant["turns"]))


def _steps(row: Row) -> str:
    gpu = row["device"] == "cuda"
    whole = "step_s" if gpu else "step_cpu_s"
    header = ["variant", "steps/s", "CPU s/step", "GFLOP/step", "backward/forward", "network", "of conv"]
    header += [f"{title}, %" for title in PARTS.values()] + ["rest, %"] + (["GPU, MiB"] if gpu else [])
    header += ["waiting, %"]
    lines = []
    for variant in row["variants"]:
        known = [part for part in PARTS if variant["turns"][0].get(part) is not None]
        network = variant["gflop"] / sum(_step(variant, part) for part in ("forward", "backward"))
        total = _step(variant, whole)
        shares = {part: 100 * _step(variant, part) / total for part in known}
        lines.append(
            [
                *(variant["name"], 1 / _step(variant, "step_s"), _step(variant), variant["gflop"]),
                *(variant["gflop"] / variant["forward_gflop"] - 1, network, network / variant["conv_gflops"]),
                *(shares.get(part) for part in PARTS),
                *(100 - sum(shares.values()), *([_step(variant, "gpu_mib")] if gpu else [])),
                100 * _step(variant, "waiting") if "waiting" in variant["turns"][0] else None,
            ]
        )
    text = table(header, lines, (0, 2, 3, 1, 2, 1, 2, *[1] * (len(PARTS) + 1), *([0] if gpu else []), 1))
    before = next((variant for variant in row["variants"] if not variant.get("ahead", True)), None)
    return text if before is None else f"{text}\n\n{_gain(before, row['variants'][-1])}"


def _gain(before: Row, after: Row) -> str:
    """Return the ratio of the steps per CPU second of two variants, all threads and the training thread alone."""
    whole = _step(before) / _step(after)
    alone = _step(before) / (_step(after) - _step(after, "data"))
    return (
        f"{after['name'].capitalize()} over {before['name']}: {whole:.2f} times the steps per CPU second of all "
        f"threads; {alone:.2f} times per CPU second of the training thread, if another core creates the data."
    )


def _data(row: Row, network: float | None) -> str:
    header = ["tuples from", "ms CPU a tuple", "window, %", "crappifying twice, %", "rest, %", "of a step, %"]
    lines = []
    for variant in row["variants"]:
        total, window, crappify = (_step(variant, name) for name in ("total", "window", "crappify"))
        shares = [100 * part / total for part in (window, crappify, total - window - crappify)]
        batch = TrainingConfig().batch_size * total
        with_it = None if network is None else 100 * batch / (batch + network)
        lines.append([variant["name"], 1e3 * total, *shares, with_it])
    return table(header, lines, (0, 2, 0, 0, 0, 1)) + (
        "\n\nOne tuple: a window, crappified twice. Of a step: share of a default step with these data."
    )


def main() -> None:
    from decrappify.inference.network import has_fast_bfloat16

    options = parser(__doc__)
    options.add_argument("--device", choices=DEVICES, help="run only the rows of this device")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each variant")
    options.add_argument("--steps", type=int, default=10, help="measured steps of each round")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    benchmark = Benchmark("training_speed", args, options)
    jobs = {device: jobs_for(device, args) for device in DEVICES}
    every = args.only is None
    known = chosen_devices(benchmark, jobs, args)
    if not has_fast_bfloat16(torch.device("cpu")):  # only emulated: rows of another processor remain
        stored = benchmark.matching({key: jobs["cpu"][key] for key in OF_BFLOAT16})
        known = {key: job for key, job in known.items() if key not in OF_BFLOAT16 or key in stored}
        if every:
            args.only = [key for key in args.only or known if key not in OF_BFLOAT16]
    benchmark.run(known, lambda rows: section(rows, args.steps))


def jobs_for(device: str, args: Any) -> dict[str, Job]:
    """Return the rows of one device."""
    steps = args.steps * (10 if device == "cuda" else 1)  # otherwise batches created earlier by the loaders would count
    shared = {"rounds": args.rounds, "steps": steps, "seed": SEED}
    jobs = {
        f"{device} {kind}": Job(shared | {"variants": made}, partial(measure_steps, made, device, args.rounds, steps))
        for kind, made in variants(device, args.threads).items()
    }
    if device == "cpu":
        jobs["cpu data"] = Job(shared, partial(measure_data, args.rounds, 100))
        curves = partial(measure_curves, [movie.truth for movie in held_out_movies()], CRAPPIFIER, *CURVES)
        jobs[OF_BFLOAT16[1]] = Job({"seeds": CURVES[0], "steps": CURVES[1]}, curves)
    films = [movie.truth for movie in movies()[:2]]
    nogan = partial(measure_nogan, films, CRAPPIFIER, device, args.rounds, WARM)
    jobs[f"{device} NoGAN"] = Job(shared | {"threads": args.threads}, nogan)
    return jobs


if __name__ == "__main__":
    main()
