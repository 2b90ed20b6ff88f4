"""Benchmarks: every script is documented, every documented command exists, and rows are stored and reused."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from benchmarks.harness.ranking import agreement, seen
from benchmarks.harness.results import Benchmark, Job, parser, table

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
MODULES = sorted(FOLDER.glob("*/*.py"))
SCRIPTS = [path for path in MODULES if path.parent.name != "peers" and "__main__" in path.read_text(encoding="utf-8")]
COMMAND = re.compile(r"python (benchmarks/\S+?\.py)")
PAGES = [
    *FOLDER.glob("*.md"),
    *FOLDER.glob("results/*.json"),
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *MODULES,
]


def _name(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def test_readme_lists_every_script():
    listed = re.findall(r"^\| `(\S+\.py)", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [_name(path) for path in SCRIPTS]


def test_commands_name_existing_scripts():
    commands = {(page.name, path) for page in PAGES for path in COMMAND.findall(page.read_text(encoding="utf-8"))}
    assert len(commands) > len(SCRIPTS)
    assert [command for command in sorted(commands) if not (ROOT / command[1]).is_file()] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_script_docstring_has_its_command(path):
    assert f"python benchmarks/{_name(path)}" in ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_name_definitions_of_other_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmarks."):
            target = ROOT.joinpath(*node.module.split("."))
            if target.is_dir():
                assert all((target / f"{alias.name}.py").is_file() for alias in node.names)
            else:
                text = target.with_suffix(".py").read_text(encoding="utf-8")
                defined = set(re.findall(r"^(?:def |class |)(\w+)", text, re.MULTILINE))
                assert {alias.name for alias in node.names} <= defined


@pytest.mark.parametrize("script", ["science/held_out.py", "speed/scaling.py", "harness/ship.py"])
def test_script_runs_from_another_folder(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python benchmarks/{script}" in done.stdout


def test_benchmark_stores_rows_and_reuses_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(FOLDER / "speed" / "scaling.py")])
    options = parser(None)
    args = options.parse_args(["--results", str(tmp_path / "RESULTS.md"), "--threads", "2"])
    calls = []

    def measure(size):
        calls.append(size)
        return {"size": size}

    def section(rows):
        return table(["row", "size"], [[row["key"], row["size"]] for row in rows])

    for size in (3, 3, 4):
        job = Job({"size": size}, partial(measure, size))
        Benchmark("trial", args, options).run({"first": job}, section)
    assert calls == [3, 4]
    assert "first: already stored" in capsys.readouterr().out
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "| first | 4 |" in text
    assert "| first | 3 |" not in text
    made = json.loads((tmp_path / "results" / "trial.json").read_text(encoding="utf-8"))["first"]["made"]
    assert made["command"] == "python benchmarks/speed/scaling.py --threads 2"


def test_agreement_of_a_figure_counts_order_and_the_psnr_lost_by_its_choice():
    psnr = np.array([20.0, 25.0, 30.0, 29.9])
    right = agreement(-psnr, psnr)
    assert (right["spearman"], right["pairs"], right["regret"], right["near"]) == (1, 1, 0, 1)
    reverse = agreement(psnr, psnr)
    assert (reverse["spearman"], reverse["pairs"], reverse["regret"], reverse["near"]) == (-1, 0, 10, 0)
    blind = agreement(np.ones(4), psnr)
    assert (blind["spearman"], blind["pairs"]) == (0, 0.5), "ties count half"
    assert blind["regret"] == pytest.approx(30 - psnr.mean())


def test_failure_is_seen_if_the_figure_becomes_worse():
    figures = {"f": {"model": 0.1, "spots": 0.2, "shift": 0.3}}
    row = {"psnr": {"model": 30.0, "spots": 28.0, "shift": 29.9}, "figures": figures}
    assert seen([row], "f", "spots") == 1
    assert seen([row], "f", "shift") is None, "it costs less than 0.3 dB"
    figures["f"]["spots"] = 0.05
    assert seen([row], "f", "spots") == 0
