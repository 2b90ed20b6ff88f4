from __future__ import annotations

import json
import math

import numpy as np
import pytest

from decrappify.domain import deviations, learned_ranges
from decrappify.domain.ranges import scores

LEARNED = {"noise": [0.01, 0.02, 0.1, 0.2, 0.3], "correlation": [0.0, 0.0, 0.0, 0.1, 0.9]}


def samples(number):
    rng = np.random.default_rng(2)
    ramp = np.linspace(0, 1, 64) ** 3
    return [[ramp + rng.normal(0, sigma, (64, 64))] for sigma in np.linspace(0.05, 0.2, number)]


def test_learned_ranges_are_quantiles_of_every_feature_and_serializable():
    ranges = learned_ranges(samples(20))
    assert set(ranges) == {"brightness", "noise", "correlation", "detail"}
    assert all(quantiles == sorted(quantiles) and len(quantiles) == 5 for quantiles in ranges.values())
    assert ranges["noise"][0] < 0.08 < ranges["noise"][2] < 0.16 < ranges["noise"][4]
    assert json.loads(json.dumps(ranges)) == ranges


def test_learned_ranges_of_fewer_than_20_samples_are_empty():
    assert learned_ranges(samples(19)) == {}


@pytest.mark.parametrize(("noise", "outside"), [(0.009, True), (0.02, False), (0.25, False), (0.35, True)])
def test_deviations_are_beyond_the_outer_quantiles(noise, outside):
    found = deviations({"noise": noise}, LEARNED)
    assert bool(found) == outside
    assert not outside or (found[0].value, found[0].is_high) == (noise, noise > 0.1)


def test_limits_are_not_widened_by_single_samples_nor_narrower_than_the_minimum():
    assert scores({"correlation": 0.5}, LEARNED)["correlation"].high == pytest.approx(0.2)
    narrow = scores({"brightness": 0.1}, {"brightness": [0.1] * 5})["brightness"]
    assert (narrow.low, narrow.high, narrow.score) == pytest.approx((-0.05, 0.25, 0))


def test_deviations_are_sorted_by_their_distance():
    found = deviations({"noise": 0.4, "correlation": 0.8}, LEARNED)
    assert [deviation.feature for deviation in found] == ["correlation", "noise"]


@pytest.mark.parametrize("quantiles", [None, [0.1] * 4, [1, 2, 3, 2, 5], [0, 1, 2, 3, math.inf], ["0"] * 5, [True] * 5])
def test_damaged_entries_of_a_card_are_ignored(quantiles):
    assert scores({"noise": 0.4}, {"noise": quantiles}) == {}
