"""Recipes of containers and environments: what they name exists."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from packaging.specifiers import SpecifierSet

from decrappify import open_movie, save_movie
from decrappify.cli import main
from decrappify.model.catalog import shipped_models
from decrappify.samples import simulate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "containers"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPES = [FOLDER / "Containerfile", FOLDER / "decrappify.def"]


def extras_in(text: str) -> set[str]:
    return {
        extra
        for found in re.findall(r'^\s*(?:ARG )?extras="?([\w,-]+)"?', text, re.M | re.I)
        for extra in found.split(",")
    }


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_recipe_installs_existing_extras_on_a_supported_python(recipe):
    text = recipe.read_text(encoding="utf-8")
    extras = extras_in(text)
    assert extras
    assert extras <= set(PROJECT["optional-dependencies"])
    versions = re.findall(r"python:(\d+\.\d+)-slim", text)
    assert versions
    assert all(version in SpecifierSet(PROJECT["requires-python"]) for version in versions)


def test_conda_environment_installs_existing_extras_on_a_supported_python():
    content = yaml.safe_load((FOLDER / "environment.yml").read_text(encoding="utf-8"))
    *packages, from_index = content["dependencies"]
    assert f"python{PROJECT['requires-python']}" in packages
    (requirement,) = from_index["pip"]
    folder, extras = re.fullmatch(r"(.+)\[(.+)\]", requirement).groups()
    assert (FOLDER / folder / "pyproject.toml").is_file(), "paths are relative to the environment file"
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_install_page_lists_every_extra():
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert set(PROJECT["optional-dependencies"]) == set(
        re.findall(r"`([\w-]+)`", "".join(re.findall(r"^\| `.+", text, re.M)))
    )


GALAXY = FOLDER / "galaxy" / "decrappify_restore.xml"


@pytest.fixture(scope="module")
def tool():
    return ElementTree.parse(GALAXY).getroot()


def command_of(tool, **values):
    """Return the words of the restore command of the Galaxy tool, and of the link that precedes it."""
    defaults = {param.get("name"): selected(param) for param in tool.iterfind("inputs/param[@type='select']")}
    defaults |= {"outliers": "replace", "nan": "error", "trust": "", "source": "dataset.dat", "source.ext": "ome.tiff"}
    text = re.sub(r"\$([a-z]+(?:\.ext)?)", lambda found: (defaults | values)[found[1]], tool.findtext("command"))
    return [shlex.split(part) for part in text.split("&&")]


def selected(param):
    return next(option.get("value") for option in param.iterfind("option") if option.get("selected"))


def test_galaxy_tool_offers_the_shipped_models_and_options_of_the_command(tool):
    models = tool.findall("inputs/param[@name='model']/option")
    assert {option.get("value") for option in models} == set(shipped_models())
    options = {name: option for option in main.get_command(None, "restore").params for name in option.opts}
    (_, words) = command_of(tool, trust="--trust")
    assert {word for word in words if word.startswith("--")} <= set(options)
    for param in tool.iterfind("inputs/param[@argument]"):
        choices = {choice.get("value") for choice in param.iterfind("option")}
        assert choices <= set(getattr(options[param.get("argument")].type, "choices", ()))
    versions = {token.text for token in tool.iterfind("macros/token[@name='@TOOL_VERSION@']")}
    assert versions == {yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]}


def test_galaxy_tool_writes_the_files_that_its_outputs_name(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_movie(simulate("vesicles", n_frames=6, size=(96, 96), seed=0).noisy, tmp_path / "source.ome.tif")
    (tmp_path / "source.ome.tif").rename("dataset.dat")
    (_, *link), (name, *words) = command_of(tool, trust="--trust")
    Path(link[-1]).symlink_to(link[-2])
    assert name == "decrappify"
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 0, ended.output
    for output in tool.iterfind("outputs/data"):
        assert open_movie(output.get("from_work_dir")).shape[-2:] == (96, 96)
