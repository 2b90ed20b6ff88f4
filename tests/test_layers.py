"""The floors of the house: a room imports only from lower floors or from itself, lazily or not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from inspect import ismodule
from pathlib import Path

import pytest

import decrappify

ROOT = Path(decrappify.__file__).parent
# From the ground up. Rooms of one line do not import each other.
FLOORS = [
    {"_build_version"},  # written when the package is built
    {"_common", "_version", "errors", "lazy"},
    {"limits", "terminal"},
    {"checks", "movie", "runtime", "saturation", "windows"},
    {"intensity", "networks"},
    {"inference"},
    {"losses", "metrics", "fastai_import"},
    {"io", "crappify"},
    {"samples", "model", "datasets"},
    {"cards", "importing", "restoration", "trust"},
    {"colorization", "training"},
    {"benchmarking", "demo"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@cache
def import_statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements anywhere in a module, functions and TYPE_CHECKING blocks included."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imported(path: Path) -> Iterator[str]:
    """Dotted names below `decrappify` that a module imports anywhere."""
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("decrappify"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "decrappify":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def test_a_module_imports_only_from_lower_floors_or_its_own_room():
    for path in MODULES:
        room = room_of(path)
        assert room in FLOOR, f"{room} has no floor yet: give it one in FLOORS"
        for name in imported(path):
            other = name.split(".")[1]
            assert other == room or FLOOR[other] < FLOOR[room], f"{path} imports {name}, which is not below {room}"


def test_imports_are_absolute():
    relative = [
        f"{path}:{node.lineno}"
        for path in MODULES
        for node in import_statements(path)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


PLUGIN = ROOT.parents[1] / "napari_plugin" / "napari_decrappify"
PLUGIN_MODULES = sorted(PLUGIN.rglob("*.py"))


@pytest.mark.parametrize("path", PLUGIN_MODULES, ids=lambda path: path.name)
def test_the_napari_plugin_imports_only_public_names(path):
    for name in imported(path):
        room, _, public = name.removeprefix("decrappify.").partition(".")
        home = import_module("decrappify" if not public else f"decrappify.{room}")
        public = public or room
        assert "." not in public, f"{name} is a part of a module"
        assert public == "__version__" or not public.startswith("_"), f"{name} is private"
        assert not ismodule(getattr(home, public)), f"{name} is a module"
        assert public in getattr(home, "__all__", [public]), f"{name} is not in __all__ of {home.__name__}"


def test_the_library_knows_neither_napari_nor_qt():
    names = {
        (name.split(".")[0], path)
        for path in MODULES
        for node in import_statements(path)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    theirs = {"napari", "napari_decrappify", "magicgui", "qtpy", "superqt", "PyQt6", "PySide6"}
    assert [entry for entry in names if entry[0] in theirs] == []


def test_the_walk_sees_the_plugin():
    assert len(PLUGIN_MODULES) >= 15


def test_the_walk_sees_lazy_imports():
    assert "decrappify.training.supervised.run.run_training" in set(
        imported(ROOT / "training" / "supervised" / "api.py")
    )


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the package that a module imports anywhere, as dotted names."""
    names = {module_name(other) for other in MODULES}
    found = {name if name in names else name.rpartition(".")[0] for name in imported(path)}
    return (found & names) - {module_name(path)}


@pytest.mark.parametrize("package", ["_common", "benchmarking", "metrics"])
def test_modules_of_a_package_have_no_import_cycle(package):
    graph = {module_name(path): imported_modules(path) for path in sorted((ROOT / package).rglob("*.py"))}
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a cycle


def test_import_cycles_are_found_through_lazy_imports():
    html = ROOT / "benchmarking" / "report" / "html.py"
    assert "decrappify.benchmarking.report.results" in imported_modules(html)
    report = ROOT / "benchmarking" / "report" / "report.py"
    assert "decrappify.benchmarking.report.files" in imported_modules(report), "imported in a method"
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    with pytest.raises(CycleError, match="cycle"):
        TopologicalSorter(graph).prepare()
