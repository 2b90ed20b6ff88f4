"""Calibration of intervals on pairs, in Python and on the command line."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import decrappify as dc
from decrappify.benchmarking import BenchmarkOptions, calibrate_intervals
from decrappify.cli import main
from decrappify.errors import InputError
from decrappify.io import save_movie
from decrappify.movie import Movie

LEVEL = 0.8


def pair_of(rng, shape=(64, 64)):
    """Return a raw image of 64 × 64 px, and its reference."""
    reference = 100 + 200 * np.kron(rng.random((shape[0] // 8, shape[1] // 8)), np.ones((8, 8)))
    return (rng.poisson((reference - 90) / 2) * 2 + 90).astype(np.uint16), reference.astype(np.float32)


@pytest.fixture
def pairs(rng):
    return [pair_of(rng) for _ in range(16)]


def test_calibrate_intervals_covers_new_fields(pairs, tiny_models, rng):
    intervals = calibrate_intervals(tiny_models["still"], pairs, level=LEVEL)
    assert (intervals.n_fields, intervals.model, intervals.guarantee) == (16, "tiny-still", "mean")
    covered = []
    for _ in range(10):
        measured, reference = pair_of(rng)
        low, high = intervals.bounds(measured, dc.restore(measured, tiny_models["still"]))
        covered.append(np.mean((low[0, 0, 0] <= reference) & (reference <= high[0, 0, 0])))
    assert np.mean(covered) == pytest.approx(0.84, abs=0.04)


@pytest.mark.slow
def test_calibrate_intervals_fits_references_of_other_gray_levels(pairs, tiny_models):
    same = calibrate_intervals(tiny_models["still"], pairs, level=LEVEL).channels[0]
    brighter = [(low, 5 * high - 300) for low, high in pairs]
    with pytest.warns(UserWarning, match=r"references are 5.* times those of the sources"):
        fitted = calibrate_intervals(tiny_models["still"], brighter, level=LEVEL).channels[0]
    np.testing.assert_allclose(fitted.factors, same.factors, rtol=0.25)
    unfitted = BenchmarkOptions(levels="same")
    wide = calibrate_intervals(tiny_models["still"], brighter, level=LEVEL, options=unfitted).channels[0]
    assert min(wide.factors) > 3 * max(same.factors)


@pytest.mark.slow
def test_calibrate_intervals_counts_fields_not_frames_or_repeated_exposures(pairs, tiny_models):
    movies = [(np.stack([low, low]), np.stack([high, high])) for low, high in pairs]
    with pytest.raises(
        InputError, match=r"of 9 fields of view, expected at least 10 .* frames of a movie are one field"
    ):
        calibrate_intervals(tiny_models["still"], movies[:9])
    repeated = [(low, high) for low, high in pairs[:9] for _ in range(2)]
    with pytest.raises(InputError, match=r"of 9 fields of view"):
        calibrate_intervals(tiny_models["still"], repeated)
    doubled = calibrate_intervals(tiny_models["still"], movies, level=LEVEL).channels[0]
    assert doubled.factors == calibrate_intervals(tiny_models["still"], pairs, level=LEVEL).channels[0].factors


def test_calibrate_intervals_calibrates_each_channel(pairs, tiny_models):
    both = [tuple(np.stack([one, two])[None, :, None] for one, two in zip(*two_pairs, strict=True))
            for two_pairs in zip(pairs, pairs[::-1], strict=True)]  # fmt: skip
    intervals = calibrate_intervals(tiny_models["still"], both, level=LEVEL)
    assert len(intervals.channels) == 2
    assert intervals.channels[0].factors == intervals.channels[1].factors


def test_calibrate_intervals_refuses_unrelated_pairs_and_other_models(pairs, tiny_models):
    shuffled = [(low, high) for (low, _), (_, high) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
    with pytest.raises(InputError, match=r"do not show the same field"):
        calibrate_intervals(tiny_models["still"], shuffled, level=LEVEL)
    with pytest.raises(InputError, match=r"has scale 2, .* intervals need scale 1"):
        calibrate_intervals(tiny_models["movie-x2"], pairs, level=LEVEL)
    with pytest.raises(InputError, match=r"references of equal size"):
        calibrate_intervals(tiny_models["still"], [(low[::2, ::2], high) for low, high in pairs], level=LEVEL)
    with pytest.raises(InputError, match=r"has no reference"):
        calibrate_intervals(tiny_models["still"], [(low, None) for low, _ in pairs], level=LEVEL)


@pytest.fixture
def folder(pairs, tmp_path, monkeypatch):
    """Folder with the pairs as low/ and high/, and a raw movie."""
    for number, (low, high) in enumerate(pairs):
        for name, image in (("low", low), ("high", high)):
            (tmp_path / name).mkdir(exist_ok=True)
            save_movie(Movie.from_array(image), tmp_path / name / f"cell{number}x.ome.tif")
    save_movie(Movie.from_array(pairs[0][0]), tmp_path / "cells.ome.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_calibrate_intervals_and_write_bounds(folder, tiny_models):
    def run(*words):
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 0, result.output
        return result.output.splitlines()[-1]

    model = ["--model", tiny_models["still"]]
    line = run("calibrate-intervals", "low", "high", "--as", "images", *model, "--level", 0.8, "-o", "intervals.toml")
    assert line == "intervals.toml: 80 % intervals, calibrated on 16 fields"
    run("restore", "cells.ome.tif", "out.ome.zarr", *model)
    line = run("intervals", "out.ome.zarr", "cells.ome.tif", "--intervals", "intervals.toml")
    assert line.startswith("out_intervals.ome.zarr: 80 % intervals, calibrated on 16 fields, median width ")
    with dc.open_movie("out_intervals.ome.zarr") as movie:
        assert movie.channel_names == ("low", "high")


def test_calibrate_intervals_command_refuses_existing_and_other_outputs(folder, tiny_models):
    (folder / "intervals.toml").write_text("", "utf-8")
    command = ["calibrate-intervals", str(folder), "--model", str(tiny_models["still"]), "-o"]
    for output, message in (("intervals.toml", "already exists"), ("intervals.json", "ends in .toml")):
        result = CliRunner().invoke(main, [*command, output])
        assert result.exit_code == 2
        assert message in result.output


def test_calibrate_intervals_refuses_images_as_their_own_reference(folder, tiny_models):
    words = ["calibrate-intervals", "low", "low", "--model", str(tiny_models["still"]), "-o", "own.toml"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2
    assert "is its own reference" in refused.output


def test_calibrate_intervals_refuses_copies_of_a_field(pairs, tiny_models):
    source, reference = pairs[0]
    copies = [*pairs[:9], (source, np.asarray(reference).copy())]
    with pytest.raises(InputError, match="have the same reference image, expected different fields of view"):
        calibrate_intervals(tiny_models["still"], copies)
