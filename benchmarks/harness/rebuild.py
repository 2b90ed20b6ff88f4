"""Rebuild all pages of results from the stored rows: every script with the command of its rows and --table.

    python benchmarks/harness/rebuild.py

No row is measured. Sections without a change in their rows or in the text of their script remain as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "results"


def command_of(rows: Path) -> list[str]:
    """Return the words after `python` of the command of a file of rows: the longest one, which includes most rows."""
    stored = json.loads(rows.read_text(encoding="utf-8")).values()
    return max((shlex.split(row["made"]["command"])[1:] for row in stored), key=len)


def main() -> None:
    """Rebuild the sections of the files of rows, by default of all."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="sections, such as held_out; by default all")
    names = options.parse_args().names
    # The scripts name the training data in the rows, but read none of it for a table.
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    failed = []
    for rows in sorted(FOLDER.glob("*.json")):
        if not names or rows.stem in names:
            done = subprocess.run([sys.executable, *command_of(rows), "--table"], cwd=ROOT, env=settings, check=False)
            failed += [rows.stem] if done.returncode else []
    if failed:
        sys.exit(f"not rebuilt: {', '.join(failed)}")


if __name__ == "__main__":
    main()
