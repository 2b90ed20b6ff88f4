"""Regret of the checkpoint chosen by the inflection detector, compared with other rules of stopping the GAN phase.

Four data sets (two simulated, two real) x 3 seeds. Each run pretrains a small generator and a critic, and then runs its
GAN phase well beyond any useful length; the detector records but does not stop it. Every checkpoint is scored on
test images that neither the training nor the detector uses, by metrics that the detector does not use: F1 of fine
structures at a threshold computed from the reference, share of found structures that are false, and SSIM of the
foreground. Compared: the detector's choice, stopping at 1, 2 and 3 % of the data and at the middle, the last
checkpoint, a random one, the one with the best validation PSNR, and no GAN phase.

    python benchmarks/nogan/nogan_inflection.py                             # 12 rows of about 5 minutes on one core
    python benchmarks/nogan/nogan_inflection.py --only "vesicles seed 0"
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.nogan.inflection_oracle import fixed_share, foreground_ssim, judge, random_regret, structure_score

SEEDS = (0, 1, 2)
FIGURES = ("f1", "ssim", "invented")
NOISE_LIMITS = (1.5, 2.0, 2.5, 3.0)
ITEMS = 10_000
SCHEDULE: dict[str, Any] = {
    "items": ITEMS,
    "validation_patches": 48,
    "generator": "residual-unet",
    "generator_settings": {"base_channels": 16, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 1},
    "pretrain": [{"size": 64, "batch_size": 8, "share": 0.5, "learning_rate": 2e-3}],
    "ema_decay": 0.99,
    "weight_decay": 1e-4,
    "max_gradient_norm": 1.0,
    "generated_share": 0.08,
    "critic_steps": [{"size": 64, "batch_size": 16, "epochs": 4, "learning_rate": 5e-4, "accuracy": 0.85}],
    "gan": {
        "size": 64,
        "batch_size": 8,
        "share": 0.4,
        "learning_rate": 2e-4,
        "critic_factor": 2.5,
        "adversarial_weight": 0.05,
        "content_weight": 1.0,
    },
    "checkpoint_share": 0.01,
    "detect": False,
    "device": "cpu",
}
# Width (sigma, pixels) of the structures to find.
WIDTHS = {"vesicles": 1.5, "filaments": 1.5, "actin": 1.5, "fibsem": 2.0}


def material(name: str) -> tuple[Any, Any, Any, list[Any]]:
    """Return training images, validation images, a crappifier and the test references (Y, X) of a data set."""
    from decrappify import Crappifier
    from decrappify.crappify import Blur, Gaussian, Poisson
    from decrappify.samples import simulate

    if name in ("vesicles", "filaments"):
        size, speed = (192, 192), 0.5
        films = [simulate(name, n_frames=4, size=size, speed_px=speed, seed=7000 + k).truth for k in range(8)]
        tests = [np.asarray(simulate(name, n_frames=1, size=size, seed=7100 + k).truth)[0, 0, 0] for k in range(4)]
        steps = (Blur(sigma=2.0), Poisson(photons=(5.0, 15.0), background=1.0))
        return films[:6], films[6:], Crappifier(steps), tests
    file = {"actin": "highres/BPAE_actin.tif", "fibsem": "highres/ssi_fibsem1910x1910.png"}[name]
    image = np.asarray(corpus.load(file))[0, 0, 0].astype(np.float32)
    width = image.shape[1]
    train, kept, test = np.split(image, [int(0.55 * width), int(0.72 * width)], axis=1)
    if name == "actin":
        steps = (Blur(sigma=2.0), Poisson(photons=(5.0, 15.0), background=1.0))
    else:
        steps = (Blur(sigma=1.5), Gaussian(sigma=(0.1, 0.2)))
    side = 192
    tests = [
        test[y : y + side, 20 : 20 + side] for y in range(0, test.shape[0] - side + 1, (test.shape[0] - side) // 3)
    ]
    return [train], [kept], Crappifier(steps), tests[:4]


def measure(name: str, seed: int, runs: Path | None) -> Row:
    """Run one schedule and score every checkpoint."""
    from decrappify import load_model
    from decrappify.training import DataOptions, NoganConfig, RunOptions, train_nogan
    from decrappify.training.monitors.measure import MonitorRow

    training, validation, crappifier, tests = material(name)
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        folder = Path(scratch) if runs is None else runs / f"{name}_{seed}"
        config = NoganConfig.from_dict(SCHEDULE | {"seed": seed})
        if not (folder / "model.safetensors").exists():  # otherwise the finished run is only scored again
            data, run = DataOptions(validation=validation), RunOptions(overwrite=True)
            train_nogan(training, crappifier, data=data, config=config, output=folder, run=run)
        import torch

        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        rows = [MonitorRow.from_dict(row) for row in state["history"]["rows"]]
        baseline = MonitorRow.from_dict(state["history"]["baseline"])
        sources = _degraded(tests, crappifier)
        start = _quality(load_model(folder / "pretrained.safetensors"), sources, tests, WIDTHS[name])
        scores = [
            _quality(
                load_model(folder / "checkpoints" / f"step_{row.step:06d}.safetensors"), sources, tests, WIDTHS[name]
            )
            for row in rows
        ]
        critic = state["history"].get("critic_accuracy")
    return {
        "data": name,
        "net_seed": seed,
        "critic_accuracy": critic,
        "start": start,
        "scores": scores,
        "monitors": [row.to_dict() for row in (baseline, *rows)],
    }


def _degraded(tests: Sequence[Any], crappifier: Any) -> list[Any]:
    """Return the test sources in network units, computed once."""
    from decrappify.movie import Movie
    from decrappify.normalization import NormalizationRule
    from decrappify.normalization import measure as measure_levels

    sources = []
    for number, truth in enumerate(tests):
        levels = measure_levels(Movie.from_array(truth), rule=NormalizationRule())
        signal = levels.apply(truth)
        rng = np.random.default_rng([99, number])
        sources.append((crappifier.fixed(rng)(signal, rng), signal))
    return sources


def _quality(model: Any, sources: Sequence[Any], tests: Sequence[Any], sigma: float) -> Row:
    import torch

    found = None
    ssim = []
    for source, signal in sources:
        with torch.inference_mode():
            restored = model.network(torch.from_numpy(np.asarray(source, np.float32))[None, None])[0, 0].numpy()
        score = structure_score(restored, signal, sigma=sigma)
        found = score if found is None else found + score
        ssim.append(foreground_ssim(restored, signal, float(np.ptp(signal))))
    return {"f1": round(found.f1, 5), "invented": round(found.false_rate, 5), "ssim": round(float(np.mean(ssim)), 5)}


def detect(row: Row, noise_draw: float | None = None) -> tuple[int | None, int | None, str]:
    """Return the detector's choice among all checkpoints, the point where it would have stopped, and the reason."""
    from decrappify.training.monitors.inflection import InflectionDetector, Limits, choose
    from decrappify.training.monitors.measure import MonitorRow

    limits = Limits() if noise_draw is None else Limits(noise_draw=noise_draw)
    baseline, *rows = (MonitorRow.from_dict(entry) for entry in row["monitors"])
    detector = InflectionDetector(baseline, limits)
    stop = next((k for k, entry in enumerate(rows) if detector.add(entry)), None)
    seen = rows if stop is None else rows[: stop + 1]  # the checkpoints available when the phase is stopped
    return choose(baseline, seen, limits).index, stop, detector.reason


def choices(row: Row, rows: Sequence[Row]) -> dict[str, int | None]:
    """Return the checkpoint that each rule selects; None is the pretrained generator."""
    baseline, *entries = row["monitors"]
    images = [entry["images_seen"] for entry in entries]
    psnr = [entry["psnr"] if entry["psnr"] is not None else -1e9 for entry in (baseline, *entries)]
    best = int(np.argmax(psnr))
    others = [other for other in rows if other["data"] != row["data"]] or [row]
    learnt = min(NOISE_LIMITS, key=lambda limit: np.mean([_both(other, detect(other, limit)[0]) for other in others]))
    return {
        "detector (default limits)": detect(row)[0],
        **{f"detector, noise dependence up to {limit:g}": detect(row, limit)[0] for limit in NOISE_LIMITS},
        "detector, that limit from the other data sets": detect(row, learnt)[0],
        "no GAN phase": None,
        **{f"{100 * share:g} % of the data": fixed_share(images, ITEMS, share) for share in (0.01, 0.02, 0.03)},
        "halfway": len(entries) // 2 - 1,
        "last": len(entries) - 1,
        "best validation PSNR": None if best == 0 else best - 1,
    }


def section(rows: list[Row]) -> str:
    """Format the regret of each rule for each metric, and the detector's result for each run."""
    parts = [
        "## Where to stop the GAN phase\n\n"
        f"{len(rows)} runs. Regret relative to the best of all checkpoints and the pretrained generator, by metrics on "
        "test images that no rule uses: mean (worst) over runs, in hundredths. Percentile: share of the candidates "
        "that are not better than the choice, by F1. Structures: ridges and spots in the matched filter above a "
        "threshold computed from the reference; invented: share of the found structures that are not in the "
        "reference. The limit of noise dependence ends most phases; in addition to the default, the table contains "
        "other limits, and the one that was best on the other three data sets (by the mean of relative F1 and SSIM "
        "regret)."
    ]
    taken = [choices(row, rows) for row in rows]
    lines = [[rule, *(_regrets(rows, [t[rule] for t in taken], figure) for figure in FIGURES)] for rule in taken[0]]
    for line in lines:
        percentiles = [judge(*_series(row, "f1"), t[line[0]]).percentile for row, t in zip(rows, taken, strict=True)]
        line.append(f"{np.mean(percentiles):.0f}")
    blind = [[random_regret(*_series(row, figure)) for row in rows] for figure in FIGURES]
    lines.append(["a random checkpoint", *(f"{100 * np.mean(v):.2f} ({100 * max(v):.2f})" for v in blind), "–"])
    parts.append(table(["rule", "F1 regret", "foreground SSIM regret", "invented regret", "percentile"], lines))
    runs = [_line(row) for row in rows]
    parts.append(table(["run", "critic", "chosen at", "stopped at", "best F1 at", "F1", "SSIM"], runs))
    return "\n\n".join(parts)


def _line(row: Row) -> list[str]:
    chosen, stop, why = detect(row)
    return [
        row["key"],
        f"{row['critic_accuracy']:.2f}",
        _at(row, chosen),
        "–" if stop is None else f"{_at(row, stop)}: {why}",
        _at(row, judge(*_series(row, "f1"), None).oracle),
        *(_course(row, figure, chosen) for figure in ("f1", "ssim")),
    ]


def _both(row: Row, index: int | None) -> float:
    return float(np.mean([judge(*_series(row, figure), index).relative for figure in ("f1", "ssim")]))


def _series(row: Row, figure: str) -> tuple[list[float], float]:
    """Return the quality of the checkpoints and of the pretrained generator; higher is better."""
    sign = -1 if figure == "invented" else 1
    return [sign * score[figure] for score in row["scores"]], sign * row["start"][figure]


def _regrets(rows: Sequence[Row], taken: Sequence[int | None], figure: str) -> str:
    values = [judge(*_series(row, figure), index).regret for row, index in zip(rows, taken, strict=True)]
    return f"{100 * np.mean(values):.2f} ({100 * max(values):.2f})"


def _course(row: Row, figure: str, chosen: int | None) -> str:
    start, scores = row["start"][figure], [score[figure] for score in row["scores"]]
    taken = start if chosen is None else scores[chosen]
    return f"{start:.3f} → {taken:.3f} (best {max(start, *scores):.3f}, last {scores[-1]:.3f})"


def _at(row: Row, index: int | None) -> str:
    return "pretrained" if index is None else f"{100 * row['monitors'][index + 1]['images_seen'] / ITEMS:.3g} %"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--runs", type=Path, help="folder of the runs; finished runs are only scored")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    jobs: Mapping[str, Job] = {
        f"{name} seed {seed}": Job(
            {"data": name, "seed": seed, "schedule": SCHEDULE}, partial(measure, name, seed, args.runs)
        )
        for seed in SEEDS
        for name in WIDTHS
    }
    bench: Callable[..., None] = Benchmark("nogan_inflection", args, options).run
    bench(jobs, section)


if __name__ == "__main__":
    main()
