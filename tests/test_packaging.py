"""Versions agree in all files, lower bounds are tested, and the workflow covers the systems of pyproject.toml."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import types
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from tests.lowest_bounds import EXTRAS, lower_bounds
from tests.third_party import requirements

from decrappify import _version
from decrappify.model import read_card, shipped_models

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]-*.yml"))
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def version_with(build, monkeypatch):
    monkeypatch.setitem(sys.modules, "decrappify._build_version", build)
    return runpy.run_path(_version.__file__)


def test_version_of_a_source_tree_is_the_last_release(monkeypatch):
    names = version_with(None, monkeypatch)
    assert names["__version__"] == f"{PYPROJECT['tool']['hatch']['version']['fallback-version']}+source"
    assert names["RELEASE"] == CITATION["version"]


def test_release_of_a_development_build_is_that_of_its_tag(monkeypatch):
    build = types.SimpleNamespace(__version__="3.1.0.post1.dev12+g0a1b2c3.d20260101")
    names = version_with(build, monkeypatch)
    assert (names["__version__"], names["RELEASE"]) == (build.__version__, "3.1.0")


def test_citation_and_changelog_name_the_same_release():
    sections = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, re.MULTILINE)
    assert sections[0] == ("Unreleased", "")
    assert sections[1] == (CITATION["version"], CITATION["date-released"])
    assert CITATION["license"] == PROJECT["license"]


def test_lower_bounds_of_every_dependency_are_tested():
    bounds = lower_bounds()
    assert set(EXTRAS) == {name for name in PROJECT["optional-dependencies"] if not name.startswith("napari")}
    assert all(f"{name}>={bounds[name]}" in PROJECT["dependencies"] for name in ("numpy", "torch", "zarr"))
    assert len(bounds) >= len(PROJECT["dependencies"]) + len(EXTRAS)
    assert f'--editable ".[{",".join(EXTRAS)}]" --group test-library' in MAKEFILE


@pytest.mark.parametrize("requirement", ["numpy==2.0", "numpy", "numpy>=2.0,<3"])
def test_lower_bounds_rejects_other_forms_of_requirements(requirement, tmp_path):
    text = f'[project]\ndependencies = ["{requirement}"]\n[project.optional-dependencies]\n'
    (tmp_path / "pyproject.toml").write_text(text + "".join(f"{name} = []\n" for name in EXTRAS))
    with pytest.raises(ValueError, match=re.escape(f"requires '{requirement}'; expected NAME>=VERSION")):
        lower_bounds(tmp_path / "pyproject.toml")


def test_workflow_covers_systems_and_pythons():
    matrix = CI["jobs"]["test"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    named = [text.rsplit(" ", 1)[1] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert matrix["python"] == [named[0], named[-1]]
    supported = SpecifierSet(PROJECT["requires-python"])
    older = f"3.{int(named[0].split('.')[1]) - 1}"
    assert all(version in supported for version in named)
    assert older not in supported


def test_workflow_runs_existing_targets_with_pinned_actions():
    steps = [step for job in CI["jobs"].values() for step in job["steps"]]
    targets = set(re.findall(r"make ([a-z-]+)", "\n".join(step.get("run", "") for step in steps)))
    assert targets == {"lint", "dist", "test-lowest"}
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets)
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert CI["permissions"] == {"contents": "read"}


def test_licenses_of_all_packages_and_training_images_are_listed():
    page = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[([\w.-]+)\]\(https", page, re.MULTILINE) == sorted(requirements(), key=str.lower)
    assert "not stated" not in page
    for name, path in shipped_models().items():
        for source in read_card(path)["card"]["data"]:
            assert re.search(rf"^\| {re.escape(source)} \|.*`{name}`", page, re.MULTILINE), (name, source)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_form_has_unique_fields_and_requests_the_version(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    fields = [field["id"] for field in form["body"]]
    assert form["name"]
    assert form["description"]
    assert len(fields) == len(set(fields)) > 0
    assert "question" in path.stem or "decrappify --version" in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_wheel_contains_only_the_packages(tmp_path):
    source = tmp_path / "source"  # a build writes the version into its source
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "demo", "tests")
    )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True)
    wheel = next(tmp_path.glob("decrappify-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        version = archive.read("decrappify/_build_version.py").decode()
    assert f'__version__ = "{wheel.name.split("-")[1]}"' in version
    assert {name.split("/")[0].split("-")[0] for name in names} == {"decrappify", "napari_decrappify"}
    assert {"napari_decrappify/napari.yaml", "decrappify/py.typed"} <= names
    assert len([name for name in names if name.endswith(".safetensors")]) >= 4
    assert not [name for name in names if "test" in Path(name).name]
