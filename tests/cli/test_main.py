from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from decrappify import samples
from decrappify.cli import main
from decrappify.crappify import Crappifier, Gaussian, preset_names, unregister_part
from decrappify.errors import MissingFileError
from decrappify.io import open_movie, save_movie
from decrappify.movie import Movie
from decrappify.noise import NoiseModel

HEAVY = {"torch", "numpy", "zarr", "av", "tifffile", "pylibCZIrw", "matplotlib", "skimage", "scipy", "PIL", "tqdm"}
RESULTS = {"restored.ome.zarr", "restored.ome.tif", "restored.mp4", "restored.png"}


@pytest.mark.parametrize("name", [None, *sorted(main.commands)])
def test_help_describes_every_command(name, command):
    text = command(*[name] if name else [], "--help").stdout
    assert f"Usage: main {name or '[OPTIONS]'}" in text
    assert all(len(line) <= 110 for line in text.splitlines())
    assert name or all(other in text for other in main.commands)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["restore", "--help"],
        *(pytest.param(a, marks=pytest.mark.slow) for a in (["--version"], ["train", "--help"])),
    ],
)
def test_help_imports_no_heavy_modules(arguments):
    code = f"import sys; from decrappify.cli import main; main({arguments}, standalone_mode=False); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


def test_restore_applies_frames_channel_and_dtype(cells, tiny_models, tmp_path, command):
    output = tmp_path / "cells.ome.zarr"
    options = ["--frames", "2:7", "--channel", "488", "--dtype", "float32", "--tile-size", "32", "--device", "cpu"]
    result = command("restore", cells, output, "--model", tiny_models["movie-x2"], *options)
    assert result.stdout == f"{output}: T 5, C 1, Z 1, Y 80, X 96, float32\n"
    movie = open_movie(output)
    assert (movie.pixel_size_um, movie.frame_interval_s, movie.channel_names) == ((None, 0.1, 0.1), 1.5, ("488",))


def test_verbose_logs_device_precision_and_tiles(cells, tiny_models, tmp_path, command):
    options = ["--model", tiny_models["still"], "--tile-size", "4096", "--device", "cpu", "--precision", "float32"]
    lines = command("--verbose", "restore", cells, tmp_path / "out.ome.tif", *options).stderr.splitlines()
    assert lines[0].startswith("decrappify: torch on cpu in float32, tiles of ")
    assert lines[1] == "decrappify: --tile-size 4096 covers the whole frame (40 x 48)"


def test_crappify_accepts_a_preset_or_a_file(cells, tmp_path, command):
    crappifier = Crappifier([Gaussian(0.2)], "mine").save(tmp_path / "mine.toml")
    command("crappify", cells, tmp_path / "a.ome.tif", "--crappifier", crappifier, "--seed", 3)
    result = command("crappify", cells, tmp_path / "b.ome.zarr", "--preset", "confocal-x2", "--channel", "GFP")
    assert "T 12, C 1, Z 1, Y 20, X 24, uint16" in result.stdout
    noisy, original = open_movie(tmp_path / "a.ome.tif"), open_movie(cells)
    assert noisy.provenance["crappified"]["crappifier"]["name"] == "mine"
    assert not np.array_equal(noisy.frame(0), original.frame(0))
    assert open_movie(tmp_path / "b.ome.zarr").pixel_size_um == (None, 0.4, 0.4)


def test_calibrate_shows_a_table_and_writes_a_noise_model(cells, tmp_path, command):
    output = tmp_path / "scope.toml"
    result = command("calibrate", cells, "--channel", "GFP", "-o", output)
    assert "offset" in result.stdout
    assert "no dark frames" in result.stdout
    assert NoiseModel.load(output).noise_sd.value > 0
    assert "--overwrite" in command("calibrate", cells, "--channel", "GFP", "-o", output, exit_code=2).stderr
    assert "--channel" in command("calibrate", cells, exit_code=2).stderr
    missing = command("calibrate", cells, "-o", tmp_path / "missing" / "scope.toml", exit_code=2)
    assert "missing does not exist; create it first" in missing.stderr  # before the error for several channels
    command("calibrate", cells, "--channel", "GFP", "-o", output, "--overwrite")


@pytest.mark.parametrize("name", ["restore", "colorize", "benchmark", "crappify", "info"])
def test_ctrl_c_ends_in_one_line_and_exit_code_130(name, command, monkeypatch):
    def interrupted(**_):
        exec("raise KeyboardInterrupt")

    monkeypatch.setattr(main.commands[name], "callback", interrupted)
    paths = {"info": ["a"], "benchmark": ["a", "b"]}.get(name, ["a", "b"])
    model = ["--model", "m"] if name in ("restore", "benchmark") else []
    result = command(name, *paths, *model, exit_code=130)
    assert re.fullmatch(r"decrappify: interrupted(; .+)?\n", result.stderr)
    assert name == "info" or ("kept" in result.stderr or "was written" in result.stderr)


def test_ctrl_c_in_exec_has_exit_code_130():
    code = (
        "from decrappify.cli import main\n"
        "main.commands['presets'].callback = lambda: exec('raise KeyboardInterrupt')\n"
        "main(['presets'])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 130


def test_presets_and_models_list_names_and_describe_a_model(tiny_models, command):
    assert [line.split()[0] for line in command("presets").stdout.splitlines()] == list(preset_names())
    command("models")
    card = command("models", tiny_models["movie-x2"]).stdout
    assert "name: tiny-movie-x2" in card
    assert "  scale: 2" in card


def test_info_describes_the_content_of_a_file(cells, command):
    lines = command("info", cells).stdout.splitlines()
    assert lines == [
        f"{cells}: T 12, C 2, Z 1, Y 40, X 48, uint16",
        "pixel_size_um (Z, Y, X): unknown, 0.2, 0.2",
        "frame_interval_s: 1.5",
        "channels: GFP, 488",
    ]
    assert "channels: GFP" in command("info", cells, "--channel", "0").stdout.splitlines()
    assert "frame_interval_s: 9" in command("info", cells, "--frame-interval-s", "9").stdout


def test_demo_of_a_movie_of_stacks_replaces_an_earlier_demo(tiny_models, tmp_path, rng, command):
    stack = Movie.from_array(rng.integers(0, 200, (4, 2, 3, 33, 40), dtype=np.uint16))
    path = save_movie(stack, tmp_path / "stack.ome.tif")
    for _ in range(2):  # the second demo replaces the first
        result = command("demo", path, "--output", tmp_path / "out", "--model", tiny_models["movie"])
        assert {file.name for file in (tmp_path / "out").iterdir()} == RESULTS
    assert "noise estimate of input" in result.stdout
    assert open_movie(tmp_path / "out" / "restored.ome.zarr").shape == stack.shape
    assert open_movie(tmp_path / "out" / "restored.mp4").shape[0] == 4


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"n_frames": 6, "size": (64, 80)}, id="small"),
        pytest.param({}, marks=pytest.mark.slow, id="default"),
    ],
)
def test_demo_of_the_simulated_movie(settings, tiny_models, tmp_path, monkeypatch, command):
    monkeypatch.setattr(samples, "simulate", partial(samples.simulate, **settings))
    result = command("demo", "--output", tmp_path, "--model", tiny_models["movie"], "--device", "cpu")
    assert {file.name for file in tmp_path.iterdir()} == RESULTS
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line}
    before, gaussian, after = (float(rows["PSNR"][column]) for column in (1, 3, 5))
    assert before == pytest.approx(after, abs=0.1)  # an untrained network returns its input
    assert gaussian > before
    assert {"SSIM", "flicker"} <= set(rows)


def test_demo_raises_for_inputs_that_it_cannot_compare(tiny_models, tmp_path, cells, command):
    options = ["--model", tiny_models["movie-x2"], "--output", tmp_path / "out"]
    assert "has scale 2, the demo needs scale 1" in command("demo", cells, *options, exit_code=2).stderr
    assert not (tmp_path / "out").exists()
    result = cells.rename(tmp_path / "restored.ome.tif")
    options = ["--model", tiny_models["movie"], "--output", tmp_path]
    assert "is the result of an earlier demo" in command("demo", result, *options, exit_code=2).stderr
    own = result.read_bytes()
    cells = result.rename(tmp_path / "cells.ome.tif")
    (tmp_path / "restored.ome.tif").write_bytes(own)
    assert "is not from a finished demo" in command("demo", cells, *options, exit_code=2).stderr
    assert (tmp_path / "restored.ome.tif").read_bytes() == own


@pytest.mark.parametrize("arguments", [["--debug", "info", "none.tif"], ["info", "none.tif", "--debug"]])
def test_debug_before_and_after_the_command_shows_the_traceback(arguments, command):
    with pytest.raises(MissingFileError):
        command(*arguments)


def test_error_in_a_plugin_is_one_line_unless_debugging(cells, tmp_path, command):
    parts = tmp_path / "broken_lamp.py"
    parts.write_text(
        "from dataclasses import dataclass\n"
        "from decrappify.crappify import Part, register_part\n"
        "@register_part('broken-lamp')\n@dataclass(frozen=True)\nclass Lamp(Part):\n"
        "    def apply(self, signal, rng, times):\n        raise ValueError('no bulb')\n"
    )
    (tmp_path / "lamp.toml").write_text("[[steps]]\npart = 'broken-lamp'\n")
    arguments = ("crappify", cells, tmp_path / "out.ome.tif", "--crappifier", tmp_path / "lamp.toml", "--plugin", parts)
    try:
        message = command(*arguments, exit_code=2).stderr
        assert message.rstrip().endswith("broken_lamp.py, line 7: ValueError: no bulb; see the traceback with --debug")
        assert "Traceback" not in message
        with pytest.raises(ValueError, match="no bulb"):
            command(*arguments, "--debug")
    finally:
        unregister_part("broken-lamp")


def test_verbose_and_version_work_after_the_command(cells, tiny_models, tmp_path, command):
    options = ["--model", tiny_models["still"], "--device", "cpu", "--precision", "float32", "--verbose"]
    assert "torch on cpu in float32" in command("restore", cells, tmp_path / "out.ome.tif", *options).stderr
    assert command("restore", cells, tmp_path / "again.ome.tif", *options[:-1]).stderr == ""
    assert command("info", "--version").stdout == command("--version").stdout


OPTIONS = sorted(
    (name, option)
    for name, one in main.commands.items()
    for parameter in one.params
    for option in parameter.opts
    if option.startswith("--")
)


def typos(option, rng):
    """Yield mistyped forms of an option: a character omitted, doubled, swapped or replaced."""
    for _ in range(2):
        at = int(rng.integers(2, len(option)))
        yield option[:at] + option[at + 1 :]
        yield option[:at] + option[at] + option[at:]
        yield option[:at] + option[at : at + 2][::-1] + option[at + 2 :]
        yield option[:at] + "x" + option[at + 1 :]


@pytest.mark.slow
def test_suggestions_for_typos_exclude_options_that_delete(rng, command):
    known = {option for _, option in OPTIONS} | {"--help", "--"}
    mistyped = {(name, typo) for name, _ in OPTIONS for typo in ("--over", "--force", "--write", "--noresume")}
    mistyped |= {(name, typo) for name, option in OPTIONS for typo in typos(option, rng)}
    for name, typo in sorted(one for one in mistyped if one[1] not in known):
        error = command(name, typo, exit_code=2).stderr
        assert re.search(f"No such option:? '?{re.escape(typo)}", error)  # click before 8.3 has no quotes
        assert "'--overwrite'" not in error.replace(typo, "")
        assert "'--no-resume'" not in error.replace(typo, "")
        assert error.count("\n") == 1


def test_suggestions_for_options_ignore_the_dashes(command):
    assert "did you mean" not in command("restore", "--sub", exit_code=2).stderr.lower()  # of --as, only the dashes
    assert "--model" in command("restore", "--modle", exit_code=2).stderr  # click 8.2 does not quote it


def test_options_are_not_abbreviated(command):
    known = {option for _, option in OPTIONS} | {"--help"}
    shortened = {(name, option[:length]) for name, option in OPTIONS for length in range(3, len(option))}
    for name, short in sorted(one for one in shortened if one[1] not in known):
        assert "No such option" in command(name, short, exit_code=2).stderr


def test_options_in_docs_exist():
    known = {option for _, option in OPTIONS} | {"--help"}
    named = {
        (path.name, option)
        for path in (Path(__file__).parents[2] / "docs").rglob("*.md")
        for option in re.findall(r"`(--[a-z][\w-]*)", path.read_text(encoding="utf-8"))
    }
    assert {option for _, option in named} >= {"--overwrite", "--damaged"}
    assert {one for one in named if one[1] not in known} == set()


def test_empty_path_exits_with_one_line(command):
    for arguments in (
        ("info", ""),
        ("restore", "cells.tif", "", "--model", "tiny"),
        ("benchmark", "a", "--output", ""),
    ):
        error = command(*arguments, exit_code=2).stderr
        assert "the path is empty; pass the name of a file or folder" in error
        assert error.count("\n") == 1


def test_warnings_are_one_line(cells, tmp_path):
    path = cells.rename(tmp_path / "cells.czi")
    code = "from decrappify.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "info", path], capture_output=True, text=True, check=True)
    assert done.stderr == "decrappify: cells.czi is a TIFF file by its content, and is read as one; rename it\n"


def test_info_shows_spacing_without_unit(tmp_path, command):
    movie = Movie.from_array(np.zeros((2, 8, 9), np.uint8), unitless_spacing={"T": 5, "X": 0.3})
    path = save_movie(movie, tmp_path / "cells.ome.zarr")
    assert "spacing without unit: T 5, X 0.3\n" in command("info", path).stdout
    assert "without unit:" not in command("info", save_movie(np.zeros((8, 9)), tmp_path / "plain.ome.zarr")).stdout


def test_axes_option_sets_the_axes(tmp_path, rng, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = rng.integers(100, 900, (40, 48, 3), dtype=np.uint16)
    zarr.create_array(tmp_path / "plain.zarr", data=pixels)
    tifffile.imwrite(tmp_path / "stack.tif", pixels.transpose(2, 0, 1), photometric="minisblack")
    assert "pass --axes YXC for" in command("info", "plain.zarr", exit_code=2).stderr
    assert "plain.zarr: T 1, C 3, Z 1, Y 40, X 48" in command("info", "plain.zarr", "--axes", "YXC").stdout
    assert "stack.tif: T 1, C 1, Z 3, Y 40, X 48" in command("info", "stack.tif", "--axes", "zyx").stdout
    command("crappify", "plain.zarr", "bad.ome.zarr", "--preset", "confocal", "--axes", "YXT")
    assert open_movie(tmp_path / "bad.ome.zarr").shape == (3, 1, 1, 40, 48)
    text = command("restore", "stack.tif", "good.ome.tif", "--model", "fluorescence-still", "--axes", "CYX").stdout
    assert "T 1, C 3, Z 1, Y 40, X 48" in text
    assert "does not fit" in command("info", "stack.tif", "--axes", "TZYX", exit_code=2).stderr


def test_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "decrappify", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("decrappify, version ")


def test_ctrl_c_while_the_command_line_is_imported_ends_in_one_line():
    code = (
        "import builtins, sys; plain = builtins.__import__\n"
        "def pressed(name, *others):\n"
        "    if name == 'click':\n"
        "        raise KeyboardInterrupt\n"
        "    return plain(name, *others)\n"
        "builtins.__import__ = pressed; import decrappify.cli"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "decrappify: interrupted\n")


def test_process_ends_without_a_search_for_cycles():
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0)); import decrappify.cli"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_long_arguments_are_shortened_in_errors(command):
    lines = command("info", "cells.tif", "x" * 5000, exit_code=2).stderr
    assert len(lines) < 300
    assert "x..." in lines


def test_restore_accepts_a_fidelity(cells, tmp_path, nogan_model, tiny_models, command):
    output = tmp_path / "restored.ome.tif"
    command("restore", cells, output, "--model", nogan_model, "--fidelity", 0.4, "--device", "cpu")
    assert open_movie(output).provenance["restoration"]["fidelity"] == 0.4
    error = command(
        "restore", cells, tmp_path / "b.ome.tif", "--model", tiny_models["still"], "--fidelity", 1, exit_code=2
    )
    assert "model 'tiny-still' has one set of weights, so --fidelity 1.0 does not apply; omit it, or" in error.stderr
    error = command("restore", cells, tmp_path / "b.ome.tif", "--model", nogan_model, "--fidelity", 2, exit_code=2)
    assert "--fidelity is 2.0, expected a number from 0 (GAN phase) to 1 (pretrained)" in error.stderr
