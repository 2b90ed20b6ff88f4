from __future__ import annotations

import numpy as np
import pytest

from decrappify.io import save_movie
from decrappify.movie import Movie


@pytest.fixture
def source(tmp_path, rng):
    pixels = rng.integers(90, 4000, (6, 24, 32), dtype=np.uint16)
    return save_movie(Movie.from_array(pixels), tmp_path / "cells.ome.zarr")


def test_parts_report_what_is_restored_and_who_completed_the_output(command, source, tiny_models, tmp_path):
    output, model = tmp_path / "out.ome.zarr", str(tiny_models["movie"])
    lines = [
        command("restore", str(source), str(output), "--model", model, "--part", part).stdout.strip()
        for part in ("2/2", "2/2", "1/2", "2/2")
    ]
    assert lines[0] == f"{output}: part 2/2 is restored; the last part to end completes the output"
    assert lines[1] == f"{output}: part 2/2 is already complete; the last part to end completes the output"
    assert lines[2] == f"{output}: T 6, C 1, Z 1, Y 24, X 32, uint16, completed by part 1/2"
    assert lines[3] == f"{output}: part 2/2 is already complete, and so is the output"


def test_part_without_frames_is_reported(command, tmp_path, rng, tiny_models):
    source = save_movie(Movie.from_array(rng.integers(90, 4000, (24, 32), dtype=np.uint16)), tmp_path / "a.ome.zarr")
    result = command("restore", source, tmp_path / "out.ome.zarr", "--model", tiny_models["still"], "--part", "1/2")
    expected = "part 1/2 is empty, as there are fewer frames than parts; the last part to end completes the output"
    assert result.stdout.strip() == f"{tmp_path / 'out.ome.zarr'}: {expected}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["out.ome.zarr", "--workers", "2", "--dask", "tcp://host:1"], "--dask and --workers are two ways"),
        (["out.ome.zarr", "--workers", "2", "--part", "1/2"], "--workers and --part are two ways"),
        (["out.ome.zarr", "--part", "0/2"], "--part 0/2 is not known, expected 1/N to N/N"),
        (["out.ome.zarr", "--part", "1/2", "--overwrite"], "jobs of parts cannot start anew"),
        (["out.ome.zarr", "--part", "1/2", "--scene", "all"], "--part shares the restoration of one movie"),
        (["--output-dir", "out", "--workers", "2"], "--workers shares the restoration of one movie"),
        (["out.ome.zarr", "--workers", "0"], "0 is not a number of local workers, expected at least 1"),
    ],
)
def test_options_that_do_not_fit_together_are_one_line(command, source, tiny_models, monkeypatch, words, message):
    monkeypatch.chdir(source.parent)
    found = command("restore", str(source), *words, "--model", str(tiny_models["movie"]), exit_code=2)
    assert message in found.stderr
    assert found.stderr.strip().count("\n") == 0
