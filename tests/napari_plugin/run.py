"""Run the tests of the napari plugin in a separate session, on Linux on a virtual display.

They use PyQt6, or PySide6 if the environment variable QT_API is "pyside6".
If a system package is missing, one line names the packages to install and no test runs; with the environment variable
DECRAPPIFY_NAPARI_TESTS=required, this is a failure.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = (HERE / "apt-packages.txt").read_text(encoding="utf-8").replace("\n", " ").strip()
SCREEN = "-screen 0 1920x1080x24 +extension GLX"
PLUGINS = ("pytestqt.plugin", "napari.utils._testsupport")
BINDING = {"pyqt6": "PyQt6", "pyside6": "PySide6"}[os.environ.get("QT_API", "pyqt6").lower()]
# Warnings of napari and its dependencies about each other; all others are errors.
THEIRS = ("ignore::pydantic.warnings.PydanticDeprecatedSince20",)


def missing() -> str | None:
    """Return the reason why these tests cannot run, or None."""
    if importlib.util.find_spec("napari") is None or importlib.util.find_spec(BINDING) is None:
        group = "test" if BINDING == "PyQt6" else "test-pyside"
        return f"napari with {BINDING} is not installed: pip install --group {group}"
    if sys.platform != "linux":
        return None
    folder = Path(next(iter(importlib.util.find_spec(BINDING).submodule_search_locations)))
    plugins = folder / ("Qt6" if BINDING == "PyQt6" else "Qt") / "plugins"
    try:
        importlib.import_module(f"{BINDING}.QtGui")
        for library in (plugins / "platforms" / "libqxcb.so", "libEGL.so.1"):
            ctypes.CDLL(str(library))
    except (ImportError, OSError) as error:
        return f"{str(error).split(':')[0]} is missing: apt-get install {PACKAGES}"
    return None if shutil.which("xvfb-run") and shutil.which("xauth") else f"no xvfb-run: apt-get install {PACKAGES}"


def main(arguments: list[str]) -> int:
    reason = missing()
    if reason is not None:
        sys.stderr.write(f"napari plugin tests skipped: {reason}\n")
        return int(os.environ.get("DECRAPPIFY_NAPARI_TESTS") == "required")
    display = ["xvfb-run", "-a", "-s", SCREEN] if sys.platform == "linux" else []
    plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
    ignored = [part for warning in THEIRS for part in ("-W", warning)]
    is_named = any(Path(argument.split("::")[0]).exists() for argument in arguments if not argument.startswith("-"))
    command = [*display, sys.executable, "-m", "pytest", *plugins, *ignored, *arguments, *([] if is_named else [HERE])]
    # Threads as in tests/conftest.py, which is loaded after napari's plugin has imported numpy; no threads of Mesa.
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    threads = one | {"OMP_WAIT_POLICY": "PASSIVE", "LP_NUM_THREADS": "0"}
    binding = dict.fromkeys(("QT_API", "PYTEST_QT_API"), BINDING.lower())
    environment = threads | os.environ | binding | ({"QT_QPA_PLATFORM": "xcb"} if display else {})
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
