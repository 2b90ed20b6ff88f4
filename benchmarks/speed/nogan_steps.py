"""Cost of a step of each phase of a NoGAN run; rows and table of training_speed.py."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.harness.results import Row, table
from benchmarks.harness.stopwatch import Stopwatch, medians


def measure_nogan(films: Sequence[Any], crappifier: str, device: str, rounds: int, warm: int) -> Row:
    """Measure steps of all phases of the "microscopy" preset, in short runs of it."""
    from decrappify.training import DataOptions, nogan_preset, train_nogan
    from decrappify.training.engine.trainer import Trainer

    preset = nogan_preset("microscopy")
    # Critic and generator alternate in the GAN phase at any loss of the critic; the detector is off.
    gan = replace(preset.gan, share=0.5, threshold=1e9)
    short = replace(preset, items=400, gan=gan, checkpoint_share=0.5, validation_patches=4, detect=False, device=device)
    turns = []
    original = Trainer.run
    for _ in range(rounds):
        timed: dict[str, list[Row]] = {}
        Trainer.run = _timed_loop(original, timed, device)  # type: ignore[method-assign]
        try:
            with tempfile.TemporaryDirectory() as folder:
                train_nogan(films, crappifier, data=DataOptions(validation=films[:1]), config=short, output=folder)
        finally:
            Trainer.run = original  # type: ignore[method-assign]
        turns.append({kind: medians(steps[warm:]) for kind, steps in timed.items()})
    return {
        "kind": "nogan",
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else "",
        "rounds": rounds,
        "items": preset.items,
        "steps": _preset_steps(preset),
        "turns": turns,
    }


def _timed_loop(original: Callable[..., Any], timed: dict[str, list[Row]], device: str) -> Callable[..., Any]:
    """Return the loop over batches, with timers at its steps and at the creation of their items."""

    def run(trainer: Any, phase: Any) -> Any:
        watch = Stopwatch(device)

        def timed_step(batch: Any, number: int) -> Any:
            before = watch.now()
            numbers = phase.step(batch, number)
            seconds, cpu = (after - start for start, after in zip(before, watch.now(), strict=True))
            kind = (
                "pretraining" if "pretrain" in phase.name else "GAN, generator's step" if "content" in numbers else None
            )
            kind = kind or ("GAN, critic's step" if "GAN" in phase.name else "critic")
            made = sum(watch.parts.get("data", [])[-phase.batch_size :])
            timed.setdefault(kind, []).append({"seconds": seconds, "cpu_s": cpu, "data_s": made})
            return numbers

        with watch.on(type(phase.dataset), "__getitem__", "data"):
            return original(trainer, replace(phase, step=timed_step))

    return run


def _preset_steps(preset: Any) -> dict[str, int]:
    """Count the steps of each kind in the whole preset, if the GAN phase is not stopped and its turns are halved."""
    items = preset.items
    critic = preset.critic_steps[0]
    saved = round(items * preset.generated_share)
    gan = round(items * preset.gan.share / preset.gan.batch_size)
    return {
        "pretraining": round(items * preset.pretrain[0].share / preset.pretrain[0].batch_size),
        "critic": round(0.9 * 2 * saved / critic.batch_size) * critic.epochs,
        "GAN, critic's step": gan - gan // 2,
        "GAN, generator's step": gan // 2,
    }


def nogan_table(row: Row) -> str:
    """Format the steps of each kind and the time of the whole preset."""
    header = ["step", "seconds", "CPU s", "data, CPU s", "steps in the preset", "CPU minutes"]
    lines, minutes = [], 0.0
    for kind, count in row["steps"].items():
        seconds, cpu, data = (
            statistics.median(turn[kind][name] for turn in row["turns"]) for name in ("seconds", "cpu_s", "data_s")
        )
        minutes += count * (cpu + data) / 60
        lines.append([kind, seconds, cpu, data, count, count * (cpu + data) / 60])
    return (
        table(header, lines, (0, 3, 3, 3, 0, 1))
        + f"\n\nSeconds of a step without the creation of its data. The complete preset, {row['items']} patches, "
        f"requires {minutes:.0f} CPU minutes for these steps if its GAN phase uses its complete share, with as many "
        "critic steps as generator steps; saving images, validation and monitors are additional."
    )
