"""The site documents all public names and commands, and its extensions work (`make lint` builds the pages)."""

from __future__ import annotations

import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

import decrappify
from decrappify import errors
from decrappify.cli import main

DOCS = Path(__file__).parents[1] / "docs"
API = {page.name: page.read_text(encoding="utf-8") for page in sorted((DOCS / "api").glob("*.md"))}
DOCUMENTED = [path for text in API.values() for path in re.findall(r"^   (decrappify\.\S+)$", text, re.MULTILINE)]
PACKAGES = ["decrappify", *(f"decrappify.{name}" for name in sorted(decrappify._SUBPACKAGES | {"model", "movie"}))]


def resolved(path):
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def documented_names(package):
    """Return the names of a package that are documented under it, or as the same object under another path."""
    module = import_module(package)
    objects = {id(resolved(path)) for path in DOCUMENTED}
    return {
        name for name in module.__all__ if f"{package}.{name}" in DOCUMENTED or id(getattr(module, name)) in objects
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_api_pages_contain_all_public_names(package):
    assert set(import_module(package).__all__) - documented_names(package) <= {"__version__"}


def test_api_pages_contain_all_errors_and_no_name_twice():
    classes = [f"decrappify.errors.{name}" for name, value in vars(errors).items() if _is_error(value)]
    assert set(classes) - set(DOCUMENTED) == {"decrappify.errors.Cancelled"}  # documented as decrappify.Cancelled
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def _is_error(value):
    return isinstance(value, type) and issubclass(value, errors.DecrappifyError)


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("decrappify.restore", [".. autofunction:: decrappify.restore"]),
        ("decrappify.Movie", [".. autoclass:: decrappify.Movie", "   :members:"]),
        ("decrappify.errors.InputError", [".. autoclass:: decrappify.errors.InputError"]),
        ("decrappify.movie.AXES", [".. py:data:: AXES", "   :module: decrappify.movie", "   :value: 'TCZYX'"]),
    ],
)
def test_api_directive_selects_autodoc_by_kind(path, lines):
    pytest.importorskip("sphinx")  # of the dependency group docs
    assert runpy.run_path(str(DOCS / "_ext" / "api_names.py"))["directive"](path) == [*lines, ""]


def test_command_reference_contains_all_commands():
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^   :prog: decrappify (\S+)$", text, re.MULTILINE)) == set(main.commands)
