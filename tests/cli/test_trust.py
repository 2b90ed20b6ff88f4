"""`decrappify trust` and `decrappify restore --trust`."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from decrappify.cli import main
from decrappify.io import save_movie
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A raw movie, and the noise model of its camera."""
    expected = np.tile(np.linspace(10, 40, 64), (3, 64, 1))
    raw = np.random.default_rng(0).poisson(expected).astype(np.uint16) * 2 + 100
    save_movie(Movie.from_array(raw, "TYX"), tmp_path / "cells.ome.tif")
    NoiseModel(gain=Estimate(2.0), intercept=Estimate(-200.0), levels=(100, 180)).save(tmp_path / "camera.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_restore_trust_and_trust_print_the_same_summary(files, tiny_models):
    model = ["--model", str(tiny_models["still"])]
    noise = ["--noise", "camera.toml"]
    restored = CliRunner().invoke(main, ["restore", "cells.ome.tif", "out.ome.zarr", *model, "--trust", *noise])
    assert restored.exit_code == 0, restored.output
    line = restored.output.splitlines()[-1]
    assert line.startswith("out_trust.ome.zarr: ")
    assert line.endswith("0 % contradicted")
    again = CliRunner().invoke(main, ["trust", "out.ome.zarr", "cells.ome.tif", *noise, "-o", "map.ome.tif"])
    assert again.output.splitlines()[-1].partition(": ")[2] == line.partition(": ")[2]


def test_restore_refuses_noise_without_trust(files, tiny_models):
    command = [
        "restore",
        "cells.ome.tif",
        "out.ome.zarr",
        "--model",
        str(tiny_models["still"]),
        "--noise",
        "camera.toml",
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "--noise is used by --trust only" in result.output
