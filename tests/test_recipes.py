"""Recipes of CONTRIBUTING.md: every block runs unchanged, as a file outside the package."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.registries import isolated

from decrappify import Crappifier, crappifier_preset, load_model, open_movie, save_movie
from decrappify.benchmarking.report import files
from decrappify.crappify import list_parts
from decrappify.samples import simulate

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
RECIPE = re.compile(r"^### An? (?P<name>.+)$(?:(?!^#).*\n)*?^```python\n(?P<code>(?:.*\n)*?)^```$", re.MULTILINE)
RECIPES = {found["name"]: found["code"] for found in RECIPE.finditer(PAGE.read_text(encoding="utf-8"))}
RUN = """
crappifier = {crappifier!r}
output = "out"

[data]
high_res = "good.ome.tif"

[training]
n_frames = 1
max_steps = 1
batch_size = 2
patch_size = 16
device = "cpu"
{training}

[network]
{network}
"""
TINY = "base_channels = 16\ndepth = 1"

pytestmark = pytest.mark.usefixtures("undrawn_training", "few_validation_patches")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a movie; components that a test registers are removed."""
    save_movie(simulate("vesicles", n_frames=10, size=(48, 64), seed=0).truth, tmp_path / "good.ome.tif")
    monkeypatch.chdir(tmp_path)
    with isolated():
        yield tmp_path


def recipe(name):
    """Write the block of a recipe to a file, and return its path."""
    path = Path(f"my_{name.replace(' ', '_')}.py")
    path.write_text(RECIPES[name], encoding="utf-8")
    return path


def write_run(crappifier="confocal", training="", network=TINY):
    Path("run.toml").write_text(RUN.format(crappifier=crappifier, training=training, network=network))


def test_recipes_are_complete():
    assert set(RECIPES) >= {
        "crappifier part",
        "loss",
        "metric",
        "network",
        "file format",
    }  # formats: io/recognition/test_registry.py


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_uses_public_names(name):
    for module, names in re.findall(r"^from (decrappify[\w.]*) import (.+)$", RECIPES[name], re.MULTILINE):
        public = __import__(module, fromlist=["__all__"])
        assert set(names.split(", ")) <= set(getattr(public, "__all__", dir(public))), module


def test_recipe_part_degrades_is_saved_and_trains(folder, command):
    file = recipe("crappifier part")
    with isolated():
        command("crappify", "good.ome.tif", "bad.ome.tif", "--preset", "old-lamp", "--plugin", file)
        good, bad = (np.asarray(open_movie(f"{name}.ome.tif"))[:, 0, 0].mean(0) for name in ("good", "bad"))
        corner, middle = ((bad[area] / good[area]).mean() for area in (np.s_[:8, :8], np.s_[20:28, 28:36]))
        assert corner < 0.98 * middle
        crappifier = crappifier_preset("old-lamp")
        crappifier.save("lamp.toml")
        assert Crappifier.load("lamp.toml") == crappifier
        assert list_parts()["vignette"].limits["loss"].minimum == 0
        write_run("lamp.toml")
        command("--plugin", file, "train", "run.toml")
    known = load_model("out/model.safetensors")
    assert known.crappifier["steps"][0] == {"part": "vignette", "loss": [0.1, 0.5]}
    command("restore", "bad.ome.tif", "restored.ome.tif", "--model", "out/model.safetensors")
    result = command("train", "run.toml", "--output", "other", exit_code=2)
    where = "the crappifier part 'vignette' is defined in the file my_crappifier_part.py; install or import it first"
    assert f"lamp.toml: {where}" in result.stderr


def test_recipe_loss_trains(folder, command):
    file = recipe("loss")
    write_run(training='loss = "edges"')
    with isolated():
        command("train", "run.toml", "--plugin", file)
    assert load_model("out/model.safetensors").card["settings"]["loss"] == "edges"
    result = command("train", "run.toml", "--output", "other", exit_code=2)
    assert "unknown loss 'edges', expected one of l1, l2, " in result.stderr


def test_recipe_metric_is_in_the_report(folder, command, tiny_models, monkeypatch):
    monkeypatch.setattr(files, "png_files", lambda report: ())  # most of the CPU time
    command("crappify", "good.ome.tif", "bad.ome.tif", "--preset", "confocal")
    options = ["--model", tiny_models["still"], "--baselines", "input", "--plugin", recipe("metric")]
    result = command("benchmark", "bad.ome.tif", "good.ome.tif", *options)
    assert re.search(r"^ *MAE counts +\d+\.\d", result.stdout, re.MULTILINE)
    assert '<td class="meaning">mean absolute error</td>' in Path("benchmark/report.html").read_text(encoding="utf-8")


def test_recipe_network_trains_is_saved_and_restores(folder, command):
    file = recipe("network")
    write_run(training='network = "two-layers"', network="channels = 8")
    with isolated():
        command("train", "run.toml", "--plugin", file)
    model = ["--model", "out/model.safetensors"]
    with isolated():
        command("restore", "good.ome.tif", "restored.ome.tif", *model, "--plugin", file)
        assert load_model("out/model.safetensors").network.architecture["channels"] == 8
        assert open_movie("restored.ome.tif").shape == open_movie("good.ome.tif").shape
    result = command("restore", "good.ome.tif", "again.ome.tif", *model, exit_code=2)
    assert (
        "out/model.safetensors needs the network 'two-layers' of the file my_network.py; install or import it first, "
        "or load its file: --plugin FILE, or load_plugin(FILE) in Python"
    ) in result.stderr


def test_recipe_format_is_read_and_written_by_commands(folder, command):
    file = recipe("file format")
    file.write_text(
        file.read_text(encoding="utf-8") + "\nfrom decrappify.io import register_format\n\nregister_format(FORMAT)\n"
    )
    with isolated():
        command("crappify", "good.ome.tif", "bad.nrrd", "--preset", "confocal", "--plugin", file)
        assert "C 1, Z 1, Y 48, X 64" in command("info", "bad.nrrd").stdout
