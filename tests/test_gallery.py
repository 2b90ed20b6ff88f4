"""Scripts of the gallery and notebooks: valid, and free of outputs; the slow tests run the scripts."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PAGES = sorted((EXAMPLES / "gallery").glob("plot_*.py"))
NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))


def test_gallery_and_notebooks_are_complete():
    names = ("adapt", "benchmark", "calibrate", "colorize", "nogan", "restore", "trust")
    assert [page.stem for page in PAGES] == [f"plot_{name}" for name in names]
    assert [notebook.stem for notebook in NOTEBOOKS] == ["restore_and_trust", "train_or_adapt"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_a_title_sections_and_plots(page):
    text = page.read_text(encoding="utf-8")
    title, underline, empty, *_ = ast.get_docstring(ast.parse(text)).splitlines()
    assert (set(underline), len(underline), empty) == ({"="}, len(title), "")
    assert text.count("\n# %%\n") >= 3
    assert "plt." in text
    headings = [line for line in text.splitlines() if line.startswith("# ---")]
    assert len(headings) >= 2


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_is_valid_without_outputs_and_compiles(notebook):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["metadata"]["kernelspec"]["name"]) == (4, "python3")
    cells = content["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert cell["cell_type"] in ("code", "markdown")
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            compile("".join(cell["source"]), notebook.name, "exec", dont_inherit=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_as_a_script(page, tmp_path):
    environment = os.environ | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    ignored = "ignore:FigureCanvasAgg is non-interactive:UserWarning"
    command = [sys.executable, "-W", ignored, str(page)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    assert not list(tmp_path.iterdir())
