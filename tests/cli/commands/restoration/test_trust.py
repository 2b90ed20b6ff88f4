"""`decrappify trust` and `decrappify restore --trust`."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
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


def test_spread_follows_the_trust_map_and_is_shown_in_the_report(files, tiny_models):
    model = ["--model", str(tiny_models["still"]), "--device", "cpu"]
    command = ["restore", "cells.ome.tif", "out.ome.zarr", *model, "--noise", "camera.toml"]
    refused = CliRunner().invoke(main, [*command[:-2], "--spread", "2"])
    assert refused.exit_code == 2
    assert "--spread is an option of --trust" in refused.output
    refused = CliRunner().invoke(main, [*command, "--trust", "--spread", "9", "--spread-by", "symmetry"])
    assert refused.exit_code == 2
    assert not (files / "out.ome.zarr").exists(), "refused before the restoration"
    restored = CliRunner().invoke(main, [*command, "--trust", "--spread", "2"])
    assert restored.exit_code == 0, restored.output
    assert restored.output.splitlines()[-1].startswith("out_spread.ome.zarr: spread, root mean square deviation")
    finished = ["trust", "out.ome.zarr", "cells.ome.tif", "--noise", "camera.toml", "--report", "trust.html"]
    result = CliRunner().invoke(main, [*finished, *model, "--spread", "2"])
    assert result.exit_code == 0, result.output
    assert "confirmed resolution: " in result.output
    page = (files / "trust.html").read_text(encoding="utf-8")
    assert page.count("<figcaption>spread</figcaption>") == page.count("<figcaption>score</figcaption>") > 0
    assert "confirmed resolution" in page
    other = CliRunner().invoke(main, [*finished[:-2], *model, "--spread", "3"])
    assert other.exit_code == 2
    assert "is not the spread of out.ome.zarr by 3 restorations (noise)" in other.output
    alone = CliRunner().invoke(main, [*finished[:-2], "--spread", "3"])
    assert "--spread needs the model that restored RESULT; add --model" in alone.output


def test_maps_never_replace_the_result_or_the_raw_movie(files, tiny_models):
    model = ["--model", str(tiny_models["still"])]
    assert CliRunner().invoke(main, ["restore", "cells.ome.tif", "out.ome.tif", *model]).exit_code == 0
    kept = (files / "out.ome.tif").read_bytes()
    command = ["trust", "out.ome.tif", "cells.ome.tif", "--noise", "camera.toml", "--overwrite", "-o"]
    for name in ("out.ome.tif", "cells.ome.tif"):
        refused = CliRunner().invoke(main, [*command, name])
        assert refused.exit_code == 2
        assert f"{name} is the input itself" in refused.output
    assert (files / "out.ome.tif").read_bytes() == kept


def test_trust_refuses_another_model_before_the_map(files, tiny_models):
    command = ["restore", "cells.ome.tif", "out.ome.tif", "--model", str(tiny_models["still"])]
    assert CliRunner().invoke(main, command).exit_code == 0
    command = ["trust", "out.ome.tif", "cells.ome.tif", "--noise", "camera.toml", "--model", str(tiny_models["movie"])]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "was restored with the model" in refused.output
    assert not (files / "out_trust.ome.tif").exists()


def test_report_refuses_a_finished_map_of_another_noise_model_or_spot(files, tiny_models):
    """Write the map of a plain TIFF, as of another program, as an OME-TIFF."""
    tifffile.imwrite(files / "other.tif", np.full((3, 64, 64), 140, np.float32), photometric="minisblack")
    command = ["trust", "other.tif", "cells.ome.tif", "--noise"]
    done = CliRunner().invoke(main, [*command, "camera.toml"])
    assert done.output.splitlines()[-1].startswith("other_trust.ome.tif: ")
    report = ["--report", "trust.html"]
    NoiseModel(gain=Estimate(3.0), intercept=Estimate(-300.0), levels=(100, 180)).save(files / "other.toml")
    refused = CliRunner().invoke(main, [*command, "other.toml", *report])
    assert refused.exit_code == 2
    assert "was computed with another noise model; replace it with --overwrite" in refused.output
    refused = CliRunner().invoke(main, [*command, "camera.toml", *report, "--spot-px", "2"])
    assert "was computed with --spot-px 1.0; replace it" in refused.output
    assert CliRunner().invoke(main, [*command, "camera.toml", *report]).exit_code == 0


@pytest.mark.parametrize("raw", [np.full((4, 64, 64), 77, np.uint16), np.arange(256, dtype=np.uint16).reshape(4, 8, 8)])
def test_restore_states_that_it_is_possible_without_the_map_that_is_refused(files, tiny_models, command, raw):
    save_movie(Movie.from_array(raw, "TYX"), "odd.ome.tif")
    words = ["restore", "odd.ome.tif", "odd.ome.zarr", "--model", tiny_models["still"]]
    refused = command(*words, "--trust", exit_code=2)
    assert refused.stderr.strip().endswith("a file of calibrate for the camera, or restore without a trust map")
    trust = command("trust", "odd.ome.tif", "odd.ome.tif", "-o", "map.ome.tif", exit_code=2)
    assert "restore without" not in trust.stderr
