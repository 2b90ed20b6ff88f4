"""Lines of the summary on time and memory."""

from __future__ import annotations

import statistics

from benchmarks.harness.answers.lines import Row, span


def engine_speed(rows: list[Row]) -> str:
    """Return the speed of the photo generator relative to plain convolutions."""
    ratios = [row["variants"][-1]["ratio"] for row in rows if row["kind"] == "eager"]
    return f"The DeOldify generator is {span(ratios)} times as fast as with torch's own convolutions."


def speed(rows: list[Row]) -> str:
    """Return the seconds of the other programs relative to those of decrappify, in memory."""
    ratios: dict[str, list[float]] = {}
    for row in rows:
        times = {method: statistics.median(found["seconds"]) for method, found in row["methods"].items()}
        for method in times if row["path"] == "memory" else ():
            ratios.setdefault(method, []).append(times[method] / times["decrappify"])
    parts = []
    for method, name in (("careamics", "CAREamics"), ("pssr", "PSSR2")):
        compiled = ratios.get(f"{method}, OpenVINO")
        also = f" ({span(compiled)} times with OpenVINO)" if compiled else ""
        parts.append(f"{span(ratios[method])} times as fast as {name}{also}")
    return f"In memory: {', '.join(parts)}."


def throughput(rows: list[Row]) -> str:
    """Return the speed, the memory, and the cost of files."""
    memory = [row for row in rows if row["kind"] == "memory"]
    ratio = next(row["ratio"] for row in rows if row["kind"] == "paths")
    return (
        f"{span(row['mp_per_s'] for row in memory)} megapixels per second at "
        f"{span((row['peak_mib'] for row in memory), 0)} MiB with {' and '.join(str(row['frames']) for row in memory)} "
        f"frames; from disk to disk {ratio:.2f} times the time in memory."
    )


def follow(rows: list[Row]) -> str:
    """Return the latency of frames during an acquisition."""
    return (
        f"{span((row['latency_s'] for row in rows), 2)} s after the next frame is complete (at most "
        f"{max(row['largest_s'] for row in rows):.1f} s)."
    )


def workers(rows: list[Row]) -> str:
    """Return the speed of several workers relative to one, and the cost of one against a plain run."""
    parts = []
    for row in rows:
        seconds = {int(n): statistics.median(turn["seconds"] for turn in found) for n, found in row["turns"].items()}
        speeds = {n: row["frames"][str(n)] / value for n, value in seconds.items()}
        ratios = ", ".join(f"{n} {speeds[n] / speeds[1]:.2f} times" for n in speeds if n > 1)
        what = "with one large frame" if set(row["frames"].values()) == {1} else "as fast as one"
        parts.append(f"{ratios} {what}" if parts else f"Of single-thread workers are {ratios} {what}")
        if len(parts) == 1:
            parts[0] += f", which takes {100 * (seconds[1] / seconds[0] - 1):.0f} % longer than a plain run"
    return f"{'; '.join(parts)}."


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


def screen(rows: list[Row]) -> str:
    """Return the cost of a position of a screen."""
    from benchmarks.speed.screen import costs

    found = {row["precision"]: costs(row, 100_000) for row in rows}
    hours = " and ".join(f"{cost['core_hours']:.0f} core hours in {name}" for name, cost in found.items())
    first = rows[0]
    share = 100 * first["out_mb"] / first["in_mb"]
    return (
        f"100,000 positions of 4 channels of 2048 × 2048 px take {hours}; the outputs have "
        f"{first['files_per_output']:.0f} files each and {share:.0f} % of the bytes of the compressed inputs."
    )
