"""Recipes of containers and environments: what they name exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

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
