"""Invalid inputs of the command line: one line, exit code 2, and no changed files."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pylibCZIrw import czi
from safetensors.numpy import save as save_tensors

from decrappify.crappify import Crappifier, Gaussian
from decrappify.io import save_movie
from decrappify.model import read_card
from decrappify.movie import Movie

HTML = "<!DOCTYPE html>\n<html><body>404: not found</body></html>\n"
RUN = """crappifier = "confocal"
[data]
high_res = "good.tif"
validation = "good.tif"
[training]
max_steps = 2
n_frames = 1
"""
RESTORE = "restore {bad}/%s {out}/out.ome.zarr --device cpu --model "
STILL, MOVIE = "{models}/still.safetensors", "{models}/movie.safetensors"
GOOD = RESTORE % "good.tif"

# The mistake: the command, and an expression that matches its error line.
TABLE = {
    # the movie
    "missing file": (RESTORE % "godo.tif" + STILL, r"godo\.tif does not exist; did you mean good\.tif\?"),
    "missing folder": (RESTORE % "no/good.tif" + STILL, r"nor does its folder .*no; check the path"),
    "web address": ("info https://example.org/a.tif", r"only OME-Zarr is read from servers; download the file"),
    "truncated TIFF": (RESTORE % "truncated.tif" + STILL, r"truncated\.tif .*(truncated|damaged)"),
    "truncated CZI": (RESTORE % "truncated.czi" + STILL, r"truncated\.czi .*(truncated|damaged)"),
    "CZI that is an HTML page": (RESTORE % "page.czi" + STILL, r"page\.czi is an HTML page, not a CZI file: download"),
    "text file as TIFF": (RESTORE % "text.tif" + STILL, r"text\.tif is a text file, not a TIFF file"),
    "noise as TIFF": (RESTORE % "noise.tif" + STILL, r"noise\.tif is not a TIFF file .*damaged or misnamed"),
    "git-LFS pointer": (RESTORE % "pointer.czi" + STILL, r"pointer\.czi is a git-LFS pointer.*git lfs pull"),
    "empty file": (RESTORE % "empty.tif" + STILL, r"empty\.tif is empty \(0 bytes\)"),
    "unknown format": (RESTORE % "cells.xyz" + STILL, r"cells\.xyz has an unsupported file format; supported:"),
    "folder without images": (RESTORE % "nothing" + STILL, r"nothing contains no images, expected \.tif, \.png"),
    "empty Zarr": (RESTORE % "empty.ome.zarr" + STILL, r"empty\.ome\.zarr is not a readable Zarr store"),
    "truncated film": (RESTORE % "cut.mp4" + STILL, r"cut\.mp4 .*(damaged|truncated|opened)"),
    "NaN frame": (RESTORE % "nan.tif" + STILL, r"frame 2 of nan\.tif contains NaN or infinity; pass --nan fill"),
    "constant movie": (RESTORE % "constant.tif" + STILL, r"constant\.tif is constant \(gray level 7\)"),
    "one still, 3 frames": (RESTORE % "still.tif" + MOVIE, r"one still image, expected windows of 3 .*; use .*still"),
    "one stack, 3 frames": (RESTORE % "stack.tif" + MOVIE, r"is one still image.* pass --window-axis Z"),
    "movie as a stack": (GOOD + MOVIE + " --window-axis Z", r"is one slice.* pass --window-axis T"),
    # the selected part of the movie
    "channel number": (GOOD + STILL + " --channel 7", r"channel 7 is not in good\.tif, which has channels 0 to 1"),
    "channel name": (GOOD + STILL + " --channel RFP", r"good\.tif has no channel 'RFP', expected one of 'GFP', '488'"),
    "scene": (GOOD + STILL + " --scene 3", r"scene 3 is not in good\.tif"),
    "scene of a CZI": ("info {bad}/good.czi --scene 9", r"scene 9 is not in good\.czi"),
    "scene name": (GOOD + STILL + " --scene two", r"scene 'two' is not in good.tif, which has scene 0"),
    "frames out of range": (GOOD + STILL + " --frames 90:95", r"frames 90:95 select nothing .* frames 0 to 3"),
    "one frame out of range": (GOOD + STILL + " --frames 9", r"frames 9:10 select nothing"),
    "frames backwards": (GOOD + STILL + " --frames 3:1", r"frames 3:1 select nothing"),
    "frames in words": (GOOD + STILL + " --frames 'all of them'", r"--frames 'all of them' is not valid"),
    "window axis": (GOOD + STILL + " --window-axis C", r"'C' is not one of 'T', 'Z'"),
    "frame interval": (GOOD + STILL + " --frame-interval-s -1", r"--frame-interval-s is -1\.0, expected .* above 0"),
    # the output
    "output exists": ("restore {bad}/good.tif {out}/there.ome.zarr --model " + STILL, r"already exists; .*--overwrite"),
    "output is the input": ("restore {out}/in.tif {out}/in.tif --overwrite --model " + STILL, r"is the input itself"),
    "crappify its input": ("crappify {out}/in.tif {out}/in.tif --overwrite --preset em", r"is the input itself"),
    "output folder missing": ("restore {bad}/good.tif {out}/no/o.ome.zarr --model " + STILL, r"folder .*create it"),
    "output suffix": ("restore {bad}/good.tif {out}/o.czi --model " + STILL, r"supported: \.ome\.zarr, \.ome\.tif"),
    "output a folder with files": (
        "restore {bad}/good.tif {out} --overwrite --model " + STILL, r"unsupported output format|but not a Zarr store"
    ),
    "film of a stack": ("restore {bad}/stack.tif {out}/o.mp4 --model " + STILL, r"Z slices, a film has one"),
    "name too long": (f"restore {{bad}}/good.tif {{out}}/{'x' * 300}.ome.zarr --model " + STILL, r"too long"),
    # tiles, device, numbers
    "tile size zero": (GOOD + STILL + " --tile-size 0", r"--tile-size is 0, expected .* at least 1"),
    "negative tile": (GOOD + STILL + " --tile-size -64", r"--tile-size is -64, expected .* at least 1"),
    "tile in words": (GOOD + STILL + " --tile-size big", r"'big' is not a valid integer"),
    "tile too small": (GOOD + STILL + " --tile-size 16 --tile-overlap 32", r"--tile-size 16 is too small.*at least"),
    "negative overlap": (GOOD + STILL + " --tile-overlap -1", r"--tile-overlap is -1, expected .* at least 0"),
    "no such device": (GOOD + STILL + " --device tpu", r"--device tpu is not"),
    "no such GPU": (GOOD + STILL + " --device cuda:77", r"--device cuda:77 is not available, torch finds \d+ CUDA"),
    "half precision on the CPU": (GOOD + STILL + " --precision float16", r"--precision float16 needs a GPU"),
    "precision": (GOOD + STILL + " --precision float8", r"--precision float8 is not known"),
    "dtype": (GOOD + STILL + " --dtype uint17", r"--dtype uint17 is not known"),
    "dtype unsuitable for images": (GOOD + STILL + " --dtype complex64", r"--dtype complex64 cannot store an image"),
    "dtype unsuitable for OME-TIFF": (
        "restore {bad}/good.tif {out}/o.ome.tif --device cpu --dtype int64 --model " + STILL, r"OME-TIFF cannot store"
    ),
    # the model
    "model missing": (GOOD + "mine.safetensors", r"mine\.safetensors is neither a shipped model"),
    "model misspelled": (GOOD + "fluorescense-movie", r"fluorescense-movie is neither a shipped model"),
    "model is a folder": (GOOD + "{bad}", r"neither a shipped model .* nor a model file"),
    "model is text": (GOOD + "{bad}/text.safetensors", r"is not a model file: it is a text file"),
    "model is HTML": (GOOD + "{bad}/page.safetensors", r"is a web page saved under this name; download"),
    "model is empty": (GOOD + "{bad}/empty.safetensors", r"it is empty; copy or download it again"),
    "model of another program": (GOOD + "{bad}/other.safetensors", r"is a safetensors file but not a decrappify model"),
    "model truncated": (GOOD + "{bad}/truncated.safetensors", r"is not a model file: it is damaged or truncated"),
    "model header damaged": (GOOD + "{bad}/header.safetensors", r"has a damaged 'decrappify' header"),
    "model of a newer version": (GOOD + "{bad}/future.safetensors", r"format version 99, .* update decrappify"),
    "model network unknown": (GOOD + "{bad}/strange.safetensors", r"cannot build: unknown network 'vision'"),
    "weights of another size": (GOOD + "{bad}/misfit.safetensors", r"weights that do not fit its architecture"),
    "card of text": ("models {bad}/text.safetensors", r"it is a text file"),
    "demo model missing": ("demo {bad}/good.tif --output {out} --model mine", r"mine is neither a shipped model"),
    # crappifiers
    "preset": ("crappify {bad}/good.tif {out}/o.ome.zarr --preset confocl", r"unknown crappifier preset 'confocl'"),
    "no crappifier": ("crappify {bad}/good.tif {out}/o.ome.zarr", r"needs either --preset or --crappifier"),
    "two crappifiers": (
        "crappify {bad}/good.tif {out}/o.ome.zarr --preset em --crappifier {bad}/noise.toml", r"exclude each other"
    ),
    "crappifier missing": ("crappify {bad}/good.tif {out}/o.ome.zarr --crappifier no.toml", r"file no.toml does not"),
    "crappifier part": ("crappify {bad}/good.tif {out}/o.ome.zarr --crappifier {bad}/part.toml", r"did you mean 'gaus"),
    "crappifier value": ("crappify {bad}/good.tif {out}/o.ome.zarr --crappifier {bad}/value.toml", r"gaussian.*sigma"),
    "crappifier suffix": ("crappify {bad}/good.tif {out}/o.ome.zarr --crappifier {bad}/text.tif", r"the suffix \.toml"),
    "crappifier TOML": ("crappify {bad}/good.tif {out}/o.ome.zarr --crappifier {bad}/bad.toml", r"not a valid TOML"),
    "crappifier list": ("crappify {bad}/good.tif {out}/o.ome.zarr --crappifier {bad}/list.json", r"contains a list"),
    "negative seed": ("crappify {bad}/good.tif {out}/o.ome.zarr --preset em --seed -1", r"seed is -1, expected"),
    "crappify too small": ("crappify {bad}/small.tif {out}/o.ome.zarr --preset em-x4", r"expected at least 4 of each"),
    "crappify NaN": ("crappify {bad}/nan.tif {out}/o.ome.zarr --preset em", r"contains NaN or infinity"),
    # training
    "run file missing": ("train {bad}/no.toml --output {out}/run", r"no\.toml does not exist, expected a TOML file"),
    "run file invalid": ("train {bad}/bad.toml --output {out}/run", r"bad\.toml is not valid TOML"),
    "run file an image": ("train {bad}/good.tif --output {out}/run", r"good\.tif is not valid TOML"),
    # the command itself
    "no such command": ("restor a b", r"No such command 'restor'"),
    "no such option": ("restore a b --modle c", r"No such option.*--modle"),
    "no value": ("restore a b --model", r"Option '--model' requires an argument; see 'main restore --help'"),
    "long value": (f"restore a b --model c --as {'x' * 5000}", r"'--as': 'x{60}\.\.\.' is not one of 'auto'"),
    "long name": (f"info {'x' * 300}", r"xxx cannot be opened: File name too long; check the name"),
    "long output": (f"crappify {{bad}}/good.tif {'x' * 300}.ome.tif --preset em", r"too long"),
    "no model": ("restore a b", r"Missing option '--model'; see 'main restore --help'"),
    "no input": ("info", r"Missing argument 'IN'"),
    "option without command": ("--nonsense", r"No such option.*--nonsense.*; see 'main --help'"),
}  # fmt: skip

# Changes of a valid run file, and an expression that matches the error line.
RUNS = {
    "unknown key": (("max_steps", "max_stesp"), r"unknown key 'max_stesp' .*did you mean 'max_steps'"),
    "unknown table": (("[training]", "[trainig]"), r"unknown key 'trainig' at the top .*did you mean 'training'"),
    "unknown data key": (("high_res", "highres"), r"unknown key 'highres' in \[data\] .*did you mean 'high_res'"),
    "string for a number": (("max_steps = 2", "max_steps = '2'"), r"max_steps is '2', expected a value of type int"),
    "number for a string": (('high_res = "good.tif"', "high_res = 3"), r"data are 3, expected a path"),
    "number for a table": ((RUN, "training = 3"), r"training of .* is 3, expected a table \[training\]"),
    "no steps": (("max_steps = 2", "max_steps = 0"), r"max_steps is 0, expected a number of at least 1"),
    "even window": (("n_frames = 1", "n_frames = 2"), r"n_frames is 2"),
    "no data": (('high_res = "good.tif"', ""), r"needs high_res images and a crappifier, or pairs"),
    "data missing": (("good.tif", "godo.tif"), r"godo\.tif does not exist; did you mean good\.tif\?"),
    "data constant": (("good.tif", "constant.tif"), r"constant\.tif is constant"),
    "data NaN": (("good.tif", "nan.tif"), r"nan\.tif contains NaN"),
    "data too small": (("good.tif", "small.tif"), r"small\.tif has 3 x 3 pixels, too few for patches of"),
    "data is an empty folder": (("good.tif", "nothing"), r"nothing contains no images"),
    "folder variable": (("[data]", '[data]\nfolder = "$NO_SUCH_FOLDER"'), r"environment variable is not set"),
    "preset": (("confocal", "confocall"), r"unknown crappifier preset 'confocall'; did you mean 'confocal'"),
    "number as crappifier": (('"confocal"', "3"), r"crappifier .*3"),
    "crappifier file missing": (("confocal", "no.toml"), r"crappifier file .* does not exist"),
    "crappifier part": (('"confocal"', '{steps = [{part = "gausian"}]}'), r"did you mean 'gaussian'"),
    "network": (("[training]", '[training]\nnetwork = "tiny"'), r"unknown network 'tiny'"),
    "network setting": (("[training]", "[network]\nwidth = 3\n[training]"), r"does not take these settings: .*width"),
    "patch size": (("[training]", "[training]\npatch_size = 30"), r"patch_size is 30, the network needs a multiple"),
    "loss": (("[training]", '[training]\nloss = "l3"'), r"loss.*l3"),
    "device": (("[training]", '[training]\ndevice = "tpu"'), r"device is 'tpu', expected one of auto"),
    "time axis": (("[data]", '[data]\ntime_axis = "C"'), r"time_axis is 'C', expected one of T, Z"),
    "start from a missing model": (("[data]", 'start_from = "no"\n[data]'), r"no is neither a shipped model"),
    "speed of stills": (("[data]", "[data]\nstill_motion_px = 3"), r"still_motion_px .*3"),
    "output a number": (("[data]", "output = 3\n[data]"), r"output .*3"),
    "simulated unknown kind": (("[data]", '[data]\nsimulated = [{kind = "cats"}]'), r"unknown simulated movie 'cats'"),
    "simulated setting": (
        ("[data]", "[data]\nsimulated = [{frames = 3}]"),
        r"unknown key 'frames' in \[\[data\.simulated",
    ),
    "simulated value": (("[data]", "[data]\nsimulated = [{n_frames = 'two'}]"), r"contains a value of the wrong type"),
    "simulated number": (("[data]", "[data]\nsimulated = 3"), r"simulated .* is 3, expected tables"),
    "network value": (("[training]", "[network]\nbase_channels = 'two'\n[training]"), r"base_channels"),
    "network negative channels": (("[training]", "[network]\nbase_channels = -3\n[training]"), r"base_channels"),
    "speeds in words": (("[data]", "[data]\nstill_motion_px = ['a', 'b']"), r"still_motion_px .*'a'"),
    "NoGAN and training": (("[training]", "[nogan]\n[training]"), r"has both \[nogan\] and \[training\]"),
    "NoGAN preset": (
        (RUN[RUN.index("[training]") :], '[nogan]\npreset = "artist"'),
        r"unknown NoGAN preset 'artist', expected one of artistic",
    ),
    "critic without NoGAN": (("[data]", 'critic_from = "c"\n[data]'), r"critic_from of .* belongs to a NoGAN run"),
    "pairs and images": (("[data]", '[data]\npairs = ["low", "high"]'), r"either pairs, or high_res and a crappifier"),
    "pairs misaligned": ((RUN, '[data]\npairs = [["good.tif", "still.tif"], ["good.tif", "good.tif"]]'), r"not match"),
    "pairs of missing folders": (
        (RUN, '[data]\npairs = ["no/low", "no/high"]'),
        r"no/low does not exist",
    ),
    "pairs of one folder": ((RUN, '[data]\npairs = "nothing"'), r"does not contain low/ and high/"),
    "pairs of other names": ((RUN, '[data]\npairs = ["alone/low", "alone/high"]'), r"has no file of the same name in"),
    "one pair": ((RUN, '[data]\npairs = [["good.tif", "good.tif"]]'), r"too few to keep some for validation"),
    "pairs empty": ((RUN, "[data]\npairs = []"), r"pairs is empty|needs a folder"),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, tiny_models: dict[str, Path]) -> Path:
    """A folder of valid files and of files with all kinds of defects."""
    folder = tmp_path_factory.mktemp("bad")
    rng = np.random.default_rng(0)

    def save(name: str, array: Any, **metadata: Any) -> Path:
        return save_movie(Movie.from_array(array, **metadata), folder / name)

    cells = rng.integers(50, 900, (4, 2, 1, 72, 80), dtype=np.uint16)
    good = save("good.tif", cells, channel_names=["GFP", "488"])
    save("small.tif", cells[:, 0, 0, :3, :3])
    save("still.tif", cells[0, 0, 0])
    save("stack.tif", cells[:, 0, 0][None, None], axes="TCZYX")
    save("constant.tif", np.full((4, 72, 80), 7, np.uint16))
    values = cells[:, 0, 0].astype(np.float32)
    values[2, 5, 5] = np.nan
    save("nan.tif", values)
    film = save("good.mp4", cells[:, 0, 0])
    with czi.create_czi(str(folder / "good.czi")) as document:
        for t, frame in enumerate(cells[:, 0, 0]):
            document.write(data=frame[..., None], plane={"T": t})
    for whole, cut in ((good, "truncated.tif"), (folder / "good.czi", "truncated.czi"), (film, "cut.mp4")):
        content = whole.read_bytes()
        (folder / cut).write_bytes(content[: len(content) // 2])
    for name in ("empty.tif", "empty.safetensors"):
        (folder / name).touch()
    for name in ("page.czi", "page.safetensors"):
        (folder / name).write_text(HTML)
    for name in ("text.tif", "text.safetensors"):
        (folder / name).write_text("these are my notes\n" * 9)
    (folder / "noise.tif").write_bytes(bytes(rng.integers(128, 255, 999, dtype=np.uint8)))
    (folder / "cells.xyz").write_bytes(bytes(rng.integers(128, 255, 999, dtype=np.uint8)))
    (folder / "pointer.czi").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    for name in ("nothing", "empty.ome.zarr", "alone/low", "alone/high"):
        (folder / name).mkdir(parents=True)
    save_movie(good, folder / "alone" / "low" / "a.tif")
    save_movie(good, folder / "alone" / "high" / "b.tif")
    (folder / "bad.toml").write_text("steps = [\n  oops\n")
    (folder / "list.json").write_text("[1, 2]")
    (folder / "part.toml").write_text('[[steps]]\npart = "gausian"\nsigma = 0.1\n')
    (folder / "value.toml").write_text('[[steps]]\npart = "gaussian"\nsigma = "much"\n')
    Crappifier([Gaussian(0.1)]).save(folder / "noise.toml")
    write_bad_models(folder, tiny_models)
    return folder


def write_bad_models(folder: Path, models: dict[str, Path]) -> None:
    whole = models["still"].read_bytes()
    (folder / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    header = read_card(models["still"])
    strange = header | {"architecture": header["architecture"] | {"name": "vision"}}
    tensors = {"weight": np.zeros(3, np.float32)}
    for name, text in {
        "other": None,
        "header": "{",
        "future": json.dumps(header | {"format_version": 99}),
        "strange": json.dumps(strange),
        "misfit": json.dumps(header),
    }.items():
        (folder / f"{name}.safetensors").write_bytes(
            save_tensors(tensors, None if text is None else {"decrappify": text})
        )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, bad: Path) -> Path:
    """A folder for results that contains files, which no test may change."""
    folder = tmp_path_factory.mktemp("out")
    save_movie(bad / "still.tif", folder / "there.ome.zarr")
    save_movie(bad / "good.tif", folder / "in.tif")
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(stderr: str, pattern: str) -> None:
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("decrappify: ")
    assert re.search(pattern, lines[0]), lines[0]
    assert "Traceback" not in lines[0]
    assert len(lines[0]) < 700


@pytest.mark.parametrize("row", TABLE)
def test_invalid_input_raises_one_line(row, bad, out, tiny_models, command):
    line, pattern = TABLE[row]
    before = contents(out)
    places = {"bad": bad, "out": out, "models": tiny_models["still"].parent}
    result = command(*shlex.split(line.format(**places)), exit_code=2)
    assert_one_line(result.stderr, pattern)
    assert not result.stdout.strip()
    assert contents(out) == before


@pytest.mark.parametrize("row", RUNS)
def test_invalid_run_file_raises_one_line(row, bad, out, command):
    (old, new), pattern = RUNS[row]
    assert old in RUN
    run = bad / "run.toml"
    run.write_text(RUN.replace(old, new, 1))
    before = contents(out)
    options = [] if row == "output a number" else ["--output", out / "run"]
    assert_one_line(command("train", run, *options, exit_code=2).stderr, pattern)
    assert contents(out) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB; skipped if it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.name == "posix" and os.geteuid() == 0
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if not mounted or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs administrator rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
def test_full_disk_raises_one_line_and_the_run_resumes_later(name, small_disk, tmp_path, tiny_models, rng, command):
    cells = save_movie(rng.integers(0, 60000, (6, 200, 200), dtype=np.uint16), tmp_path / "cells.tif")
    arguments = ["restore", cells, small_disk / name, "--model", tiny_models["still"], "--device", "cpu"]
    assert_one_line(command(*arguments, exit_code=2).stderr, rf"{name} could not be written: the disk is full")
    assert all(".partial" in path.name for path in small_disk.iterdir())
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    command(*arguments)
    assert [path.name for path in small_disk.iterdir()] == [name]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Drop administrator rights, which override all permissions."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif", "out.mp4"])
def test_exceeded_file_size_limit_raises_one_line(name, tmp_path, tiny_models, rng, command):
    cells = save_movie(rng.integers(0, 60000, (6, 200, 200), dtype=np.uint16), tmp_path / "cells.tif")
    arguments = ["restore", cells, tmp_path / name, "--model", tiny_models["still"], "--device", "cpu"]
    with file_size_limit(20_000):
        result = command(*arguments, exit_code=2)
    assert_one_line(result.stderr, rf"{name} could not be written: .*(larger than|full)")
    assert not (tmp_path / name).exists()


def test_missing_permission_raises_one_line(tmp_path_factory, bad, tiny_models, command):
    folder = tmp_path_factory.mktemp("locked")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)  # accessible to another user
    for file in (bad / "good.tif", tiny_models["still"]):
        (folder / file.name).write_bytes(file.read_bytes())
    arguments = ["--model", folder / "still.safetensors", "--device", "cpu"]
    command("restore", folder / "good.tif", folder / "o.ome.zarr", *arguments)  # imports all modules
    (folder / "locked").mkdir(mode=0o555)
    with ordinary_user():
        result = command("restore", folder / "good.tif", folder / "locked" / "o.ome.zarr", *arguments, exit_code=2)
    assert_one_line(result.stderr, r"no permission to write into .*locked; choose another folder")
    (folder / "good.tif").chmod(0)
    with ordinary_user():
        result = command("info", folder / "good.tif", exit_code=2)
    assert_one_line(result.stderr, r"good\.tif cannot be read: Permission denied; check its permissions")


def test_tile_larger_than_the_frame_is_accepted(bad, tmp_path, tiny_models, command):
    options = ["--model", tiny_models["still"], "--tile-size", 9999, "--device", "cpu"]
    result = command("restore", bad / "good.tif", tmp_path / "new.ome.zarr", *options)
    assert not result.stderr
