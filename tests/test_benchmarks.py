"""Benchmarks: scripts are documented and belong to pages of results, commands and links exist, rows are reused."""

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
from benchmarks.harness import performance
from benchmarks.harness.answers.registry import ANSWERS, answer
from benchmarks.harness.pages import PAGES as RESULTS
from benchmarks.harness.pages import page_of, section_of, summary_of, write_section
from benchmarks.harness.ranking import agreement, seen
from benchmarks.harness.results import UNKNOWN, Benchmark, Job, parser, table
from benchmarks.harness.ship import write_page
from benchmarks.speed.screen import cost_table, rate_table

import decrappify
from decrappify.inference.memory import seam_warning

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
MODULES = sorted(FOLDER.glob("*/*.py"))
WITH_ROWS = [
    path for path in MODULES if re.search(r"^ +.*\bBenchmark\(", path.read_text(encoding="utf-8"), re.MULTILINE)
]
SCRIPTS = [path for path in MODULES if path.parent.name != "peers" and "__main__" in path.read_text(encoding="utf-8")]
COMMAND = re.compile(r"python (benchmarks/\S+?\.py)")
PAGES = [
    *FOLDER.glob("*.md"),
    *FOLDER.glob("results/*.md"),
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


@pytest.mark.parametrize("script", ["restoration_quality/held_out.py", "speed/scaling.py", "harness/ship.py"])
def test_script_runs_from_another_folder(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python benchmarks/{script}" in done.stdout


def rows_of(name):
    """Return the stored rows of a script: key to values."""
    stored = json.loads((FOLDER / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return {key: entry["row"] for key, entry in stored.items()}


def test_comparison_with_other_programs_on_pages_for_users_is_that_of_the_rows():
    rows = rows_of("quality")
    tasks = {
        "simulated cell, window": "simulated cell",
        "measured, three exposures": "exposures",
        "three exposures of cells": "exposures",
        "measured, microtubules, window": "microtubules",
        "microtubules, window": "microtubules",
        "measured, wide field to confocal, window": "wide field",
        "wide field to confocal, window": "wide field",
        "micrograph at 4 times the sampling": "micrograph × 4",
    }

    def cell(task, method):
        values = [row["psnr"] for key, row in rows.items() if re.fullmatch(f"{task}, {method}(, seed [0-9])?", key)]
        return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")

    found = {}
    for page in (ROOT / "README.md", ROOT / "docs" / "results.md"):
        lines = [line.strip("|").split("|") for line in page.read_text(encoding="utf-8").splitlines()]
        for label, *cells in ([cell.strip() for cell in line] for line in lines):
            if label in tasks:
                ours = "decrappify, 3 frames" if "window" in label else "decrappify"
                methods = ("input", "gaussian", ours, "careamics", "pssr")
                found[label] = [value.replace("*", "") for value in cells]
                assert found[label] == [cell(tasks[label], method) for method in methods], label
    assert set(found) == set(tasks)


def test_sentences_of_the_readme_state_the_rows():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())

    def mean(name, task, method):
        keys = re.compile(f"{task}, {method}, seed [0-9]")
        return f"{np.mean([row['psnr'] for key, row in rows_of(name).items() if keys.fullmatch(key)]):.2f}"

    one_frame = [mean("quality", task, "decrappify") for task in ("microtubules", "wide field")]
    assert f"Without windows, decrappify reaches {' and '.join(one_frame)} dB" in readme
    first, *others = [mean("quality_10min", "exposures", method) for method in ("decrappify", "careamics", "pssr")]
    assert f"{first}, {' and '.join(others)} dB" in readme
    methods = rows_of("speed")["movie 100 × 512², memory"]["methods"]
    ours, *theirs = (np.median(methods[name]["seconds"]) for name in ("decrappify", "careamics", "pssr"))
    assert f"in {ours:.1f} s on two cores (CAREamics {theirs[0]:.0f} s, PSSR2 {theirs[1]:.0f} s)" in readme


def test_scores_of_held_out_movies_on_the_page_for_users_are_those_of_the_rows():
    rows = [row for row in rows_of("held_out").values() if "movie" in row]
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    pattern = r"^\| [^|]*\| (?:10|40) \|" + r" ([0-9.]+) dB \|" * 3 + r" ([0-9.]+) → ([0-9.]+) % \|$"
    lines = set(re.findall(pattern, text, re.MULTILINE))
    expected = {
        tuple(f"{row[kind]['psnr']:.2f}" for kind in ("source", "gaussian", "movie"))
        + tuple(f"{100 * row[kind]['flicker_floor']:.2f}" for kind in ("gaussian", "movie"))
        for row in rows
    }
    assert len(lines) == 6
    assert lines <= expected


def test_page_on_shipped_models_is_that_of_their_cards(tmp_path):
    written = write_page(tmp_path / "models.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == written


def test_sections_are_on_one_page_each():
    sections = [section for page in RESULTS for section in page.sections]
    assert len(sections) == len(set(sections))
    assert sorted({path.stem for path in WITH_ROWS} - set(sections)) == []
    assert sorted({path.stem for path in FOLDER.glob("results/*.json")} - set(sections)) == []
    assert set(ANSWERS) <= set(sections)


def test_pages_contain_their_rows_and_are_summarized():
    files = {f"{page.name}.md": page for page in RESULTS}
    assert {path.name for path in FOLDER.glob("results/*.md")} <= set(files)
    lines = section_of((FOLDER / "RESULTS.md").read_text(encoding="utf-8"), "summary").splitlines()[2:]
    expected = []
    for name, page in files.items():
        stored = [section for section in page.sections if (FOLDER / "results" / f"{section}.json").exists()]
        text = (FOLDER / "results" / name).read_text(encoding="utf-8") if stored else ""
        if stored:
            assert text.startswith(f"# {page.question}\n\n")
            assert len(text.partition("<!--")[0].splitlines()) > 2, f"{name} has no answer below its title"
            assert [section for section in stored if not section_of(text, section)] == []
            sections = [section_of(text, section) for section in page.sections]
            expected.append(f"| [{page.question}](results/{name}) | {' | '.join(summary_of(sections))} |")
    assert lines == expected


@pytest.mark.parametrize("overlap", [0, 8, 24, 48, 64, 80])
def test_seams_of_the_warning_are_those_of_the_rows(overlap):
    stored = json.loads((FOLDER / "results" / "seams.json").read_text(encoding="utf-8"))
    overlaps = [int(name[8:]) for name in stored["em-x4"]["row"] if name.startswith("overlap ")]
    worst = max(row["row"][f"overlap {k}"] for row in stored.values() for k in overlaps if k >= overlap)
    assert f" {100 * worst:.2g} % " in seam_warning(2 * overlap, overlap, margin=40, multiple=8)


@pytest.mark.parametrize("section", [name for name in ANSWERS if (FOLDER / "results" / f"{name}.json").exists()])
def test_answers_format_the_stored_rows(section):
    stored = json.loads((FOLDER / "results" / f"{section}.json").read_text(encoding="utf-8"))
    text = answer(section, [{"key": key, "job": row["settings"], **row["row"]} for key, row in stored.items()])
    assert re.search(r"\d", text)
    assert text.endswith(".")
    assert "nan" not in text


@pytest.mark.parametrize(
    "path", [*FOLDER.glob("*.md"), *FOLDER.glob("results/*.md"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=str
)
def test_links_lead_to_existing_files_and_headings(path):
    missing = []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (heading and heading not in _headings(target)):
            missing.append(link)
    assert missing == []


def test_performance_page_has_the_tables_of_the_stored_rows():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    peak = [row for row in performance.stored("peak").values() if row["kind"] == "model"]
    assert section_of(text, "models") == performance.models_table(peak)
    assert section_of(text, "whole_runs") == performance.whole_runs_table(performance.stored("overhead"))
    training = performance.stored("training_speed")["cpu precision"]
    assert section_of(text, "training") == performance.training_table(training)


def test_screen_page_has_the_tables_of_the_stored_rows():
    text = (ROOT / "docs" / "screen.md").read_text(encoding="utf-8")
    rows = list(performance.stored("screen").values())
    assert section_of(text, "totals") == cost_table(rows, performance.N_POSITIONS)
    assert section_of(text, "rates") == rate_table(rows, performance.N_POSITIONS)


def test_pages_named_in_code_exist():
    named = {
        (path.name, page)
        for path in (*(ROOT / "src").rglob("*.py"), *ROOT.glob("docs/*.md"), *ROOT.glob("*.md"))
        for page in re.findall(r"benchmarks/results/[\w-]+\.\w+", path.read_text(encoding="utf-8"))
    }
    assert named
    assert [(name, page) for name, page in sorted(named) if not (ROOT / page).exists()] == []


def _headings(page):
    """Return the anchors of the headings of a page, as GitHub creates them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_write_section_keeps_other_text_and_the_order_of_sections(tmp_path):
    page = page_of("quality")
    (tmp_path / f"{page.name}.md").write_text("# Earlier title\n\nAnswer.\n")
    for name, body in [
        ("quality_10min", "two"),
        ("quality", "![a](results/a.png)"),
        ("quality", "![b](results/b.png)"),
    ]:
        path = write_section(tmp_path, page, name, body)
    assert path.read_text() == (
        f"# {page.question}\n\nAnswer.\n\n<!-- quality -->\n![b](b.png)\n<!-- /quality -->\n\n"
        "<!-- quality_10min -->\ntwo\n<!-- /quality_10min -->\n"
    )


def test_section_that_is_not_listed_is_on_the_page_of_its_script():
    assert page_of("quality_longer", "quality") == page_of("quality")
    with pytest.raises(KeyError, match="add it to the page"):
        page_of("unknown", "unknown")


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
    text = (tmp_path / "results" / "cost.md").read_text(encoding="utf-8")
    assert "| first | 4 |" in text
    assert "| first | 3 |" not in text
    assert "(results/cost.md)" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    made = json.loads((tmp_path / "results" / "trial.json").read_text(encoding="utf-8"))["first"]["made"]
    assert made["command"] == "python benchmarks/speed/scaling.py --threads 2"
    if (ROOT / ".git").exists() and Path(decrappify.__file__).is_relative_to(ROOT):
        assert re.fullmatch(r"[0-9a-f]{7,}( with changes)?", made["commit"])


def test_table_shows_rows_of_other_settings_with_the_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(FOLDER / "speed" / "scaling.py")])
    options = parser(None)
    stored = options.parse_args(["--results", str(tmp_path / "RESULTS.md")])
    shown = options.parse_args(["--results", str(tmp_path / "RESULTS.md"), "--table"])

    def section(rows):
        return "## Trial\n\n" + "\n".join(f"{row['key']} by {row['job']['model']}" for row in rows)

    def jobs(model):
        return {key: Job({"model": model, "size": {"x": 1}}, dict) for key in ("first", "second")}

    Benchmark("trial", stored, options).run(jobs("old"), section)
    Benchmark("trial", shown, options).run(jobs("new"), section)
    text = (tmp_path / "results" / "cost.md").read_text(encoding="utf-8")
    assert "first by old\nsecond by old" in text
    assert "These rows have other settings than the script has now: model old (now new)." in text
    Benchmark("trial", shown, options).run(jobs(UNKNOWN), section)
    assert "other settings" not in (tmp_path / "results" / "cost.md").read_text(encoding="utf-8")


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
