"""Lines of the summary on trust maps, intervals, checks, calibration and metrics."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from benchmarks.harness.answers.lines import Row, span


def _percent(rows: Iterable[Row], name: str) -> str:
    return f"{span((100 * row[name] for row in rows), 0)} %"


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


def input_check(rows: list[Row]) -> str:
    """Return the rates of warnings for some kinds of inputs."""
    from benchmarks.noise_and_trust.input_check import combined

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


def check(rows: list[Row]) -> str:
    """Return the numbers of right, opposite and missing verdicts."""
    from benchmarks.noise_and_trust.check import truth_of

    pairs = [(truth_of(one["true_db"]), one["verdict"]) for row in rows for one in row["models"].values()]
    tested = [pair for pair in pairs if pair[1] != "untested"]
    right, opposite = sum(a == b for a, b in tested), sum({a, b} == {"better", "worse"} for a, b in tested)
    return (
        f"Of {len(pairs)} pairs of data and model {len(tested)} are tested: the verdict is that of the reference for "
        f"{right}, one step off for {len(tested) - right - opposite}, and the opposite for {opposite}."
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
    from benchmarks.restoration_quality.no_truth_figures import CORRELATED
    from benchmarks.restoration_quality.no_truth_methods import LADDER

    shown = {"halves": "held-out gain", "confirmed": "confirmed resolution", "whiteness": "residual whiteness"}
    independent = [row for row in rows if row["correlation"] < CORRELATED]
    found = {name: summary(independent, key, LADDER) for key, name in shown.items()}
    parts = [f"{each['regret']:.2f} by {name}" for name, each in found.items() if each is not None]
    return (
        f"Mean PSNR lost by choosing among {len(LADDER)} restorations, in dB: {', '.join(parts)} (independent noise)."
    )
