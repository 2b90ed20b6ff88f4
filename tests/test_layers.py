"""Layers of the package: a module imports only from lower layers or its own package, lazily or not."""

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
# From the lowest to the highest layer. Packages in one line do not import each other.
LAYERS = [
    {"_build_version"},  # written when the package is built
    {"_version", "errors"},
    {"_common"},
    {"limits", "messages"},
    {"movie", "windows"},
    {"normalization", "networks"},
    {"inference"},
    {"losses", "metrics"},
    {"io", "crappify"},
    {"samples"},
    {"model", "datasets", "noise", "domain"},
    {"trust"},  # below the restoration, which ends with a trust map if required
    {"restoration", "plot"},
    {"batch"},
    {"colorization", "training"},
    {"benchmarking"},
    {"checking"},
    {"cli"},
    {"__main__"},
]
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@cache
def import_statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements anywhere in a module, functions and TYPE_CHECKING blocks included."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names below `decrappify` that a module imports anywhere."""
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("decrappify"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "decrappify":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def test_modules_import_only_from_lower_layers_or_their_own_package():
    for path in MODULES:
        package = package_of(path)
        assert package in LAYER, f"{package} has no layer; add it to LAYERS"
        for name in imported(path):
            other = name.split(".")[1]
            assert other == package or LAYER[other] < LAYER[package], (
                f"{path} imports {name}, which is not in a lower layer than {package}"
            )


def test_imports_are_absolute():
    relative = [
        f"{path}:{node.lineno}"
        for path in MODULES
        for node in import_statements(path)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


PLUGIN = ROOT.parents[1] / "napari_plugin" / "src" / "napari_decrappify"
PLUGIN_MODULES = sorted(PLUGIN.rglob("*.py"))


@pytest.mark.parametrize("path", PLUGIN_MODULES, ids=lambda path: path.name)
def test_plugin_imports_only_public_names(path):
    for name in imported(path):
        package, _, public = name.removeprefix("decrappify.").partition(".")
        module = import_module("decrappify" if not public else f"decrappify.{package}")
        public = public or package
        assert "." not in public, f"{name} is a part of a module"
        assert public == "__version__" or not public.startswith("_"), f"{name} is private"
        assert not ismodule(getattr(module, public)), f"{name} is a module"
        assert public in getattr(module, "__all__", [public]), f"{name} is not in __all__ of {module.__name__}"


# From the lowest to the highest package; a module belongs to the longest that contains it.
PLUGIN_LAYERS = [
    "layers",
    "layers.files",
    "layers.canvas",
    "layers.results",
    "workers",
    "workers.running",
    "workers.movies",
    "workers.models",
    "commands",
    "widgets",
]


def plugin_layer(module: str) -> int | None:
    """Return the place of a module, relative to the plugin, in `PLUGIN_LAYERS`; None if it is in none of them."""
    packages = [package for package in PLUGIN_LAYERS if f"{module}.".startswith(f"{package}.")]
    return PLUGIN_LAYERS.index(max(packages, key=len)) if packages else None


def test_packages_of_the_plugin_import_only_from_lower_ones():
    wrong = []
    for path in PLUGIN_MODULES:
        own = plugin_layer(".".join(path.relative_to(PLUGIN).with_suffix("").parts))
        for node in import_statements(path):
            if own is None or not isinstance(node, ast.ImportFrom):
                continue
            package, _, module = (node.module or "").partition(".")
            other = plugin_layer(module) if package == "napari_decrappify" else None
            if other is not None and other > own:
                wrong.append(f"{path.relative_to(PLUGIN)} imports {module}")
    assert wrong == []


def test_folders_of_the_plugin_have_few_modules():
    folders = {path.parent for path in PLUGIN_MODULES}
    assert max(len(list(folder.glob("*.py"))) for folder in folders) <= 12


def test_jobs_and_layers_of_the_plugin_import_no_qt():
    paths = [*(PLUGIN / "layers").rglob("*.py"), *(PLUGIN / "workers").rglob("*.py")]
    found = {path.name for path in paths if "qtpy" in path.read_text(encoding="utf-8")}
    assert found == {"runner.py"}


def test_library_does_not_import_napari_or_qt():
    names = {
        (name.split(".")[0], path)
        for path in MODULES
        for node in import_statements(path)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    of_the_plugin = {"napari", "napari_decrappify", "magicgui", "qtpy", "superqt", "PyQt6", "PySide6"}
    assert [entry for entry in names if entry[0] in of_the_plugin] == []


# Modules outside io/images that draw, resize, encode or crappify with Pillow; none of them decodes an image file.
DRAWING = {
    "_common/pages/png.py",
    "colorization/colorizer.py",
    "colorization/watermark.py",
    "crappify/artifacts.py",
    "datasets/photographs.py",
    "training/monitors/images.py",
    "training/monitors/plots.py",
}
IN_MEMORY = {"crappify/artifacts.py"}  # decodes the JPEG data that it has encoded


def importers(library: str) -> set[str]:
    """Return the modules that import a library anywhere, relative to the package."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        for node in import_statements(path)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] == library
    }


def test_only_io_media_imports_pyav():
    assert {path.rpartition("/")[0] for path in importers("av")} == {"io/media", "io/media/demuxing"}


def test_only_io_images_decodes_with_pillow():
    outside = {path for path in importers("PIL") if not path.startswith("io/images/")}
    assert outside == DRAWING
    opening = {path for path in outside if "Image.open(" in (ROOT / path).read_text(encoding="utf-8")}
    assert opening == IN_MEMORY


def test_plugin_modules_are_found():
    assert len(PLUGIN_MODULES) >= 40


def test_lazy_imports_are_found():
    assert "decrappify.training.supervised.run.run_training" in set(
        imported(ROOT / "training" / "supervised" / "api.py")
    )


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {module_name(path) for path in MODULES}


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the package that a module imports anywhere, as dotted names."""
    found = {name if name in NAMES else name.rpartition(".")[0] for name in imported(path)}
    return (found & NAMES) - {module_name(path)}


PACKAGES = sorted({package_of(path) for path in MODULES if path.parent != ROOT})


# Modules and packages in a package, from the lowest to the highest layer. Those in one line do not import each other.
INNER_LAYERS = {
    "benchmarking": [
        {"options", "camera", "demo"},
        {"inputs"},
        {"methods"},
        {"scoring"},
        {"report"},
        {"api", "intervals"},
    ],
    "metrics": [
        {"sums", "bootstrap", "chroma", "quantities"},
        {"alignment", "temporal", "fidelity", "resolution", "decorrelation", "block_matching"},
        {"baselines", "multiscale", "no_reference"},
        {"scoring"},
        {"registry"},
        {"scorecard"},
    ],
    "restoration": [
        {"measurement"},
        {"frames"},
        {"job"},
        {"tiling", "outputs"},
        {"records"},
        {"run"},
        {"distributed", "spread"},
        {"pipeline"},
        {"preview", "confirmed", "finished", "follow"},
        {"scenes"},
    ],
}


@pytest.mark.parametrize("package", INNER_LAYERS)
def test_parts_of_a_package_import_only_from_lower_ones(package):
    layer = {part: number for number, parts in enumerate(INNER_LAYERS[package]) for part in parts}
    paths = [path for path in sorted((ROOT / package).rglob("*.py")) if path != ROOT / package / "__init__.py"]
    assert {module_name(path).split(".")[2] for path in paths} == set(layer)
    wrong = []
    for path in paths:
        own = module_name(path).split(".")[2]
        for name in imported_modules(path):
            _, home, part, *_ = *name.split("."), ""
            if home == package and part not in (own, "") and layer[part] >= layer[own]:
                wrong.append(f"{path} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("package", ["benchmarking", "io", "metrics", "restoration"])
def test_folders_of_a_package_have_few_modules(package):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert max(len(list(folder.glob("*.py"))) for folder in folders) <= 12


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_of_a_package_have_no_import_cycle(package):
    graph = {module_name(path): imported_modules(path) for path in sorted((ROOT / package).rglob("*.py"))}
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a cycle


def test_parts_of_io_import_one_way():
    """Compare the modules and packages inside each package, each inner package as a whole."""
    folders = sorted({path.parent for path in MODULES if path.is_relative_to(ROOT / "io")})
    assert {"io", "tiff", "planes", "opening"} <= {folder.name for folder in folders}
    for folder in folders:
        depth = len(folder.relative_to(ROOT.parent).parts)
        package = ".".join(folder.relative_to(ROOT.parent).parts)
        parts: dict[str, set[str]] = {}
        for path in folder.rglob("*.py"):
            names = [name for name in imported_modules(path) if name.startswith(f"{package}.")]
            part = ".".join(module_name(path).split(".")[: depth + 1])
            parts.setdefault(part, set()).update(".".join(name.split(".")[: depth + 1]) for name in names)
        graph = {part: below - {part} for part, below in parts.items() if part != package}
        TopologicalSorter(graph).prepare()  # raises CycleError with the parts of a cycle


def test_import_cycles_are_found_through_lazy_imports():
    html = ROOT / "benchmarking" / "report" / "html.py"
    assert "decrappify.benchmarking.report.results" in imported_modules(html)
    report = ROOT / "benchmarking" / "report" / "report.py"
    assert "decrappify.benchmarking.report.files" in imported_modules(report), "imported in a method"
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    with pytest.raises(CycleError, match="cycle"):
        TopologicalSorter(graph).prepare()
