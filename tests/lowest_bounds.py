"""Print the lower bounds of pyproject.toml as constraints for pip; `make test-lowest` installs what they name.

The bounds are those of the dependencies and of the extras that need no display. Requires only the standard library, as
it runs before any package is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
EXTRAS = ("bioimageio", "bioio", "dask", "onnx", "openvino", "remote", "tensorboard")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?>=(?P<bound>[\w.]+)")


def lower_bounds(path: Path = PYPROJECT) -> dict[str, str]:
    """Return the lower bound of every dependency, and of every requirement of `EXTRAS`, by name."""
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    bounds = {}
    for requirement in [*project["dependencies"], *(each for name in EXTRAS for each in extras[name])]:
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"{path} requires {requirement!r}; expected NAME>=VERSION, a lower bound only")
        bounds[match["name"]] = match["bound"]
    return bounds


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}=={bound}\n" for name, bound in lower_bounds().items())
