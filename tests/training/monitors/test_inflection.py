"""Detection of the inflection point in simulated histories of a GAN phase."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import InputError
from decrappify.training.monitors.inflection import (
    InflectionDetector,
    Limits,
    choose,
    cusum_alarm,
    smoothed_kid,
    texture_turn,
    within_limits,
)

from .monitor_rows import BASE


def history(n, *, seed=0, noise=0.02, **series):
    """Create rows 1..n; a series is a function of k, by default the baseline's value; KID and ratios are noisy."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(1, n + 1):
        row = replace(BASE, step=10 * k, images_seen=80 * k, kid_error=0.03)
        row = replace(row, **{name: value(k) for name, value in series.items()})
        jitter = np.exp(noise * rng.standard_normal(4))
        rows.append(
            replace(
                row,
                kid=row.kid * jitter[0],
                noise_draw=row.noise_draw * jitter[1],
                invented=row.invented * jitter[2],
                confirmed=row.confirmed * jitter[3],
            )
        )
    return rows


def useful(n=60, best=20, **arguments):
    """Create a history whose KID falls until `best` and rises again; texture later exceeds that of the targets."""
    changes = {
        "kid": lambda k: 0.2 + 0.8 * ((k - best) / best) ** 2,
        "psnr": lambda k: 30 - 0.02 * k,
        "band_power": lambda k: (0.0, 0.0, -5 + 0.2 * k),
        "noise_draw": lambda k: 1 + 0.01 * k,
    }
    return history(n, **changes | arguments)


@pytest.mark.parametrize("seed", range(5))
def test_choose_selects_a_checkpoint_near_the_best(seed):
    verdict = choose(BASE, useful(seed=seed))
    assert verdict.index is not None
    assert verdict.row.step == pytest.approx(200, abs=40)
    assert "KID changes from 1 to 0." in verdict.reason
    assert verdict.reason.startswith(f"step {verdict.row.step} ({verdict.row.images_seen} images seen)")


@pytest.mark.parametrize("seed", range(10))
def test_choose_keeps_the_pretrained_generator_without_improvement(seed):
    verdict = choose(BASE, history(40, seed=seed, noise=0.04))
    assert (verdict.index, verdict.row) == (None, None)
    assert verdict.reason.startswith("no useful GAN phase, keep the pretrained generator: KID changes from 1 to 0.9")
    assert all(verdict.feasible)


def test_choose_keeps_the_pretrained_generator_if_no_checkpoint_is_within_limits():
    rows = useful(psnr=lambda k: 28.5)
    verdict = choose(BASE, rows)
    assert verdict.index is None
    assert verdict.reason.endswith("no checkpoint is within the limits")
    detector = InflectionDetector(BASE, Limits(grace=0))
    assert [detector.add(row) for row in rows[:4]] == [False, False, True, True]
    patient = InflectionDetector(BASE, Limits(grace=2))
    assert [patient.add(row) for row in rows[:6]] == [False, False, False, False, True, True]
    assert detector.reason == "3 checkpoints in a row, up to step 30, are beyond the limits"


def test_choose_keeps_the_pretrained_generator_without_checkpoints():
    assert choose(BASE, []).reason.endswith("no checkpoint was measured")


def test_detector_stops_at_a_collapse_and_choose_ignores_it():
    rows = useful(psnr=lambda k: 29.7 if k <= 8 else 25.0)
    detector = InflectionDetector(BASE)
    stopped = next(k for k, row in enumerate(rows) if detector.add(row))
    assert stopped == 8
    assert detector.reason == "PSNR is 5.00 dB lower at step 90, at most 3 dB is allowed"
    verdict = choose(BASE, detector.rows)
    assert verdict.index is not None
    assert verdict.index < 8
    assert verdict.feasible == (True,) * 8 + (False,)


def test_detector_stops_at_a_row_that_is_not_finite_and_choose_ignores_it():
    rows = useful(12)
    broken = replace(rows[-1], psnr=math.nan, kid=math.nan, kid_error=math.nan, noise_draw=math.nan)
    detector = InflectionDetector(BASE)
    assert not any(detector.add(row) for row in rows[:-1])
    assert detector.add(broken)
    assert detector.reason == "the output at step 120 is not finite"
    assert choose(BASE, detector.rows).index < 11


def test_choose_ignores_a_single_outlier():
    rows = useful(40, best=20)
    outlier = [replace(row, kid=0.01) if k == 36 else row for k, row in enumerate(rows)]
    assert choose(BASE, outlier).index == pytest.approx(19, abs=3)


def test_smoothed_kid_keeps_a_minimum_next_to_the_first_checkpoint():
    falls = [0.5, 0.3, 0.2, 0.2, 0.4, 0.7, 1.0, 1.3]
    rows = [replace(BASE, step=k + 1, kid=kid, kid_error=0.01) for k, kid in enumerate(falls)]
    assert smoothed_kid(BASE, rows) == pytest.approx((0.5, 0.3, 0.3, 0.3, 0.4, 0.7, 0.7, 0.7))
    assert choose(BASE, rows, Limits(kid_errors=0.1)).index == 1


@pytest.mark.parametrize("n", [1, 2])
def test_choose_needs_more_than_two_checkpoints(n):
    assert choose(BASE, useful(n, kid=lambda k: 0.5)).index is None


def test_choose_selects_a_checkpoint_before_an_oscillation():
    rows = useful(40, best=30, psnr=lambda k: 30 - 0.1 if k < 20 else (29.9 if k % 2 else 27.5))
    verdict = choose(BASE, rows)
    assert verdict.index < 25  # the running mean leaves the limits after a few periods
    assert not any(verdict.feasible[25:])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("psnr", 28.9),
        ("noise_draw", 1.6),
        ("band_power", (0.0, 0.0, 1.1)),
        ("grid_peak", 2.1),
        ("grid_peak", math.nan),
        ("noise_draw", math.nan),
    ],
)
def test_within_limits_applies_each_limit(name, value):
    row = replace(BASE, step=1, **{name: value})
    assert within_limits(BASE, [row], Limits()) == (False,)
    assert within_limits(BASE, [replace(BASE, step=1)], Limits()) == (True,)


def test_within_limits_ignores_a_monitor_without_baseline():
    base = replace(BASE, noise_draw=math.nan)
    assert within_limits(base, [replace(base, step=1)], Limits()) == (True,)


def test_detector_stops_if_noise_draw_rises_and_kid_is_constant():
    rows = useful(
        80,
        kid=lambda k: max(0.3, 1 - 0.05 * k),
        noise_draw=lambda k: 0.6 * math.exp(0.03 * max(0, k - 25)),
        noise=0.005,
    )
    detector = InflectionDetector(BASE, Limits(noise_draw=100, band_3_db=100))
    stopped = next(k for k, row in enumerate(rows) if detector.add(row))
    assert 25 < stopped < 50
    assert detector.reason == "noise-draw power rises abnormally and KID has not improved for 10 checkpoints"


def test_detector_does_not_stop_a_useful_phase():
    detector = InflectionDetector(BASE)
    assert not any(detector.add(row) for row in useful(30, noise=0.01))
    assert detector.reason == ""


def test_detector_rejects_rows_out_of_order():
    detector = InflectionDetector(BASE)
    detector.add(replace(BASE, step=5))
    with pytest.raises(InputError, match="step 5 follows step 5; add checkpoints in the order of steps"):
        detector.add(replace(BASE, step=5))


def test_cusum_alarm_is_rarely_false():
    rng = np.random.default_rng(0)
    alarms = [cusum_alarm(rng.normal(0, 0.05, 40)) is not None for _ in range(200)]
    assert np.mean(alarms) < 0.3  # ten increments estimate the spread only roughly; an alarm alone does not stop a run


def test_cusum_alarm_ignores_short_series():
    assert cusum_alarm([5.0] * 10) is None


def test_texture_turn_is_where_only_invented_power_grows():
    rows = history(30, noise=0, confirmed=lambda k: min(k, 12) / 12, invented=lambda k: 1 + 0.01 * k)
    assert texture_turn(rows) == 15  # the first five rows with constant confirmed power are those of steps 12 to 16
    assert texture_turn(rows[:14]) is None
    assert texture_turn([]) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.01, 2), min_size=1, max_size=30), st.data())
def test_choose_selects_the_best_checkpoint_within_the_limits(kids, data):
    drops = data.draw(st.lists(st.floats(0, 2), min_size=len(kids), max_size=len(kids)))
    rows = [
        replace(BASE, step=k + 1, kid=kid, kid_error=0.0, psnr=30 - drop)
        for k, (kid, drop) in enumerate(zip(kids, drops, strict=True))
    ]
    verdict = choose(BASE, rows, Limits(kid_errors=0))
    smooth = smoothed_kid(BASE, rows)
    candidates = [smooth[k] for k in range(len(rows)) if verdict.feasible[k]]
    if verdict.index is None:
        assert all(value >= BASE.kid for value in candidates)
    else:
        assert verdict.feasible[verdict.index]
        assert verdict.row is rows[verdict.index]
        assert rows[verdict.index].psnr >= 29
        assert smooth[verdict.index] == min(candidates) < BASE.kid


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"psnr_budget_db": 0}, "psnr_budget_db is 0, expected a number above 0"),
        ({"patience": -1}, "patience is -1, expected a number above 0"),
        ({"hard_stop_db": 0.5}, r"hard_stop_db is 0.5, expected at least psnr_budget_db \(1\)"),
        ({"kid_errors": math.nan}, "kid_errors is nan, expected 0 or more"),
    ],
)
def test_limits_rejects_invalid_values(settings, message):
    with pytest.raises(InputError, match=message):
        Limits(**settings)
