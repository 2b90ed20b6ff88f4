"""`decrappify crappify`."""

from __future__ import annotations

import pytest

from decrappify.crappify import Crappifier
from decrappify.io import open_movie, save_movie
from decrappify.noise import Calibration


@pytest.fixture
def cells(tmp_path, rng):
    return save_movie(rng.poisson(300, (6, 40, 48)).astype("uint16"), tmp_path / "cells.tif")


def test_crappifier_may_be_the_noise_model_of_calibrate(cells, tmp_path, command):
    camera, output = tmp_path / "camera.toml", tmp_path / "noisy.ome.tif"
    command("calibrate", cells, "-o", camera)
    result = command("crappify", cells, output, "--crappifier", camera)
    assert result.stderr.count("has no photon noise, as the gain is not determined") == 1
    used = open_movie(output).provenance["crappified"]["crappifier"]
    assert used["steps"] == Crappifier(Calibration.load(camera).noise.parts()).to_dict()["steps"]


def test_preset_and_crappifier_exclude_each_other(cells, tmp_path, command):
    options = ["--preset", "confocal", "--crappifier", tmp_path / "mine.toml"]
    error = command("crappify", cells, tmp_path / "out.ome.tif", *options, exit_code=2).stderr
    assert error == "decrappify: --preset and --crappifier exclude each other; pass one of them\n"
    error = command("crappify", cells, tmp_path / "out.ome.tif", exit_code=2).stderr
    assert "needs either --preset or --crappifier" in error
