"""Folders with one command line each, and damage to their files and arguments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from . import inputs, run_inputs
from .mutations import JSON, NUMBERS, PLAIN, TEXTS, TOML, Mutation, mutate
from .tiff_mutations import TIFF

COMMAND = "command.json"  # the arguments; not a file of the command
_WORDS = tuple(
    text for text in (*NUMBERS, *TEXTS) if "\0" not in text and "\ud800" not in text and not text.startswith("/")
)
_PATHS = (
    "", ".", "..", "-", "pipe", "empty", "nowhere", "nowhere/x", "a" * 300, "x\ny", "\x1b[31m.tif", "t\udce9st.tif",
    "\udcff.ome.zarr", "in.ome.tif", "in.ome.zarr", "in.ome.zarr/0", "out.ome.zarr", "out.ome.tif", "out.mp4",
    "m.safetensors", "m.safetensors/x", "./out.ome.zarr/", "in.ome.tif/", "sub/../out.ome.tif", "~", "$HOME", "~x",
    "日本語.ome.tif", " ", "out.ome.zarr.partial", ".out.ome.zarr.lock", "-rf", "--", "in.ome.tif\n", "pipe.tif",
)  # fmt: skip
_SMALL = ["--device", "cpu", "--precision", "float32"]


def command_folders(folder: Path) -> list[Path]:
    """Create a folder per command, with all its input files."""
    return [_folder(folder, name, *settings) for name, settings in _COMMANDS.items()]


def _folder(parent: Path, name: str, arguments: list[str], build: Callable[[Path], None], stop_at: int = 0) -> Path:
    folder = parent / name
    (folder / "empty").mkdir(parents=True)
    build(folder)
    (folder / COMMAND).write_text(json.dumps({"arguments": arguments, "stop_at": stop_at}))
    return folder


def _movies(folder: Path) -> None:
    from decrappify.io import save_movie

    run_inputs.tiny_model(n_frames=1).save(folder / "m.safetensors")
    save_movie(inputs.movie(5, 1, 1, 24, 24), folder / "in.ome.zarr")
    save_movie(inputs.movie(5, 1, 1, 24, 24), folder / "in.ome.tif")


def _restored(folder: Path) -> None:
    """Create a movie with several entries of provenance, which the next restoration reads."""
    from decrappify.inference.options import InferenceOptions
    from decrappify.restoration import restore

    _movies(folder)
    model, inference = folder / "m.safetensors", InferenceOptions(device="cpu", precision="float32")
    for name in ("ome.zarr", "ome.tif"):
        source = folder / f"in.{name}"
        output = folder / f"once.{name}"
        restore(source, model, output, inference=inference)
        shutil.rmtree(source) if source.is_dir() else source.unlink()
        output.rename(source)


def _scenes(folder: Path) -> None:
    import warnings

    from tests.io.formats.omezarr.zarr_files import plate

    run_inputs.tiny_model(n_frames=1).save(folder / "m.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plate(folder / "in.ome.zarr", {"B/03": ["0", "1"], "B/04": ["0"]}, "0.4")


def _pairs(folder: Path) -> None:
    from decrappify.io import save_movie

    run_inputs.tiny_model(n_frames=1).save(folder / "m.safetensors")
    save_movie(inputs.movie(2, 1, 1, 24, 24), folder / "in.ome.tif")
    save_movie(inputs.movie(2, 1, 1, 24, 24), folder / "high.ome.tif")


def _crappifying(folder: Path) -> None:
    from decrappify.crappify import crappifier_preset
    from decrappify.io import save_movie

    save_movie(inputs.movie(3, 1, 1, 24, 24), folder / "in.ome.tif")
    crappifier_preset("confocal").save(folder / "c.toml")


def _photographs(folder: Path) -> None:
    from PIL import Image
    from tests.colorization.films import tiny_model

    tiny_model().save(folder / "m.safetensors")
    (folder / "in").mkdir()
    for name in ("a.png", "b.jpg", "c.tif"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32), np.uint8)).save(folder / "in" / name)


def _film(folder: Path) -> None:
    from tests.colorization.films import gray_film, tiny_model, write_film

    tiny_model().save(folder / "m.safetensors")
    write_film(folder / "in.mp4", gray_film(8, 24, 32), sound="aac", options={"g": "4"})


def _weights(folder: Path) -> None:
    (folder / "all").mkdir()
    run_inputs.checkpoint_files(folder / "all")
    (folder / "all" / "few0.pth").rename(folder / "in.pth")
    shutil.rmtree(folder / "all")


def _model(folder: Path) -> None:
    run_inputs.tiny_model(n_frames=3, scale=2).save(folder / "in.safetensors")


_RUN = """
output = "run"
crappifier = "confocal"

[data]
high_res = ["in.ome.tif"]
validation = "validation.ome.tif"
shrink = [1, 2]
still_motion_px = [0.0, 2.0]
folder_as = "auto"

[training]
network = "small"
n_frames = 1
max_steps = 2
validate_every = 1
batch_size = 1
patch_size = 16
learning_rate = 2e-3
ema_decay = 0.9
loss = "rmse"
seed = 1
device = "cpu"

[network]
base_channels = 16
depth = 1
stem = 1

[card]
name = "cells"
summary = "cells"
"""


def _training(folder: Path) -> None:
    from decrappify.io import save_movie

    save_movie(inputs.movie(6, 1, 1, 32, 32), folder / "in.ome.tif")
    save_movie(inputs.movie(2, 1, 1, 32, 32), folder / "validation.ome.tif")
    (folder / "run.toml").write_text(_RUN)


def _stopped_training(folder: Path) -> None:
    """Create a run that was stopped at the second of three steps."""
    _training(folder)
    (folder / "run.toml").write_text(_RUN.replace("max_steps = 2", "max_steps = 3"))
    _killed(folder, ["train", "run.toml"], 2)


_RESTORE = ["--model", "m.safetensors", *_SMALL]
_COLOR = [*_RESTORE, "--render-factor", "2"]
_COMMANDS: dict[str, tuple[Any, ...]] = {
    "restore-zarr": (["restore", "in.ome.zarr", "out.ome.tif", *_RESTORE], _restored),
    "restore-tiff": (["restore", "in.ome.tif", "out.ome.zarr", *_RESTORE], _restored),
    "restore-mp4": (["restore", "in.ome.tif", "out.mp4", *_RESTORE], _movies),
    "resume-zarr": (["restore", "in.ome.zarr", "out.ome.zarr", *_RESTORE], _movies, 3),
    "resume-tiff": (["restore", "in.ome.zarr", "out.ome.tif", *_RESTORE], _movies, 3),
    "resume-mp4": (["restore", "in.ome.tif", "out.mp4", *_RESTORE], _movies, 3),
    "scenes": (["restore", "in.ome.zarr", "out.ome.zarr", "--scene", "all", *_RESTORE], _scenes),
    "benchmark": (
        ["benchmark", "in.ome.tif", "high.ome.tif", *_RESTORE[:4], "--output", "report", "--baselines", "input"],
        _pairs,
    ),
    "crappify": (["crappify", "in.ome.tif", "out.ome.zarr", "--crappifier", "c.toml"], _crappifying),
    "photographs": (["colorize", "in", "out", *_COLOR], _photographs),
    "resume-photographs": (["colorize", "in", "out", *_COLOR], _photographs, 2),
    "film": (["colorize", "in.mp4", "out.mp4", *_COLOR], _film),
    "resume-film": (["colorize", "in.mp4", "out.mkv", *_COLOR], _film, 5),
    "import-weights": (["import-weights", "in.pth", "-o", "out.safetensors"], _weights),
    "models": (["models", "in.safetensors"], _model),
    "info": (["info", "in.ome.zarr"], _restored),
    "train": (["train", "run.toml"], _training),
    "train-resume": (["train", "run.toml", "--resume"], _stopped_training),
}


def damage_command(folder: Path, rng: Random) -> None:
    """Damage a file of the command, a file left by a killed run of it, or its arguments."""
    settings = json.loads((folder / COMMAND).read_text())
    os.mkfifo(folder / "pipe.tif")
    whole = set(command_files(folder))
    if settings["stop_at"]:
        _killed(folder, settings["arguments"], settings["stop_at"])
    left = [path for path in command_files(folder) if path not in whole] + command_files(folder / "run")
    how = rng.random()
    if how < 0.4 or (left and how < 0.2):
        settings["arguments"] = edit_arguments(settings["arguments"], rng)
        (folder / COMMAND).write_text(json.dumps(settings))
    elif left and how < 0.95:
        _damage_unfinished(_documents_first(left, rng), folder, rng)
    else:
        file = rng.choice(sorted(whole))
        settings_file = [path for path in sorted(whole) if path.suffix in (".toml", ".safetensors")]
        if settings_file and rng.random() < 0.3:
            file = rng.choice(settings_file)
        _damage_file(file, rng)


def edit_arguments(arguments: list[str], rng: Random) -> list[str]:
    """Replace, remove, repeat or add arguments of a command line."""
    name, *rest = arguments
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        how = rng.random()
        place = rng.randrange(len(rest)) if rest else 0
        if how < 0.4 and rest:
            rest[place] = rng.choice((*_PATHS, *_PATHS, *_WORDS))
        elif how < 0.45 and rest:
            del rest[place]
        elif how < 0.5 and rest:
            rest.insert(place, rest[place])
        else:
            rest += _option(name, rng)
    return [name, *rest]


def _option(name: str, rng: Random) -> list[str]:
    """Return an option of a command with a value that may be invalid."""
    import click

    from decrappify.cli import main

    options = [one for one in main.commands[name].params if isinstance(one, click.Option)]
    option = rng.choice([one for one in options if "--help" not in one.opts and "--debug" not in one.opts])
    if option.is_flag:
        return [option.opts[0]]
    if isinstance(option.type, click.Choice) and rng.random() < 0.7:
        return [option.opts[0], str(rng.choice(list(option.type.choices)))]
    if option.name == "backend":  # compilation exceeds the time limit of a case
        return [option.opts[0], rng.choice(("torch", "onnxruntime", "", "x"))]
    return [option.opts[0], rng.choice((*_WORDS, *(str(n) for n in range(5)), "0.5", "1e9", "1:3", *_PATHS))]


def _damage_unfinished(file: Path, folder: Path, rng: Random) -> None:
    how = rng.random()
    if how < 0.1:
        file.unlink()
    elif how < 0.15:
        file.unlink()
        file.mkdir()
    elif how < 0.2:
        shutil.copyfile(rng.choice([other for other in command_files(folder) if other != file]), file)
    elif file.suffix == ".lock" or "journal" in file.name:
        edit_lines(file, rng)
    else:
        _damage_file(file, rng)


def edit_lines(file: Path, rng: Random) -> None:
    """Damage a line of JSON, and update its checksum, if present, in most cases."""
    lines = file.read_bytes().split(b"\n")
    place = rng.choice([number for number, line in enumerate(lines) if line] or [0])
    text, tab, _ = lines[place].rpartition(b"\t")
    if tab and rng.random() < 0.7:
        text = mutate(text, rng, JSON)
        lines[place] = b"%s\t%08x" % (text, zlib.crc32(text))
    else:
        lines[place] = mutate(lines[place], rng, JSON)
    file.write_bytes(b"\n".join(lines))


def _damage_file(file: Path, rng: Random) -> None:
    if file.suffix == ".safetensors" and file.stat().st_size > 8:
        from .worker import edit_safetensors

        edit_safetensors(file, rng)
        return
    file.write_bytes(mutate(file.read_bytes(), rng, _mutations(file)))


def _mutations(file: Path) -> tuple[Mutation, ...]:
    if file.suffix == ".tif":
        return TIFF
    return {".json": JSON, ".toml": TOML}.get(file.suffix, PLAIN)


def _documents_first(files: list[Path], rng: Random) -> Path:
    documents = [path for path in files if path.suffix in (".json", ".lock", ".csv", ".pt") or "journal" in path.name]
    return rng.choice(documents if documents and rng.random() < 0.8 else files)


def command_files(folder: Path) -> list[Path]:
    """Return the files that a command reads or writes."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in found if path.name != COMMAND]


# Run in a new process: a fork of this process would wait for torch's threads, which do not exist in it.
_KILLED = """
import os, sys
from decrappify.cli import main

class Killing:
    def __init__(self, **_):
        self.left = int(sys.argv[1])

    def update(self, n=1):
        self.left -= n
        if self.left <= 0:
            os._exit(9)

    def __getattr__(self, name):
        return lambda *_, **__: None

for name, module in list(sys.modules.items()):
    if name.startswith("decrappify.cli.") and hasattr(module, "progress_bars"):
        module.progress_bars = lambda: Killing
main(sys.argv[2:])
"""


def _killed(folder: Path, arguments: list[str], stop_at: int) -> None:
    """Run a command in a new process that ends, as if killed, after `stop_at` steps of its progress bar."""
    command = [sys.executable, "-c", _KILLED, str(stop_at), *arguments]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | threads, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 9:
        raise AssertionError(f"{arguments} was not killed, it ended with {done.returncode}: {done.stderr[-500:]}")
