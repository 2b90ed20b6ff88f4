"""The floors of the house: a room imports only from lower floors or from itself, lazily or not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import decrappify

ROOT = Path(decrappify.__file__).parent
# From the ground up. Rooms of one line do not import each other.
FLOORS = [
    {"_version", "errors"},
    {"movie", "windows"},
    {"intensity", "networks", "losses", "metrics"},
    {"io", "crappify"},
    {"samples", "model", "datasets"},
    {"cards", "restoration", "fastai_import", "trust"},
    {"colorization", "training"},
    {"benchmark", "demo"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names below `decrappify` that a module imports anywhere, functions and TYPE_CHECKING blocks included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("decrappify"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "decrappify":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_imports_only_from_lower_floors_or_its_own_room(path):
    room = room_of(path)
    assert room in FLOOR, f"{room} has no floor yet: give it one in FLOORS"
    for name in imported(path):
        other = name.split(".")[1]
        assert other == room or FLOOR[other] < FLOOR[room], f"{room} imports {name}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_are_absolute(path):
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    assert not [node.lineno for node in tree if isinstance(node, ast.ImportFrom) and node.level]


def test_the_walk_sees_lazy_imports():
    assert "decrappify.training.loop.run_training" in set(imported(ROOT / "training" / "api.py"))
