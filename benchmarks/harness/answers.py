"""One line per section with the decisive values of its rows, for the summary in RESULTS.md."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]
Answer = Callable[[list[Row]], str]


def answer(section: str, rows: list[Row]) -> str:
    """Return the line of a section for all of its rows, or nothing for a section without one."""
    return ANSWERS[section](rows) if section in ANSWERS else ""


def span(values: Iterable[float], digits: int = 1) -> str:
    """Return the lowest and the highest value.

    >>> span([0.26, -0.11, 2.0])
    '-0.1 to 2.0'
    """
    known = sorted(values)
    low, high = (f"{value:.{digits}f}" for value in (known[0], known[-1]))
    return low if low == high else f"{low} to {high}"


def _over_gaussian(rows: Iterable[Row], method: str) -> list[float]:
    return [row[method]["psnr"] - row["gaussian"]["psnr"] for row in rows]


def _gains(rows: list[Row]) -> str:
    """Return the gains of each model over the best Gaussian filter."""
    kinds = {"movie": "movies", "still": "stills", "em": "electron micrographs"}
    parts = []
    for kind, name in kinds.items():
        chosen = [row for row in rows if kind in row["models"] and (kind == "movie" or "movie" not in row["models"])]
        if chosen:
            gains = _over_gaussian(chosen, kind)
            parts.append(f"{name} {span(gains)} (mean {statistics.mean(gains):.1f})")
    return ", ".join(parts)


def held_out(rows: list[Row]) -> str:
    """Return the gains of each model over the best Gaussian filter, and of the stills over BM3D."""
    line = f"PSNR over the best Gaussian filter, in dB: {_gains(rows)}"
    bm3d = [row["still"]["psnr"] - row["bm3d"]["psnr"] for row in rows if "still" in row and "bm3d" in row]
    return line + (f"; stills over BM3D {span(bm3d)} (mean {statistics.mean(bm3d):.1f})." if bm3d else ".")


def held_out_repeated(rows: list[Row]) -> str:
    """Return the gains with other noise."""
    return f"With other noise: {_gains(rows)}."


def real_noise(rows: list[Row]) -> str:
    """Return the gains by kind of noise."""
    gains = {
        score: [row["still"] - row["gaussian"] for row in rows if row["score"] == score]
        for score in ("SI-PSNR", "PSNR")
    }
    line = f"{span(gains['SI-PSNR'])} dB over the best Gaussian filter on {len(gains['SI-PSNR'])} pairs"
    return f"{line}; {span(gains['PSNR'])} dB on the {len(gains['PSNR'])} with correlated noise (FMD)."


def in_domain(rows: list[Row]) -> str:
    """Return the additional gain of training on the same movie."""
    gains = [scores["tuned"] - scores["shipped"] for row in rows for scores in row["levels"].values()]
    return f"Training on clean frames of the same movie adds {span(gains)} dB."


def adaptation(rows: list[Row]) -> str:
    """Return the gain of the adaptation."""
    gains = [row["adapted"]["psnr"] - row["shipped"]["psnr"] for row in rows if "adapted" in row]
    return f"`adapt`, which needs none, adds {span(gains)} dB (mean {statistics.mean(gains):.1f})."


def artifacts(rows: list[Row]) -> str:
    """Return contrast and pits of the models and of BM3D."""
    contrast = {method: [100 * row[method]["contrast"] for row in rows] for method in ("still", "movie", "bm3d")}
    pits = {method: [100 * row[method]["pits"] for row in rows] for method in contrast}
    return (
        f"Bright pixels have {span(contrast['still'] + contrast['movie'], 0)} % of their contrast (BM3D "
        f"{span(contrast['bm3d'], 0)} %); pits around structures are {span(pits['still'] + pits['movie'])} % of "
        f"it (BM3D {span(pits['bm3d'])} %)."
    )


def upscaling(rows: list[Row]) -> str:
    """Return the gains over bicubic interpolation, without and with a Gaussian filter before it."""
    parts = []
    for scale in (2, 4):
        chosen = [row for row in rows if row["scale"] == scale]
        over = [[row["model"]["psnr"] - row[method]["psnr"] for row in chosen] for method in ("bicubic", "gaussian")]
        parts.append(f"scale {scale}: {span(over[0])} dB over bicubic, {span(over[1])} dB after the best Gaussian")
    return "; ".join(parts).replace("scale", "Scale", 1) + "."


def stability(rows: list[Row]) -> str:
    """Return the flicker floor and the PSNR of the window against single frames."""
    noisy = [row["scores"] for row in rows if row["level"] == "10 photons"]
    floor, psnr = (
        {
            method: statistics.mean(statistics.mean(scores[method][name]) for scores in noisy)
            for method in ("best Gaussian", "frame by frame", "three frames")
        }
        for name in ("flicker_floor", "psnr")
    )
    return (
        f"Flicker floor at 10 photons: {100 * floor['three frames']:.2f} % of the range with three frames, "
        f"{100 * floor['frame by frame']:.2f} % frame by frame, {100 * floor['best Gaussian']:.2f} % with the best "
        f"Gaussian filter; PSNR {psnr['three frames'] - psnr['frame by frame']:+.1f} dB against frame by frame."
    )


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


def frames_and_motion(rows: list[Row]) -> str:
    """Return the gain of three frames by motion."""
    single, three = (next(row["scores"] for row in rows if row["variant"] == name) for name in ("1 frame", "3 frames"))
    groups: dict[str, list[float]] = {}
    for name, score in three.items():
        groups.setdefault(score["group"], []).append(score["psnr"] - single[name]["psnr"])
    parts = [
        f"{statistics.mean(gains):+.1f} dB at {group.removeprefix('simulated, ')}"
        for group, gains in groups.items()
        if group.startswith("simulated")
    ]
    return f"Three frames over one: {', '.join(parts)}."


def quality(rows: list[Row]) -> str:
    """Return the differences to the other programs with single frames, in dB."""
    means: dict[tuple[str, str], float] = {}
    for task, method in dict.fromkeys((row["task"], row["method"]) for row in rows):
        found = [row["psnr"] for row in rows if (row["task"], row["method"]) == (task, method)]
        means[task, method] = statistics.mean(found)
    tasks = dict.fromkeys(task for task, _ in means)
    others = {
        name: span([means[task, "decrappify"] - means[task, method] for task in tasks])
        for method, name in (("careamics", "CAREamics"), ("pssr", "PSSR2"))
    }
    return (
        "PSNR of one frame on five tasks, in dB: "
        + ", ".join(f"{gain} over {name}" for name, gain in others.items())
        + "."
    )


def trust(rows: list[Row]) -> str:
    """Return the rates of detection with white noise and the false alarms."""
    tested = [row for row in rows if "refused" not in row]
    white = [row for row in tested if row["noise"] == "white"]
    limits = [row[name] for row in tested for name in ("false limit", "erased limit")]
    alarms = [row[name] for row in tested for name in ("reference", "restored") if row[name] is not None]
    return (
        f"Of spots of 10 photons in white noise, {_percent(white, 'false 10')} of the false and "
        f"{_percent(white, 'erased 10')} of the erased ones are found, at the detection limit "
        f"{span((100 * v for v in limits), 0)} %; false alarms in {span(100 * v for v in alarms)} % of the regions; "
        f"{len(rows) - len(tested)} of {len(rows)} cases are refused."
    )


def invented_structure(rows: list[Row]) -> str:
    """Return the verdicts on a model that invents structure and on a suitable one."""
    worse = sum(row["over-trained"]["verdict"] == "worse" for row in rows)
    refused = sum(row["suitable"]["verdict"] == "worse" for row in rows)
    false, true = ([100 * row[label]["contradicted"] for row in rows] for label in ("over-trained", "suitable"))
    return (
        f"`check` calls an over-trained GAN worse on {worse} of {len(rows)} movies, the suitable model on {refused}; "
        f"the data contradict {span(false)} % and {span(true)} % of the pixels."
    )


def spread(rows: list[Row]) -> str:
    """Return the agreement of the spread of repeated restorations with the true error."""
    pixels, _, blocks, ratio = zip(*(row["noise"] for row in rows), strict=True)
    return (
        f"Spread of repeated restorations: rank correlation with the true error {span(pixels)} for pixels and "
        f"{span(blocks)} for blocks, at {span(ratio, 2)} times its size."
    )


def intervals(rows: list[Row]) -> str:
    """Return the coverage of intervals on fields like those of the calibration, and on others."""
    held_out = [row for row in rows if row["kind"] == "coverage"]
    shifted = [row for row in rows if row["kind"] == "shift"]
    lost = [row for row in shifted if row["coverage"] < 0.85]
    return (
        f"Nominal 90 %: mean coverage {_percent(held_out, 'coverage')} on held-out fields, foreground "
        f"{_percent(held_out, 'foreground')}, edges {_percent(held_out, 'edges')}. {len(lost)} of {len(shifted)} "
        f"kinds of other movies have less than 85 % ({_percent(lost, 'coverage')}); the check marks "
        f"{_percent(lost, 'outside')} of their fields."
    )


def _percent(rows: Iterable[Row], name: str) -> str:
    return f"{span((100 * row[name] for row in rows), 0)} %"


def input_check(rows: list[Row]) -> str:
    """Return the rates of warnings for some kinds of inputs."""
    from benchmarks.science.input_check import combined

    rates = {row["group"]: 100 * float((combined(row) > 1).mean()) for row in rows}
    shown = {
        "false alarms on held-out images": ("held-out fluorescence", "further fluorescence"),
        "correlated noise": ("correlated noise",),
        "other modalities": (
            "EM, as recorded",
            "EM, with noise",
            "phase contrast, as recorded",
            "phase contrast, with noise",
        ),
        "other sampling": ("4 x finer sampling", "4 x coarser sampling"),
    }
    return (
        "Warnings: "
        + ", ".join(f"{span((rates[g] for g in groups), 0)} % {name}" for name, groups in shown.items())
        + "."
    )


def calibration(rows: list[Row]) -> str:
    """Return the share of moving scenes within the target, and the honesty of the errors."""
    moving = [row for row in rows if row["scene"] == "moving"]
    within = [
        100 * statistics.mean(abs(row[f"{photons} 0"]) <= 5 for row in moving if f"{photons} 0" in row)
        for photons in (3, 30, 300)
    ]
    z = [abs(value) for row in rows for key, value in row.items() if key.endswith(" z")]
    return (
        f"Gain within 5 % in {within[0]:.0f}, {within[1]:.0f} and {within[2]:.0f} % of moving scenes of 3, 30 and 300 "
        f"photoelectrons; {sum(v <= 2 for v in z)} of {len(z)} valid gains within two standard errors."
    )


def optics(rows: list[Row]) -> str:
    """Return the largest errors of blur."""
    worst = {}
    for photons in (20, 200):
        errors = [
            100 * abs(row[f"blur {sigma:.1f} {photons}"] / sigma - 1)
            for row in rows
            for sigma in (1.0, 2.0, 3.0)
            if row[f"blur {sigma:.1f} {photons}"] is not None
        ]
        worst[photons] = max(errors)
    return f"Blur within {worst[200]:.0f} % at 200 photoelectrons, within {worst[20]:.0f} % at 20."


def no_truth_figures(rows: list[Row]) -> str:
    """Return the PSNR lost by choosing a restoration by each of three metrics, with independent noise."""
    from benchmarks.harness.ranking import summary
    from benchmarks.science.no_truth_figures import CORRELATED
    from benchmarks.science.no_truth_methods import LADDER

    shown = {"halves": "held-out gain", "confirmed": "confirmed resolution", "whiteness": "residual whiteness"}
    independent = [row for row in rows if row["correlation"] < CORRELATED]
    found = {name: summary(independent, key, LADDER) for key, name in shown.items()}
    parts = [f"{each['regret']:.2f} by {name}" for name, each in found.items() if each is not None]
    return (
        f"Mean PSNR lost by choosing among {len(LADDER)} restorations, in dB: {', '.join(parts)} (independent noise)."
    )


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


def nogan_inflection(rows: list[Row]) -> str:
    """Return the regret of the detector and of simple rules."""
    import numpy as np

    from benchmarks.science.inflection_oracle import judge
    from benchmarks.science.nogan_inflection import choices

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
    colors = next(row["colours"] for row in rows if "colours" in row)
    error = {name: colors[name]["error"] for name in ("grey", "one tint", "chosen, render factor 3")}
    return (
        f"Mean error of U and V on a held-out photograph: {error['chosen, render factor 3']:.1f} gray levels (one tint "
        f"{error['one tint']:.1f}, gray {error['grey']:.1f})."
    )


def engine_speed(rows: list[Row]) -> str:
    """Return the speed of the photo generator relative to plain convolutions."""
    ratios = [row["variants"][-1]["ratio"] for row in rows if row["kind"] == "eager"]
    return f"The DeOldify generator is {span(ratios)} times as fast as with torch's own convolutions."


def speed(rows: list[Row]) -> str:
    """Return the seconds of the other programs relative to those of decrappify, in memory."""
    ratios: dict[str, list[float]] = {"careamics": [], "pssr": []}
    for row in rows:
        times = {method: statistics.median(found["seconds"]) for method, found in row["methods"].items()}
        for method, values in ratios.items():
            if row["path"] == "memory" and method in times:
                values.append(times[method] / times["decrappify"])
    faster = {"CAREamics": ratios["careamics"], "PSSR2": ratios["pssr"]}
    return "In memory: " + ", ".join(f"{span(v)} times as fast as {name}" for name, v in faster.items() if v) + "."


def throughput(rows: list[Row]) -> str:
    """Return the speed, the memory, and the cost of files."""
    memory = [row for row in rows if row["kind"] == "memory"]
    ratio = next(row["ratio"] for row in rows if row["kind"] == "paths")
    return (
        f"{span(row['mp_per_s'] for row in memory)} megapixels per second at "
        f"{span((row['peak_mib'] for row in memory), 0)} MiB with {' and '.join(str(row['frames']) for row in memory)} "
        f"frames; from disk to disk {ratio:.2f} times the time in memory."
    )


def peak(rows: list[Row]) -> str:
    """Return the shares of the convolution's peak of the backends that `auto` chooses, and of torch."""
    models = [row for row in rows if row["kind"] == "model"]
    parts = []
    for precision in models[0]["peak"]:
        shares = {
            name: [
                row["gflops"][f"{row['auto'][precision] if name == 'auto' else name} {precision}"]
                / row["peak"][precision]
                for row in models
            ]
            for name in ("auto", "torch")
        }
        parts.append(f"{span(shares['auto'], 2)} in {precision} (torch alone {span(shares['torch'], 2)})")
    return f"Share of the convolution's peak with the backend that is measured as fastest: {' and '.join(parts)}."


def training_speed(rows: list[Row]) -> str:
    """Return the CPU time of a step of the default network."""
    variants = {one["name"]: one for row in rows for one in row.get("variants", ())}
    step = statistics.median(turn["step_cpu_s"] for turn in variants["3 frames, stability loss"]["turns"])
    line = f"{step:.2f} CPU seconds per step of the default network (8 windows of 64 × 64 px, 3 frames)"
    before, after = variants.get("float32, data not ahead"), variants.get("bfloat16")
    if before is None or after is None:
        return f"{line}."
    whole, faster, data = (
        statistics.median(turn[name] for turn in one["turns"])
        for one, name in ((before, "step_cpu_s"), (after, "step_cpu_s"), (after, "data"))
    )
    return (
        f"{line}; bfloat16 takes {whole / faster:.2f} times the steps per CPU second of float32, "
        f"{whole / (faster - data):.2f} times if another core creates the data."
    )


def checkpoint_cost(rows: list[Row]) -> str:
    """Return the time of the smallest and largest checkpoint."""
    return f"Saving a checkpoint takes {span((row['median_s'] for row in rows), 2)} s."


def precision(rows: list[Row]) -> str:
    """Return agreement and speed of the restoration models."""
    models = [row for row in rows if row["task"] == "restoration" and not row["model"].startswith("nogan")]
    change = max(abs(row["psnr_change"]) for row in models)
    return (
        f"Shipped models agree to at least {min(row['agreement'] for row in models):.0f} dB with float32 and change by "
        f"at most {change:.2f} dB against the reference, at {span(row['ratio'] for row in models)} times the speed."
    )


def seams(rows: list[Row]) -> str:
    """Return the largest difference with the automatic overlap by tile size."""
    parts = [
        f"{100 * max(row[f'tile {side}'] for row in rows):.2g} % with tiles of {side} px" for side in (64, 128, 256)
    ]
    return f"Largest difference from a restoration without tiles, of the range: {', '.join(parts)}."


def check(rows: list[Row]) -> str:
    """Return the numbers of right, opposite and missing verdicts."""
    from benchmarks.science.check import truth_of

    pairs = [(truth_of(one["true_db"]), one["verdict"]) for row in rows for one in row["models"].values()]
    tested = [pair for pair in pairs if pair[1] != "untested"]
    right, opposite = sum(a == b for a, b in tested), sum({a, b} == {"better", "worse"} for a, b in tested)
    return (
        f"Of {len(pairs)} pairs of data and model {len(tested)} are tested: the verdict is that of the reference for "
        f"{right}, one step off for {len(tested) - right - opposite}, and the opposite for {opposite}."
    )


ANSWERS: dict[str, Answer] = {
    each.__name__: each
    for each in (
        *(held_out, held_out_repeated, real_noise, in_domain, adaptation, artifacts, upscaling, stability),
        *(
            stability_weight,
            frames_and_motion,
            quality,
            trust,
            invented_structure,
            spread,
            intervals,
            input_check,
            check,
            calibration,
            optics,
            no_truth_figures,
        ),
        *(network_choice, training_choices, nogan_inflection, nogan_microscopy, colorizer, engine_speed),
        *(speed, throughput, peak),
        *(training_speed, checkpoint_cost, precision, seams),
    )
}
