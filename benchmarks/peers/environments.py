"""One environment per method, created on first use, since the version pins of the methods are incompatible."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent


def interpreter(method: str, folder: Path) -> Path:
    """Return the Python of a method's worker; create its environment in `folder` on first use (2 to 6 GB, minutes).

    The requirements are in METHOD.txt next to this file. `decrappify` runs in the environment of the benchmark.
    """
    if method == "decrappify":
        return Path(sys.executable)
    requirements = HERE / f"{method}.txt"
    home = folder.absolute() / method
    python, done = home / "bin" / "python", home / "installed.txt"
    if not done.exists() or done.read_text() != requirements.read_text():
        print(f"creating the environment of {method} in {home}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
        if subprocess.run([str(word) for word in install], check=False).returncode:
            sys.exit(f"cannot create the environment of {method}; see the output of pip above")
        done.write_text(requirements.read_text())
    return python
