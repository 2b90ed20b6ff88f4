"""`decrappify check`."""

from __future__ import annotations

import numpy as np
from click.testing import CliRunner

from decrappify.cli import main
from decrappify.io import save_movie
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel


def test_check_prints_four_lines_writes_the_report_and_ends_with_0(tmp_path, tiny_models):
    expected = np.tile(np.linspace(10, 40, 64), (4, 64, 1))
    raw = np.random.default_rng(0).poisson(expected).astype(np.uint16) * 2 + 100
    save_movie(Movie.from_array(np.stack([raw, raw], 1), "TCYX"), tmp_path / "cells.ome.tif")
    camera = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-200.0)).save(tmp_path / "camera.toml")
    report = tmp_path / "check.html"
    command = ["check", str(tmp_path / "cells.ome.tif"), "--model", str(tiny_models["still"])]
    refused = CliRunner().invoke(main, [*command, "--noise", str(camera)])
    assert refused.exit_code == 2
    assert "open it with --channel 0" in refused.output
    result = CliRunner().invoke(main, [*command, "--noise", str(camera), "--channel", "0", "--report", str(report)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == ["noise", "domain", "held-out photons", "verdict"]
    assert "is worse than a Gaussian filter" in lines[4]
    assert report.is_file()
