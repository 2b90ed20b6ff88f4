"""Lines of the summary on the choice of networks, losses and schedules."""

from __future__ import annotations

import statistics

from benchmarks.harness.answers.lines import Row


def stability_weight(rows: list[Row]) -> str:
    """Return benefit and cost of the default weight and of weight 1."""

    def means(weight: float, name: str) -> float:
        scores = [row["scores"] for row in rows if row["w"] == weight]
        return statistics.mean(score[name] for movies in scores for score in movies.values())

    parts = [
        f"w = {weight:g}: flicker {100 * (means(weight, 'flicker_floor') / means(0, 'flicker_floor') - 1):.0f} %, "
        f"PSNR {means(weight, 'psnr') - means(0, 'psnr'):+.2f} dB"
        for weight in (0.25, 0.5, 1)
    ]
    return "; ".join(parts) + "."


def network_choice(rows: list[Row]) -> str:
    """Return the best network after equal CPU time."""
    best, worst = (choose(rows, key=lambda row: float(row["psnr"])) for choose in (max, min))
    return (
        f"Best of {len(rows)} candidates after equal CPU time: {best['params'] // 1000} k parameters, loss "
        f"{best['loss']}, {best['psnr']:.2f} dB (lowest {worst['psnr']:.2f} dB)."
    )


def training_choices(rows: list[Row]) -> str:
    """Return the effects of single settings on the mean gain, in order."""
    means = {row["key"]: statistics.mean(row["gains"].values()) for row in rows}
    shipped = means.pop("as shipped")
    effects = sorted(((mean - shipped, name) for name, mean in means.items()), reverse=True)
    text = ", ".join(f"{name} {effect:+.1f} dB" for effect, name in effects)
    return f"Still model, {rows[0]['steps']} steps, against the shipped settings ({shipped:.1f} dB): {text}."


def kept_weights(rows: list[Row]) -> str:
    """Return the gain of the best over the last weights on test images, and how much the validation overstates it."""
    gains: dict[str, list[float]] = {}
    for row in rows:
        gains.setdefault(row["key"].partition(",")[0], []).append(row["best_test"])
    text = ", ".join(f"{name} {statistics.mean(values):+.2f} dB" for name, values in gains.items())
    largest = max(row["optimism"] for row in rows)
    return (
        f"Best against last weights, on test images: {text}; the selecting patches overstate the gain by at most "
        f"{largest:.2f} dB."
    )


def nogan_inflection(rows: list[Row]) -> str:
    """Return the regret of the detector and of simple rules."""
    import numpy as np

    from benchmarks.nogan.inflection_oracle import judge
    from benchmarks.nogan.nogan_inflection import choices

    taken = [choices(row, rows) for row in rows]
    regret = {}
    for rule in ("detector (default limits)", "no GAN phase", "last"):
        values = [
            judge([s["ssim"] for s in row["scores"]], row["start"]["ssim"], each[rule]).regret
            for row, each in zip(rows, taken, strict=True)
        ]
        regret[rule] = 100 * float(np.mean(values))
    return (
        f"Foreground SSIM below the best checkpoint, in hundredths, mean of {len(rows)} runs: detector "
        f"{regret['detector (default limits)']:.1f}, no GAN phase {regret['no GAN phase']:.1f}, last checkpoint "
        f"{regret['last']:.1f}."
    )


def nogan_microscopy(rows: list[Row]) -> str:
    """Return the change of the PSNR by the selected checkpoint."""
    parts = [
        f"{row['scores']['chosen']['psnr'] - row['scores']['pretrained']['psnr']:+.1f} dB ({row['data']})"
        for row in rows
    ]
    return f"The selected checkpoint changes the PSNR by {' and '.join(parts)}."


def colorizer(rows: list[Row]) -> str:
    """Return the error of the colors of the photograph."""
    colors = next(row["colors"] for row in rows if "colors" in row)
    error = {name: colors[name]["error"] for name in ("gray", "one tint", "chosen, render factor 3")}
    return (
        f"Mean error of U and V on a held-out photograph: {error['chosen, render factor 3']:.1f} gray levels (one tint "
        f"{error['one tint']:.1f}, gray {error['gray']:.1f})."
    )
