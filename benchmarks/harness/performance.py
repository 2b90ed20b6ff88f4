"""Tables and plot of docs/performance.md and docs/screen.md, from the stored rows of the scripts in speed/.

    python benchmarks/harness/performance.py

No row is measured. All other text of the pages is kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.pages import Page, write_section
from benchmarks.harness.results import BENCHMARKS, Row, table
from benchmarks.harness.roofline import save_plot
from benchmarks.speed.screen import cost_table, rate_table

DOCS = BENCHMARKS.parent / "docs"
PAGE = Page("performance", "Performance: speed and memory", ("models", "whole_runs", "training"))
SCREEN = Page("screen", "Cost of a large screen", ("totals", "rates"))
N_POSITIONS = 100_000


def stored(name: str) -> dict[str, Row]:
    """Return the stored rows of a section by their key."""
    text = (BENCHMARKS / "results" / f"{name}.json").read_text(encoding="utf-8")
    return {key: entry["row"] for key, entry in json.loads(text).items()}


def models_table(rows: list[Row]) -> str:
    """Return speed and share of the peak of each model, with torch and with the backend that `auto` chooses."""
    lines = []
    for row in rows:
        for precision, peak in row["peak"].items():
            chosen = row["auto"][precision]
            torch, auto = (row["gflops"][f"{backend} {precision}"] for backend in ("torch", chosen))
            lines.append(
                [
                    *(row["model"], precision, row["gflop_per_mp"], torch / row["gflop_per_mp"], torch / peak),
                    *(chosen, auto / row["gflops"]["torch float32"], auto / peak),
                ]
            )
    header = ["model", "precision", "GFLOP per MP", "MP per CPU second, torch", "share of the peak", "auto"]
    header += ["speed relative to torch in float32", "share of the peak"]
    return table(header, lines, (0, 0, 0, 2, 2, 0, 2, 2))


def whole_runs_table(rows: dict[str, Row]) -> str:
    """Return the CPU time of complete restorations relative to the network alone, and their memory."""
    lines = [
        [
            *(precision, row["network"], row["memory"] / row["network"], row["disk"] / row["network"]),
            *rows["memory"][precision],
        ]
        for precision in ("bfloat16", "float32")
        if (row := rows.get(f"network {precision}"))
    ]
    header = ["precision", "network, CPU s/MP", "in memory, ×", "disk to disk, ×"]
    header += ["peak memory, 4 frames, MiB", "12 frames, MiB"]
    return table(header, lines, (0, 2, 2, 2, 0, 0))


def training_table(row: Row) -> str:
    """Return the cost of a training step by precision."""
    before = row["variants"][0]
    lines = []
    for variant in row["variants"]:
        whole, data, first = (
            statistics.median(turn[name] for turn in one["turns"])
            for one, name in ((variant, "step_cpu_s"), (variant, "data"), (before, "step_cpu_s"))
        )
        alone = whole - data if variant.get("ahead", True) else whole
        lines.append([variant["name"], whole, first / whole, first / alone])
    header = ["training step", "CPU s", "steps per CPU second, ×", "per CPU second of the training thread, ×"]
    return table(header, lines, (0, 3, 2, 2))


def main() -> None:
    """Write the sections of the pages and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    peak = list(stored("peak").values())
    save_plot(peak, DOCS / "images" / "roofline.png")
    bodies = {
        "models": models_table([row for row in peak if row["kind"] == "model"]),
        "whole_runs": whole_runs_table(stored("overhead")),
        "training": training_table(stored("training_speed")["cpu precision"]),
    }
    for name, body in bodies.items():
        print(f"wrote {name} of {write_section(DOCS, PAGE, name, body)}")
    screen = list(stored("screen").values())
    for name, body in (("totals", cost_table(screen, N_POSITIONS)), ("rates", rate_table(screen, N_POSITIONS))):
        print(f"wrote {name} of {write_section(DOCS, SCREEN, name, body)}")


if __name__ == "__main__":
    main()
