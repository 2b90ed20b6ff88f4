"""Lines of the summary on image quality: models, adaptation, movies and other programs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from benchmarks.harness.answers.lines import Row, span


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


def self_supervised(rows: list[Row]) -> str:
    """Return the lead over Noise2Void."""
    from benchmarks.training.self_supervised import adapted

    lead = [adapted(row)["adapted"]["psnr"] - row["psnr"] for row in rows]
    return f"It is {min(lead):.1f} to {max(lead):.1f} dB above Noise2Void."


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


def seams(rows: list[Row]) -> str:
    """Return the largest difference with the automatic overlap by tile size."""
    parts = [
        f"{100 * max(row[f'tile {side}'] for row in rows):.2g} % with tiles of {side} px" for side in (64, 128, 256)
    ]
    return f"Largest difference from a restoration without tiles, of the range: {', '.join(parts)}."
