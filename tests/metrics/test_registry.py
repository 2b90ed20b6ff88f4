"""Registration of user-defined metrics, and tables generated from the registry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from decrappify.benchmarking import benchmark
from decrappify.errors import InputError
from decrappify.metrics import get_metric, list_metrics, register_metric, score_movie, unregister_metric
from decrappify.metrics.scoring.metric import documentation_table

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture
def mae():
    """A metric as a user defines it."""

    @register_metric(
        key="mae",
        label="MAE",
        unit="counts",
        direction="lower",
        digits=1,
        meaning="mean absolute error",
        section="Mine",
    )
    def mean_absolute_error(restored, reference):
        return np.abs(restored - reference).mean()

    yield mean_absolute_error
    unregister_metric("mae")


@pytest.fixture
def pair(rng):
    reference = rng.random((20, 24, 32)) * 100
    return reference + 3, reference


@pytest.mark.usefixtures("mae")
def test_registered_metric_is_in_the_scorecard(pair):
    card = score_movie(*pair)
    assert card.mae == pytest.approx(3)
    assert ("MAE", "3 counts", "lower is better; mean absolute error") in card.rows()
    assert card.to_dict()["mae"] == card.mae
    assert score_movie(pair[0], source=pair[1]).mae is None, "it needs a reference"


@pytest.mark.usefixtures("mae")
@pytest.mark.slow
def test_registered_metric_is_in_every_form_of_the_report(pair, tmp_path):
    reference = 100 * pair[1]
    pairs = [(reference + 3, reference)]
    report = benchmark({"better": lambda movie: np.asarray(movie) - 2}, pairs, baselines=("input",))
    folder = report.save(tmp_path / "report")
    assert report.mean("better", "mae") == pytest.approx(1)
    line = next(line for line in report.table().splitlines() if "MAE counts" in line)
    assert line.split() == ["MAE", "counts", "3.0", "1.0*"]
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["figures"]["mae"]["better"] == "low"
    assert (folder / "report.csv").read_text(encoding="utf-8").splitlines()[0].endswith(",mae")
    assert '<td class="meaning">mean absolute error</td>' in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "message"), [(1, "ZeroDivisionError: division by zero"), (0, "ValueError: could not")]
)
def test_error_in_a_registered_metric_names_the_metric(pair, value, message):
    @register_metric(key="faulty", label="faulty", direction=None, meaning="a metric", tables=("scorecard",))
    def faulty(restored):
        return value / 0 if value else "high"

    try:
        with pytest.raises(InputError, match=f"^metric 'faulty' failed: {message}") as caught:
            score_movie(*pair)
        assert isinstance(caught.value.__cause__, ArithmeticError | ValueError)
    finally:
        unregister_metric("faulty")


def test_metric_receives_frames_movies_and_sums_by_name(pair):
    received = {}

    @register_metric(key="probe", label="probe", direction=None, meaning="a probe", tables=("scorecard",))
    def probe(restored, reference_movie, pixel_sums, data_range, scale):
        received.update(restored=restored, movie=reference_movie, sums=pixel_sums, width=data_range, scale=scale)

    try:
        assert score_movie(*pair).probe is None
    finally:
        unregister_metric("probe")
    assert received["restored"].shape == (16, 24, 32), "frames are sampled"
    assert received["movie"].shape == (20, 1, 1, 24, 32)
    assert received["sums"].slope == pytest.approx(1)
    assert (received["width"], received["scale"]) == (np.ptp(pair[1]), 1)


@pytest.mark.parametrize(
    ("options", "function", "message"),
    [
        ({"key": "psnr"}, lambda restored: 0.0, "metric 'psnr' is registered already"),
        ({"key": "my metric"}, lambda restored: 0.0, "metric key 'my metric' is not valid"),
        (
            {},
            lambda truth: 0.0,
            "metric 'mine' needs 'truth', which is not measured; its function can have the parameters",
        ),
        ({"key": 3}, lambda restored: 0.0, "metric key 3 is not valid"),
        ({"direction": "up"}, lambda restored: 0.0, "metric 'mine' has direction 'up'; choose 'higher', 'lower'"),
        ({"digits": -1}, lambda restored: 0.0, "digits of metric 'mine' is -1, expected an integer of at least 0"),
        ({"tables": ("page",)}, lambda restored: 0.0, "metric 'mine' has tables"),
    ],
)
def test_register_metric_rejects_invalid_metrics(options, function, message):
    before = list_metrics()
    with pytest.raises(InputError, match=message):
        register_metric(**{"key": "mine", "label": "mine", "direction": None, "meaning": "mine"} | options)(function)
    assert list_metrics() == before
    with pytest.raises(InputError, match="unknown metric 'mine', expected one of psnr, "):
        get_metric("mine")


def test_documentation_lists_every_metric():
    expected = "\n".join(documentation_table(list_metrics()))
    assert expected in DOCUMENTATION.read_text(encoding="utf-8"), f"docs/metrics.md needs this table:\n{expected}"
