"""Print THIRD_PARTY.md: the licenses of the training data of the shipped models, and of the packages that are required.

    .venv/bin/python tests/third_party.py > THIRD_PARTY.md    # with all extras installed

The licenses are those that the installed packages state. Run it for a release, and after a change of dependencies.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, files, metadata
from pathlib import Path

from decrappify.model import read_card, shipped_models

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEAD = """# Licenses of third parties

decrappify is licensed under BSD-3-Clause ([LICENSE](LICENSE)). It contains no code of other projects.
`tests/third_party.py` writes this page.

## Shipped models

The weights are licensed as the package. They were trained on these images, which are not included:

"""
PACKAGES = """
## Required packages

They are installed by pip and not included. The license is that stated by the installed version; it may differ for
others, and packages have requirements of their own: `pip-licenses` lists all packages of an environment. `make lock`
writes their versions and checksums.

"""


def main() -> None:
    """Print the page."""
    sys.stdout.write(HEAD + "\n".join(_models()) + "\n" + PACKAGES + "\n".join(_packages()) + "\n")


def _models() -> list[str]:
    data: dict[str, list[str]] = {}
    for name, path in sorted(shipped_models().items()):
        for source in read_card(path)["card"]["data"]:
            data.setdefault(source, []).append(f"`{name}`")
    rows = ["| images | models |", "| --- | --- |"]
    return rows + [f"| {source} | {', '.join(models)} |" for source, models in data.items()]


def requirements() -> dict[str, list[str]]:
    """Return the extras that require each package; the package itself is the extra ``""``."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found: dict[str, list[str]] = {}
    for extra, needed in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for requirement in needed:
            name = re.split(r"[\[><=~ ;]", requirement)[0]
            if name != "decrappify":
                found.setdefault(name, []).append(extra)
    return found


def _packages() -> list[str]:
    rows = ["| package | license | required by |", "| --- | --- | --- |"]
    for name, extras in sorted(requirements().items(), key=lambda item: item[0].lower()):
        needed = "decrappify" if "" in extras else ", ".join(f"`[{extra}]`" for extra in extras)
        rows.append(f"| [{name}](https://pypi.org/project/{name}/) | {license_of(name)} | {needed} |")
    return rows


def license_of(name: str) -> str:
    """Return the license that an installed package states: as an expression, a name, or a classifier."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is not installed; install all extras first")
    named = stated.get("License-Expression") or stated.get("License") or ""
    if named and "\n" not in named and len(named) < 60:
        return named
    classified = [each.rpartition(" :: ")[2] for each in stated.get_all("Classifier", []) if each.startswith("License")]
    return ", ".join(classified) or named.partition("\n")[0].strip() or _title_of_file(name) or "not stated"


def _title_of_file(name: str) -> str:
    """Return the first line of the license file of a package."""
    found = [each for each in files(name) or () if each.name in ("LICENSE", "LICENSE.md", "LICENSE.txt")]
    return found[0].read_text().strip().partition("\n")[0] if found else ""


if __name__ == "__main__":
    main()
