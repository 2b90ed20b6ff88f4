from __future__ import annotations

import csv
import json

import pytest

from decrappify.batch import Row, Summary
from decrappify.batch.summary import COLUMNS
from decrappify.errors import FormatError, OutputExistsError

ROWS = [
    Row(
        input="raw/µ, 1.czi", output="out/µ, 1.ome.zarr", status="restored", model="m", frames=3, channels=1, slices=1,
        height=8, width=9, dtype="uint16", seconds=75.0, megabytes=0.1, warnings="one",
    ),
    Row(input="raw/b.czi", scene="A1", status="failed", error="b.czi is damaged; copy it again"),
]  # fmt: skip


def test_summary_is_written_as_csv_and_json(tmp_path):
    summary = Summary(ROWS)
    with summary.save(tmp_path / "run.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["input"], row["status"], row["frames"]) for row in rows] == [
        ("raw/µ, 1.czi", "restored", "3"), ("raw/b.czi", "failed", ""),
    ]  # fmt: skip
    content = json.loads(summary.save(tmp_path / "run.json").read_text(encoding="utf-8"))
    assert content["complete"] is False
    assert content["outputs"][1]["error"] == "b.czi is damaged; copy it again"
    for name in ("run.csv", "run.json"):
        Summary(ROWS[:1]).save(tmp_path / name)  # replaces that of an earlier run
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["complete"] is True


@pytest.mark.parametrize("name", ["run.csv", "run.json"])
def test_other_files_are_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("my notes")
    with pytest.raises(OutputExistsError, match="is not a summary of a run; choose another name"):
        Summary(ROWS).save(tmp_path / name)
    with pytest.raises(FormatError, match=r"supported: \.csv and \.json"):
        Summary(ROWS).save(tmp_path / "run.xlsx")


def test_summary_states_counts_and_a_table():
    summary = Summary(ROWS)
    assert summary.text() == "2 outputs: 1 restored, 1 failed"
    assert not summary.complete
    assert [row.input for row in summary.failed] == ["raw/b.czi"]
    assert summary.table().splitlines() == [
        "output             status    frames  channels  size   time        note",
        "out/µ, 1.ome.zarr  restored  3       1         8 x 9  1 min 15 s  one",
        "raw/b.czi          failed                                         b.czi is damaged; copy it again",
    ]
    assert ROWS[0].line() == "out/µ, 1.ome.zarr: restored, T 3, C 1, Z 1, Y 8, X 9, uint16, m, 1 min 15 s"
    assert ROWS[1].line() == "raw/b.czi, scene 'A1': failed: b.czi is damaged; copy it again"
