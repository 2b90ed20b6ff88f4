"""One line per section with the decisive values of its rows, for the summary in RESULTS.md."""

from __future__ import annotations

from benchmarks.harness.answers import checks, restoration, speed, training
from benchmarks.harness.answers.lines import Answer, Row

ANSWERS: dict[str, Answer] = {
    each.__name__: each
    for each in (
        *(
            restoration.held_out,
            restoration.held_out_repeated,
            restoration.real_noise,
            restoration.in_domain,
            restoration.adaptation,
            restoration.self_supervised,
            restoration.artifacts,
            restoration.upscaling,
            restoration.stability,
            restoration.frames_and_motion,
            restoration.quality,
            restoration.seams,
        ),
        *(
            checks.trust,
            checks.invented_structure,
            checks.spread,
            checks.intervals,
            checks.input_check,
            checks.check,
            checks.calibration,
            checks.optics,
            checks.no_truth_figures,
        ),
        *(
            training.stability_weight,
            training.network_choice,
            training.training_choices,
            training.kept_weights,
            training.nogan_inflection,
            training.nogan_microscopy,
            training.colorizer,
        ),
        *(
            speed.engine_speed,
            speed.speed,
            speed.throughput,
            speed.follow,
            speed.workers,
            speed.peak,
            speed.training_speed,
            speed.checkpoint_cost,
            speed.precision,
            speed.screen,
        ),
    )
}


def answer(section: str, rows: list[Row]) -> str:
    """Return the line of a section for all of its rows, or nothing for a section without one."""
    return ANSWERS[section](rows) if section in ANSWERS else ""
