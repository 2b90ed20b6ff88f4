"""`decrappify restore --output-dir`, `--log-file` and `info --json`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import tifffile

import decrappify as dc
from decrappify.cli.batch import parse_models
from decrappify.io.store.locks import locked


@pytest.fixture
def raw(tmp_path, rng, monkeypatch):
    """A folder with two movies and a still."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, shape in (("a.tif", (4, 24, 32)), ("b.tif", (5, 24, 32)), ("still.tif", (24, 32))):
        tifffile.imwrite(folder / name, rng.poisson(50, shape).astype(np.uint16), photometric="minisblack")
    monkeypatch.chdir(tmp_path)
    return folder


def lines(text):
    return [line.partition(", T")[0] for line in text.splitlines()]


def test_restore_many_prints_a_line_per_output_and_a_summary(raw, tiny_models, command):
    arguments = ["restore", "raw", "--output-dir", "out", "--device", "cpu", "--summary", "run.csv"]
    arguments += ["--model", tiny_models["movie"]]
    result = command(*arguments, exit_code=2)
    assert lines(result.stdout) == ["out/a.ome.zarr: restored", "out/b.ome.zarr: restored"]
    assert result.stderr.splitlines()[0].startswith("decrappify: 2 outputs from 3 inputs, ")
    assert "raw/still.tif: failed: still.tif is one still image, expected windows of 3" in result.stderr
    assert result.stderr.endswith(
        "1 of 3 outputs is not complete (3 outputs: 2 restored, 1 failed; run.csv); see above\n"
    )
    result = command(*arguments, "--model", tiny_models["still"])
    assert lines(result.stdout) == [
        "out/a.ome.zarr: finished earlier", "out/b.ome.zarr: finished earlier", "out/still.ome.zarr: restored",
        "3 outputs: 2 finished earlier, 1 restored; run.csv",
    ]  # fmt: skip
    result = command(*arguments, "--model", tiny_models["still"], "--quiet")
    assert (result.stdout, result.stderr) == ("", "")


def test_outputs_of_another_process_are_one_line_and_no_failure(raw, tiny_models, command):
    arguments = ["restore", "raw", "--output-dir", "out", "--device", "cpu", "--summary", "run.json"]
    arguments += ["--model", tiny_models["movie"], "--model", tiny_models["still"]]
    (raw.parent / "out").mkdir()
    with locked(raw.parent / "out" / "a.ome.zarr"), locked(raw.parent / "out" / "b.ome.zarr"):
        result = command(*arguments)
    assert lines(result.stdout) == [
        "out/still.ome.zarr: restored",
        "out/a.ome.zarr: in progress elsewhere",
        "out/b.ome.zarr: in progress elsewhere",
        "3 outputs: 2 in progress elsewhere, 1 restored; run.json",
    ]  # fmt: skip
    assert [line for line in result.stderr.splitlines() if "other processes" in line] == [
        "decrappify: skipping outputs that other processes are writing; they are checked again at the end"
    ]
    assert json.loads((raw.parent / "run.json").read_text())["complete"] is False
    with locked(raw.parent / "out" / "a.ome.zarr"):
        result = command(*arguments, "--quiet")
    assert (result.stdout, result.stderr) == ("", "")


def test_dry_run_lists_outputs_with_time_and_size(raw, tmp_path, tiny_models, command):
    (raw / "bad.czi").write_bytes(b"")
    arguments = ["restore", "raw/*.tif", "--output-dir", "out", "--device", "cpu", "--dry-run"]
    models = ["--model", tiny_models["movie"], "--model", tiny_models["still"]]
    result = command(*arguments, *models, "--name", "{stem}_r.ome.tif")
    assert lines(result.stdout)[:3] == [f"out/{name}_r.ome.tif: planned" for name in ("a", "b", "still")]
    assert "about" in result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[3].startswith("3 outputs: 3 planned; about ")
    assert result.stdout.endswith(", up to 0.0154 MB\n")
    result = command(*arguments, "raw/bad.czi", *models, exit_code=2)
    assert "1 of 4 outputs cannot be restored (4 outputs: 3 planned, 1 failed; about" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["raw/a.tif"], "Missing argument 'OUT'"),
        ([], "Missing argument 'IN'"),
        (["--output-dir", "out"], "Missing argument 'IN...'"),
        (
            ["raw/a.tif", "raw/b.tif", "o.ome.zarr"],
            "Expected IN and OUT, found 3 paths; add --output-dir DIR if all are",
        ),
        (["raw/a.tif", "o.ome.zarr", "--recursive"], "--recursive is for many inputs; add --output-dir DIR, or omit"),
        (["raw/a.tif", "o.ome.zarr", "--dry-run"], "--dry-run is for many inputs; add --output-dir DIR, or omit it"),
        (["raw", "--output-dir", "out", "--trust"], "--trust needs one input, found --output-dir"),
        (["raw", "--output-dir", "out", "--name", "{x}.mp4"], "--name '{x}.mp4' has the unknown field {x}, expected"),
        (["raw", "--output-dir", "raw"], "raw is the folder of both inputs and outputs"),
        (["*.czi", "--output-dir", "out"], "no file matches *.czi; check the pattern"),
        ([".", "--output-dir", "out"], "contains no images or movies, but folders; search them with --recursive"),
        (["raw", "--output-dir", "out", "--summary", "run.txt"], "unsupported suffix for a summary; supported: .csv"),
    ],
)
def test_mistakes_are_one_line(raw, tiny_models, command, arguments, message):
    result = command("restore", *arguments, "--model", tiny_models["still"], exit_code=2)
    assert message in result.stderr


def test_parse_models_finds_the_model_after_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.safetensors").write_bytes(b"")
    assert parse_models(["a=b.safetensors"]) == "a=b.safetensors"
    assert parse_models(["a=em-x4", "x=y=em-denoise"]) == {"a": ["em-x4"], "x=y": ["em-denoise"]}
    assert parse_models(["GFP=a=b.safetensors", "em-x4"]) == {"GFP": ["a=b.safetensors"], "*": ["em-x4"]}
    assert parse_models(["GFP=missing"]) == {"GFP": ["missing"]}


def test_model_per_channel_on_the_command_line(tmp_path, rng, tiny_models, command):
    movie = dc.Movie.from_array(rng.poisson(50, (3, 2, 1, 24, 32)).astype(np.uint16), channel_names=("GFP", "DAPI"))
    dc.save_movie(movie, tmp_path / "cells.ome.tif")
    output = tmp_path / "out.ome.zarr"
    models = ["--model", f"GFP={tiny_models['movie']}", "--model", f"DAPI={tiny_models['still']}"]
    command("restore", tmp_path / "cells.ome.tif", output, *models, "--device", "cpu")
    record = dc.open_movie(output).provenance["restoration"]
    assert record["model"] == "GFP=tiny-movie, DAPI=tiny-still"
    result = command("restore", tmp_path / "cells.ome.tif", tmp_path / "b.ome.zarr", *models[:2], exit_code=2)
    assert "channel 'DAPI' of cells.ome.tif has no model" in result.stderr


def test_log_file_contains_messages_results_and_errors_with_times(raw, tmp_path, tiny_models, command):
    (raw / "bad.tif").write_bytes(b"")
    arguments = ["restore", "raw", "--output-dir", "out", "--model", tiny_models["still"], "--device", "cpu", "--quiet"]
    for _ in range(2):
        result = command("--log-file", "run.log", *arguments, exit_code=2)
    assert result.stdout == ""
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert len(re.findall(r" INFO decrappify\b", text)) == 2  # appended
    assert text.count("INFO out/a.ome.zarr: restored") == text.count("INFO out/a.ome.zarr: finished earlier") == 1
    assert text.count("ERROR raw/bad.tif: failed: ") == 2
    assert "INFO torch on cpu in" in text
    assert text.splitlines()[0][:4].isdecimal()
    result = command("--log-file", "no/run.log", *arguments, exit_code=2)
    assert "no/run.log cannot be written: No such file or directory; choose another log file" in result.stderr


def test_log_file_contains_the_result_of_one_output_and_no_secrets(raw, tmp_path, tiny_models, command, monkeypatch):
    address = "https://me:word@host/cells.ome.zarr?signature=abc"
    monkeypatch.setattr(sys, "argv", ["decrappify", "restore", address])
    arguments = ["restore", "raw/a.tif", "out.ome.zarr", "--model", tiny_models["movie"], "--device", "cpu"]
    for option in ("--quiet", "--overwrite"):
        command("--log-file", "run.log", *arguments, option)
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert text.count("INFO out.ome.zarr: T 4, C 1, Z 1, Y 24, X 32, uint16") == 2
    assert text.count("restore 'https://host/cells.ome.zarr'\n") == 2
    assert "abc" not in text


def test_info_prints_json(raw, tiny_models, command):
    found = json.loads(command("info", "raw/a.tif", "--json").stdout)
    assert found["path"] == "raw/a.tif"
    (scene,) = found["scenes"]
    assert scene["shape"] == {"T": 4, "C": 1, "Z": 1, "Y": 24, "X": 32}
    assert (scene["dtype"], scene["channel_names"], scene["frame_interval_s"]) == ("uint16", ["C0"], None)
    assert json.loads(command("info", tiny_models["still"], "--json").stdout)["card"]["name"] == "tiny-still"
    (raw / "b.tif").write_bytes(b"II*\0 damaged")
    result = command("info", "raw", "--json", "--as", "images", exit_code=2)
    assert [scene.get("error") is None for scene in json.loads(result.stdout)["scenes"]] == [True, False, True]
    assert "1 of 3 scenes of raw cannot be opened; see their errors" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_ctrl_c_ends_with_a_summary_and_the_same_command_restores_the_rest(raw, tmp_path, rng, tiny_models, command):
    tifffile.imwrite(
        raw / "b.tif",
        rng.poisson(50, (300, 96, 96)).astype(np.uint16),
        photometric="minisblack",
        metadata={"axes": "TYX"},
    )
    arguments = ["restore", "raw", "--output-dir", "out", "--summary", "run.json", "--device", "cpu"]
    arguments += ["--model", str(tiny_models["movie"]), "--model", str(tiny_models["still"])]
    process = subprocess.Popen(
        [sys.executable, "-m", "decrappify", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    journal = tmp_path / "out" / "b.ome.zarr.partial" / "journal"
    while not (journal.exists() and journal.read_bytes().count(b"\n[") > 3):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error.splitlines()[-1] == (
        "decrappify: interrupted; finished outputs and frames are kept (run.json lists them); repeat the command to "
        "restore the rest"
    )
    rows = json.loads((tmp_path / "run.json").read_text())["outputs"]
    assert [row["status"] for row in rows] == ["restored", "interrupted", "not started"]
    assert lines(command(*arguments).stdout) == [
        "out/a.ome.zarr: finished earlier", "out/b.ome.zarr: resumed", "out/still.ome.zarr: restored",
        "3 outputs: 1 finished earlier, 1 resumed, 1 restored; run.json",
    ]  # fmt: skip


def test_calibrate_many_writes_a_noise_model_per_input_once(tmp_path, command, monkeypatch):
    from decrappify.samples import simulate

    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    for seed in range(2):
        dc.save_movie(simulate("vesicles", n_frames=4, size=(64, 64), seed=seed).noisy, f"raw/{chr(97 + seed)}.ome.tif")
    (tmp_path / "raw" / "bad.czi").write_bytes(b"")
    arguments = ["calibrate", "raw", "--output-dir", "noise"]
    result = command(*arguments, exit_code=2)
    assert result.stdout.splitlines() == ["noise/a.toml: written", "noise/b.toml: written"]
    assert "raw/bad.czi: failed: " in result.stderr
    assert dc.NoiseModel.load("noise/b.toml").source.startswith("b.ome.tif")
    (tmp_path / "raw" / "bad.czi").unlink()
    assert command(*arguments).stdout.splitlines()[-1] == "2 outputs: 2 finished earlier"
    result = command(*arguments, "--channel", "0", exit_code=2)
    assert "noise/a.toml exists; pass --overwrite to replace it" in result.stderr
    assert command(*arguments, "--channel", "0", "--overwrite").stdout.splitlines()[-1] == "2 outputs: 2 written"
    assert "Expected one input, found 2; add --output-dir DIR" in command("calibrate", "a", "b", exit_code=2).stderr
    result = command(*arguments, "-o", "a.toml", exit_code=2)
    assert "--output and --report are for one input, found --output-dir" in result.stderr


def test_colorize_many_colors_photographs_of_folders(tmp_path, command, monkeypatch):
    from PIL import Image

    from decrappify.model import Model
    from decrappify.networks import create
    from decrappify.normalization import IMAGENET

    monkeypatch.chdir(tmp_path)
    network = create("small", base_channels=16, depth=1, n_frames=1, in_channels=3, out_channels=3)
    Model(network, IMAGENET, card={"name": "own", "task": "colorization", "preset": "own"}).save("own.safetensors")
    for name in ("album/a.png", "album/2020/b.bmp", "c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))).save(name)
    (tmp_path / "album" / "bad.png").write_bytes(b"\x89PNG\r\n")
    arguments = ["colorize", "album", "c.jpg", "--recursive", "--output-dir", "color", "--model", "own.safetensors"]
    arguments += ["--render-factor", "4", "--device", "cpu"]
    result = command(*arguments, exit_code=2)
    assert result.stdout.splitlines() == [f"color/{name}: written" for name in ("a.png", "2020/b.png", "c.jpg")]
    assert "album/bad.png: failed: " in result.stderr
    (tmp_path / "album" / "bad.png").unlink()
    assert command(*arguments).stdout.splitlines()[-1] == "3 outputs: 3 finished earlier"
    with Image.open("color/a.png") as image:
        assert "AI" in str(image.info)
    result = command(*arguments, "--watermark", exit_code=2)
    assert "color/a.png already exists" in result.stderr


def test_benchmark_pairs_the_files_of_two_patterns(tmp_path, rng, tiny_models, command, monkeypatch, undrawn_reports):
    monkeypatch.chdir(tmp_path)
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b", "c"):
            image = rng.poisson(np.tile(np.linspace(20, 200, 40), (40, 1))).astype(np.uint16)
            tifffile.imwrite(f"{folder}/{name}.tif", image)
    arguments = ["benchmark", "low/[ab].tif", "high/*.tif", "--model", tiny_models["still"], "--baselines", "input"]
    arguments += ["--levels", "same", "--unrelated", "warn", "--device", "cpu"]
    command(*arguments)
    pairs = json.loads((tmp_path / "benchmark" / "report.json").read_text())
    assert {name for name in ("a.tif", "b.tif", "c.tif") if name in json.dumps(pairs)} == {"a.tif", "b.tif"}
    (tmp_path / "high" / "b.tif").unlink()
    result = command(*arguments, "--overwrite", exit_code=2)
    assert "b.tif has not exactly one partner of the same name in high/*.tif" in result.stderr


@pytest.mark.slow
def test_adapt_uses_all_movies_of_a_pattern(tmp_path, command, monkeypatch):
    from decrappify.model import Model, load_model
    from decrappify.networks import create
    from decrappify.samples import simulate

    monkeypatch.chdir(tmp_path)
    network = create("small", n_frames=1, scale=1, base_channels=16, depth=1, stem=2)
    Model(network, card={"name": "small"}).save("small.safetensors")
    noisy = simulate("vesicles", n_frames=14, size=(72, 72), seed=3).noisy
    for name, part in (("all", noisy), ("m0", noisy[:7]), ("m1", noisy[7:])):
        dc.save_movie(part, f"{name}.ome.tif")
    command("calibrate", "all.ome.tif", "-o", "camera.toml")
    arguments = ["--model", "small.safetensors", "-o", "run", "--noise", "camera.toml", "--minutes", "0.01"]
    command("adapt", "m*.tif", *arguments)
    assert load_model("run/model.safetensors").card["adapted"]["movies"] == ["m0.ome.tif", "m1.ome.tif"]
    assert "no file matches *.czi" in command("adapt", "*.czi", *arguments[:-2], exit_code=2).stderr
