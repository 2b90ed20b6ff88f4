"""The examples and every Python block of the documentation run, in order, on tiny simulated movies."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.narrow import use_narrow_resnet18
from tests.registries import isolated

from decrappify.cli import main
from decrappify.crappify import crappifier_preset, crappify_movie, preset_description
from decrappify.crappify.presets import _BUILT_IN as BUILT_IN
from decrappify.io import save_movie
from decrappify.model import Model, catalog
from decrappify.networks import create
from decrappify.normalization import IMAGENET
from decrappify.samples import simulate
from decrappify.training.config.run_file import _DATA_KEYS, _KEYS

ROOT = Path(__file__).parent.parent
GENERATED = ("models.md",)  # from the model cards, by benchmarks/harness/ship.py
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BLOCK = re.compile(r"^(?P<note><!-- not run: .+ -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\W*decrappify ([a-z][a-z-]*)", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`")
CALL = re.compile(r"\bdecrappify(?: --[a-z-]+(?: [\w.]+)?)*? (?P<name>[a-z][a-z-]*)\b(?P<rest>[^|;&#\n]*)")
OPTION = re.compile(r"(?<![\w.{-])--?[a-z][a-z-]*")
# Shorter runs than in the pages, with patches and batches for the tiny movies.
SHORTER = (
    (r"(dc\.adapt\(.*), minutes=\d+", r"\1, config=dc.AdaptationConfig(max_steps=2, patch_size=16, batch_size=2)"),
    (r"minutes=\d+", "max_steps=2, patch_size=16, batch_size=2"),
    (r"(tqdm)\)$", r"None)"),
)
SLOW_EXAMPLES = ("own_movie", "train_colorizer")
EXAMPLE_RUNS = {
    "restore_movie": ["cells.ome.tif", "out.ome.zarr"],
    "train_on_own_images": ["good/a.ome.tif", "good/b.ome.tif"],
    "train_on_pairs": ["pairs/low", "pairs/high"],
    "own_movie": ["noisy.tif", "--steps", "2", "--output", "own"],
    "compare_models": ["cells.ome.tif", "fluorescence-movie", "fluorescence-still"],
    "train_colorizer": ["--items", "4", "--patch-size", "32", "--batch-size", "4"],
}


@pytest.fixture(scope="module")
def sample_movies():
    return [simulate("vesicles", n_frames=10, size=(48, 64), seed=seed).truth for seed in range(2)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, sample_movies, tiny_models):
    """A folder with the files named in pages and examples, of which every test has a copy."""
    place = tmp_path_factory.mktemp("docs") / "prepared"
    for folder in ("shipped", "good", "pairs/low", "pairs/high"):
        (place / folder).mkdir(parents=True)
    for name, kind in {"fluorescence-movie": "movie", "fluorescence-still": "still"}.items():
        (place / "shipped" / f"{name}.safetensors").symlink_to(tiny_models[kind])
    save_movie(crappify_movie(sample_movies[0][::-1], crappifier_preset("confocal")), place / "cells.ome.tif")
    for name, movie in zip("ab", sample_movies, strict=True):
        save_movie(movie, place / "good" / f"{name}.ome.tif", dtype="uint16")
        save_movie(movie[:2], place / "pairs" / "high" / f"{name}.ome.tif")
        save_movie(crappify_movie(movie[:2], crappifier_preset("confocal")), place / "pairs" / "low" / f"{name}.tif")
    larger = simulate("vesicles", n_frames=12, size=(96, 96), seed=3).truth
    save_movie(crappify_movie(larger, crappifier_preset("confocal")), place / "noisy.tif")
    _write_colorization_inputs(place, sample_movies[0])
    return place


@pytest.fixture
def workplace(tmp_path, monkeypatch, prepared):
    """A copy of the prepared folder; names of shipped models refer to untrained tiny models."""
    shutil.copytree(prepared, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.setattr(catalog, "_SHIPPED", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)
    with isolated():
        yield tmp_path


def _write_colorization_inputs(folder, movie):
    """Write gray images, a film, and tiny untrained models that colorize them."""
    network = create("small", base_channels=16, depth=1, n_frames=1, in_channels=3, out_channels=3)
    for name in ("artistic", "video"):
        card = {"name": name, "task": "colorization", "preset": name}
        Model(network, IMAGENET, card=card).save(folder / f"{name}.safetensors")
    (folder / "album").mkdir()
    for name in ("portrait.jpg", "album/beach.png", "album/street.jpg"):
        Image.fromarray(np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))).save(folder / name)
    save_movie(movie[:3], folder / "film.mp4")


@pytest.mark.filterwarnings("ignore:the calibrated crappifier has no photon noise")  # small movie: gain unknown
@pytest.mark.usefixtures("undrawn_reports", "undrawn_training", "few_validation_patches")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_of_a_page_run(page, workplace, capsys):
    text = page.read_text(encoding="utf-8")
    assert text.count("```python\n") == len(list(BLOCK.finditer(text)))
    names = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        if block["note"]:
            continue
        code = block["code"]
        for longer, shorter in SHORTER:
            code = re.sub(longer, shorter, code, flags=re.MULTILINE)
        line = text[: block.start("code")].count("\n")
        exec(compile("\n" * line + code, page, "exec", dont_inherit=True), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_short_and_names_existing_commands_and_files(page):
    text = page.read_text(encoding="utf-8")
    assert page.name in GENERATED or len(text.splitlines()) <= 150
    assert set(COMMAND.findall("\n".join(SHELL.findall(text)))) <= set(main.commands)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def options_of(command):
    """Return all spellings of the options of a command, with those of the group, which every command accepts."""
    return {each for parameter in [*command.params, *main.params] for each in parameter.opts + parameter.secondary_opts}


def command_lines(text):
    """Return the lines of shell blocks, with continued ones joined, and the inline code of a page."""
    text = re.sub(r"\$\([^)]*\)", "", text)  # calls of other programs
    return [*"\n".join(SHELL.findall(text)).replace("\\\n", " ").splitlines(), *INLINE.findall(text)]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_options_of_the_commands_on_a_page_exist(page):
    known = {name: options_of(command) for name, command in main.commands.items()}
    unknown = [
        f"decrappify {call['name']} {option}"
        for line in command_lines(page.read_text(encoding="utf-8"))
        for call in CALL.finditer(line)
        if call["name"] in known
        for option in OPTION.findall(call["rest"])
        if option not in known[call["name"]] | {"--help"}
    ]
    assert unknown == []


def test_options_of_the_commands_on_a_page_are_found():
    block = "```sh\nX=1 decrappify --log-file a.log train run.toml \\\n  --minutes 3  # --no\n```\n"
    text = f"{block}`decrappify info --json`"
    calls = [call.group("name", "rest") for line in command_lines(text) for call in CALL.finditer(line)]
    assert [(name, OPTION.findall(rest)) for name, rest in calls] == [("train", ["--minutes"]), ("info", ["--json"])]


def test_images_of_the_documentation_are_shown_on_a_page():
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    images = sorted(each.name for each in (ROOT / "docs" / "images").iterdir())
    assert [name for name in images if f"images/{name})" not in shown] == []


def test_page_on_training_lists_all_presets():
    table = "\n".join(f"| `{name}` | {preset_description(name)} |" for name in BUILT_IN)
    assert table in (ROOT / "docs" / "training.md").read_text(encoding="utf-8"), f"docs/training.md needs:\n{table}"


def test_page_on_run_files_lists_all_keys():
    page = (ROOT / "docs" / "run-file.md").read_text(encoding="utf-8")
    top, data, training = page.split("\n## `[")[0], *page.split("\n## `[")[1:3]
    named = [set(INLINE.findall(part)) for part in (top, data, training)]
    assert (set(_KEYS) - named[0], set(_DATA_KEYS) - named[1]) == (set(), set())
    assert named[2] >= {"minutes", "max_steps", "n_frames", "network", "batch_size", "patch_size"}


@pytest.mark.usefixtures("undrawn_training", "few_validation_patches")
@pytest.mark.parametrize(
    "example",
    [
        pytest.param(each, id=each.stem, marks=[pytest.mark.slow] if each.stem in SLOW_EXAMPLES else [])
        for each in EXAMPLES
    ],
)
def test_example_runs(example, workplace, capsys, monkeypatch):
    use_narrow_resnet18(monkeypatch)
    arguments = EXAMPLE_RUNS[example.stem]
    if example.stem.startswith("train_on"):
        arguments = [*arguments, "--steps", "2", "--patch-size", "16", "--batch-size", "2"]
    runpy.run_path(str(example))["main"](arguments)
    assert capsys.readouterr().out
    shutil.rmtree("runs", ignore_errors=True)  # half a gigabyte of checkpoints, which pytest would not delete
