from __future__ import annotations

import numpy as np
import pytest
import tifffile

import decrappify as dc


@pytest.fixture
def write(tmp_path, rng):
    def folder(names, shape=(24, 32)):
        root = tmp_path / "cells"
        root.mkdir()
        for name in names:
            tifffile.imwrite(root / f"{name}.tif", rng.integers(100, 900, shape, dtype=np.uint16))
        return root

    return folder


def test_restore_of_a_folder_of_frames_reports_its_interpretation(write, tiny_models, tmp_path, command):
    source, output = write(["t1", "t2", "t3"]), tmp_path / "out.ome.zarr"
    result = command("restore", source, output, "--model", tiny_models["movie"], "--device", "cpu")
    assert result.stderr.count("\n") == 1
    assert "decrappify: cells was read as one movie of 3 frames" in result.stderr
    assert "--as images" in result.stderr
    assert dc.open_movie(output).shape == (3, 1, 1, 24, 32)


def test_restore_of_a_folder_of_images_restores_each_on_request(write, tiny_models, tmp_path, command):
    source = write(["liver", "brain"])
    arguments = ["--model", tiny_models["still"], "--device", "cpu"]
    result = command("restore", source, tmp_path / "one.ome.tif", *arguments)
    assert result.stderr.count("\n") == 1
    assert "2 separate images" in result.stderr
    assert "only scene 0 (brain) was opened" in result.stderr
    result = command("restore", source, tmp_path / "out.ome.tif", *arguments, "--scene", "all")
    assert result.stderr.count("\n") == 1
    for name in ("liver", "brain"):
        expected = dc.restore(source / f"{name}.tif", tiny_models["still"], inference=dc.InferenceOptions(device="cpu"))
        np.testing.assert_array_equal(dc.open_movie(tmp_path / f"out_{name}.ome.tif").frame(0), expected.frame(0))
    command("restore", source, tmp_path / "movie.ome.zarr", *arguments, "--as", "movie")
    assert dc.open_movie(tmp_path / "movie.ome.zarr").shape[0] == 2
    command("restore", source, tmp_path / "liver.ome.tif", *arguments, "--scene", "liver")
    assert dc.open_movie(tmp_path / "liver.ome.tif").frame(0).shape == (24, 32)


def test_info_lists_the_wells_and_sites_of_a_folder(write, command):
    source = write([f"{well}_s1_w{c}" for well in ("B02", "B03") for c in (1, 2)])
    result = command("info", source)
    assert result.stdout.splitlines()[1:3] == [
        "  0  B02 s1: T 1, C 2, Z 1, Y 24, X 32, uint16",
        "  1  B03 s1: T 1, C 2, Z 1, Y 24, X 32, uint16",
    ]
    assert result.stderr.count("was read as 2 scenes") == 1
    listed = command("info", source, "--as", "images").stdout
    assert "4 scenes" in listed


@pytest.mark.usefixtures("undrawn_reports")
def test_benchmark_of_two_folders_reports_their_interpretation(write, tiny_models, tmp_path, command):
    source = write(["t1", "t2"], (32, 32))
    arguments = ["--model", tiny_models["still"], "--device", "cpu", "--baselines", "input", "--output"]
    result = command("benchmark", source, source, *arguments, tmp_path / "movie")
    assert "cells was read as one movie of 2 frames" in result.stderr
    result = command("benchmark", source, source, *arguments, tmp_path / "images", "--as", "images")
    assert "were read as 2 pairs of files with equal names; pass --as movie to read" in result.stderr
