"""Loading of plugins: the user's Python files and installed packages that register components."""

from __future__ import annotations

import os
import sys
import warnings
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TYPE_CHECKING
from zlib import crc32

from decrappify.errors import InputError, MissingFileError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VARIABLE = "DECRAPPIFY_PLUGINS"
GROUP = "decrappify.plugins"
HINT = "if a plugin file defines it, load that file first: --plugin FILE, or load_plugin(FILE) in Python"
_PREFIX = "decrappify_plugin_"  # of the module names of plugin files
_packages: set[str] = set()  # values of the entry points that were loaded


def load_plugin(path: str | Path) -> ModuleType:
    """Run a Python file that registers components, such as crappifier parts or metrics.

    The file is run once per process, without changing ``sys.path``. Its path is added to the environment variable
    ``DECRAPPIFY_PLUGINS``, so that processes started later, such as data loader workers, run it too.

    Parameters
    ----------
    path : str or Path
        A ``.py`` file.

    Returns
    -------
    module
        The module of the file.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    InputError
        If it is not a Python file, or running it raises an error.
    """
    path = Path(os.path.realpath(path))
    if not path.is_file():
        raise MissingFileError(f"plugin file {path} does not exist; pass the path of a Python file")
    name = f"{_PREFIX}{path.stem}_{crc32(os.fsencode(path)):08x}"
    if name not in sys.modules:
        _run(path, name)
        files = [each for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
        if str(path) not in files:
            os.environ[VARIABLE] = os.pathsep.join([*files, str(path)])
    return sys.modules[name]


def load_plugins() -> None:
    """Load the files of the environment variable and the installed packages with an entry point, each once.

    Raises
    ------
    InputError
        If a file of the variable cannot be loaded. A package that cannot be imported causes a warning.
    """
    for file in os.environ.get(VARIABLE, "").split(os.pathsep):
        if file:
            load_plugin(file)
    for point in _points():
        if point.value not in _packages:
            _packages.add(point.value)
            try:
                point.load()
            except Exception as error:  # noqa: BLE001  # a package may raise any error
                warnings.warn(
                    f"the plugin {point.name!r} ({point.value}) is not used: {error_line(error)}", stacklevel=2
                )


@cache
def _points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return [point for point in entry_points(group=GROUP) if not _is_in_working_folder(point)]


def _is_in_working_folder(point: EntryPoint) -> bool:
    """Return whether a package is in the current folder, which may contain other people's files, and not installed."""
    return point.dist is not None and os.path.realpath(str(point.dist.locate_file(""))) == os.path.realpath(".")


def definition_of(component: object) -> str | None:
    """Return where a class or function outside of this package is defined, to be stated in files that need it.

    Returns
    -------
    str or None
        The installed package with its version and module, or else the name of the Python file; None for a component of
        this package.

    Examples
    --------
    >>> definition_of(load_plugin) is None
    True
    """
    from importlib.metadata import packages_distributions, version

    module = str(getattr(component, "__module__", ""))
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0]:
        return None
    for package in packages_distributions().get(top, [])[:1]:
        return f"the package {package} {version(package)} (module {module})"
    file = getattr(sys.modules.get(module), "__file__", None)
    return f"the file {Path(file).name}" if file else f"the module {module}"


def plugin_line(error: BaseException) -> str | None:
    """Return one line about an error raised in, or below, code of a plugin file; None if none is involved."""
    files = {module.__file__ for name, module in list(sys.modules.items()) if name.startswith(_PREFIX)}
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename in files]
    if not frames:
        return None
    return f"error in the plugin {frames[-1].filename}, line {frames[-1].lineno}: {error_line(error)}"


def _run(path: Path, name: str) -> None:
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or path.suffix != ".py":
        raise InputError(f"{path} is not a plugin: expected a Python file with the extension .py")
    sys.modules[name] = module = module_from_spec(spec)  # dataclasses look up their module while the file runs
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f", line {lines[-1]}" if lines else ""
        raise InputError(f"cannot load the plugin {path}{where}: {error_line(error)}") from error


def error_line(error: BaseException) -> str:
    """Return the type and the message of an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
