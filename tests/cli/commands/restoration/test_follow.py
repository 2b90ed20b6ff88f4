from __future__ import annotations

import numpy as np
import pytest

from decrappify.io import open_movie, save_movie
from decrappify.movie import Movie


@pytest.fixture
def store(tmp_path, rng):
    frames = rng.integers(100, 900, (6, 2, 1, 24, 26), dtype=np.uint16)
    return save_movie(Movie.from_array(frames, channel_names=["GFP", "RFP"]), tmp_path / "cells.ome.zarr")


def test_follow_restores_a_channel_as_a_plain_run_does(store, tiny_models, tmp_path, command):
    outputs = [tmp_path / name for name in ("followed.ome.tif", "plain.ome.tif")]
    shared = ["--model", tiny_models["movie"], "--channel", "RFP", "--device", "cpu", "--normalization-frames", 4]
    result = command("restore", store, outputs[0], *shared, "--follow", "--follow-timeout", 0.2)
    assert result.stdout == (
        f"{outputs[0]}: T 6, C 1, Z 1, Y 24, X 26, uint16; the acquisition ended 0.2 s after its last file\n"
    )
    command("restore", store, outputs[1], *shared)
    followed, plain = map(open_movie, outputs)
    assert followed.channel_names == ("RFP",)
    assert np.array_equal(followed, plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--follow-timeout", 3], "--follow-timeout is used by --follow only; add --follow, or omit it"),
        (["--follow", "--trust"], "--trust cannot be combined with --follow; omit one of them"),
        (["--follow", "--part", "1/2"], "--part cannot be combined with --follow; omit one of them"),
        (["--follow", "--scene", "all"], "--scene all cannot be combined with --follow; omit one of them"),
        (["--follow", "--follow-timeout", 0], "--follow-timeout 0.0 is not valid, expected seconds above 0"),
        (["--normalization-frames", 0], "--normalization-frames 0 is not valid, expected a number of frames"),
        (["--follow", "--frames", "2:4"], "--frames 2:4 cannot be followed, as all frames are restored"),
    ],
)
def test_options_that_cannot_be_followed_end_in_one_line(store, tiny_models, tmp_path, command, options, message):
    model = ["--model", tiny_models["movie"]]
    result = command("restore", store, tmp_path / "out.ome.zarr", *model, *options, exit_code=2)
    assert result.stderr.startswith(f"decrappify: {message}")
    assert result.stderr.count("\n") == 1
