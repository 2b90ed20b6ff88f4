from __future__ import annotations

import csv
import itertools
import json
import math
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from decrappify.benchmarking import BenchmarkOptions, benchmark
from decrappify.benchmarking.report import files, plots
from decrappify.errors import OutputError, OutputExistsError
from decrappify.io import save_movie
from decrappify.metrics import get_metric, list_metrics
from decrappify.metrics.bootstrap import Interval, bootstrap_interval
from decrappify.movie import Movie

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Click, double-click, and write the resulting state to the title.
PROBE = """<script>
let errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
window.addEventListener("load", () => {
  const section = document.querySelector("section.image");
  section.querySelector("[data-zoom='2']").click();
  const pane = section.querySelector(".pane"), box = pane.getBoundingClientRect();
  pane.dispatchEvent(new MouseEvent("dblclick", { clientX: box.left + 1, clientY: box.top + 1 }));
  const others = document.querySelectorAll("section.image")[1].querySelectorAll(".pane img");
  document.title = JSON.stringify({
    errors,
    moved: [...section.querySelectorAll(".pane img")].map((image) => image.style.transform),
    still: [...others].map((image) => image.style.transform),
    broken: [...document.images].filter((image) => !image.naturalWidth).length,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
  });
});
</script>"""


@pytest.fixture(scope="module")
def saved(report, tmp_path_factory):
    return report.save(tmp_path_factory.mktemp("report") / "new")


def chromium(*arguments) -> str:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the page is not checked")
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1366,2600", "--virtual-time-budget=4000"]
    return subprocess.run(
        [CHROMIUM, *fixed, *arguments], capture_output=True, text=True, timeout=120, check=True
    ).stdout


def test_table_has_every_method_and_metric_and_marks_the_best(report):
    lines = report.table().splitlines()
    assert lines[0].split("  ")[-1].strip() == "soft <b>"
    psnr = next(line for line in lines if line.startswith("  PSNR"))
    assert psnr.count("*") == 1
    assert psnr.count("[") == len(report.names)
    assert "means over 3 fields of view (3 images), with 95 % bootstrap intervals over fields of view" in report.table()
    assert any(line.startswith("MINUS BEST GAUSSIAN") for line in lines)


def test_interval_is_over_fields_of_view(report):
    values = [report.value("shrunk", view.name, "psnr") for view in report.views]
    assert report.interval("shrunk", "psnr") == bootstrap_interval(values, np.random.default_rng(0))
    one_field = replace(report, views=tuple(replace(view, field_of_view="dish") for view in report.views))
    assert one_field.interval("shrunk", "psnr").n == 1
    assert one_field.mean("shrunk", "psnr") == pytest.approx(report.mean("shrunk", "psnr"))
    assert "no intervals" in one_field.basis()


def test_difference_is_paired(report):
    difference = report.difference("soft <b>", "input", "psnr")
    assert difference.mean == pytest.approx(report.mean("soft <b>", "psnr") - report.mean("input", "psnr"))
    assert difference.n == 2, "the image without reference has no PSNR"


@pytest.mark.slow
def test_csv_and_json_contain_the_same_values_under_published_keys(report, saved):
    with (saved / "report.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    content = json.loads((saved / "report.json").read_text(encoding="utf-8"))
    assert len(rows) == len(content["scores"]) == 3 * 5 - 1
    for row, entry in zip(rows, content["scores"], strict=True):
        assert (row["image"], row["method"]) == (entry["image"], entry["method"])
        for key in report.keys:
            expected = report.value(row["method"], row["image"], key)
            expected = math.nan if get_metric(key).exported(expected) is None else expected
            assert (float(row[key]) if row[key] else math.nan) == pytest.approx(expected, nan_ok=True)
            assert float(math.nan if entry[key] is None else entry[key]) == pytest.approx(expected, nan_ok=True)
    assert content["settings"]["gain"] == 2.0
    assert set(content["software"]) >= {"decrappify", "numpy", "torch"}
    assert len(content["curves"]["moving"]["frc"]["input"]) == len(content["curves"]["moving"]["cycles_per_px"])
    assert content["images"][0]["data_range_from"] == "truth"
    assert {"has_truth", "truth_resolution_px"} <= content["images"][0].keys()
    assert {"truth", "input"} <= content["curves"]["moving"]["power"].keys()


def test_save_writes_plots_and_images(saved):
    names = {path.name for path in saved.iterdir()}
    assert names >= {"images.png", "frc_1.png", "spectra_3.png", "brightness_1.png", "sheet_2.png"}
    assert "brightness_2.png" not in names, "a still has no time"
    for path in saved.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
            assert image.convert("L").getextrema()[0] < 60


def _equal_when_saved_again(report, folder):
    """Save a report of one image twice, and return whether its files are the same."""
    still = replace(report, views=report.views[1:2])
    still.save(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    still.save(folder, overwrite=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
def test_save_writes_equal_files_for_equal_reports(report, tmp_path):
    assert _equal_when_saved_again(report, tmp_path / "still")


@pytest.mark.usefixtures("undrawn_reports")
def test_save_replaces_a_report_only_with_overwrite(report, saved, tmp_path):
    with pytest.raises(OutputExistsError, match=r"report.html already exists"):
        report.save(saved)
    folder = tmp_path / "still"
    assert _equal_when_saved_again(report, folder)
    with pytest.raises(OutputExistsError, match=r"already exists"):
        report.to_html(folder / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot use .*file as folder for the report"):
        report.save(tmp_path / "file")
    (folder / "notes.txt").write_text("")
    report.save(folder, overwrite=True)


@pytest.mark.usefixtures("undrawn_reports")
def test_save_does_not_write_into_a_folder_of_other_files(report, tmp_path):
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_text("")
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError, match=r"contains a\.tif, which does not belong to a report; choose a"):
            report.save(tmp_path, overwrite=overwrite)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("undrawn_reports")
@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_ctrl_c_leaves_a_complete_report_or_none_and_states_which(report, tmp_path, monkeypatch, method):
    original = getattr(Path, method)

    def interrupted(path, *arguments):
        if path.name == "report.json":
            signal.raise_signal(signal.SIGINT)
        return original(path, *arguments)

    monkeypatch.setattr(Path, method, interrupted)
    folder = tmp_path / "new"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore Ctrl-C
    try:
        with pytest.raises(KeyboardInterrupt) as caught, files.begun_report(folder):
            report.save(folder)
    finally:
        signal.signal(signal.SIGINT, before)
    assert str(caught.value) == (f"the report in {folder} is complete" if method == "replace" else "")
    names = [path.name for path in tmp_path.rglob("*")]
    assert sorted(names) == (["new", "report.csv", "report.html", "report.json"] if method == "replace" else [])


@pytest.mark.usefixtures("undrawn_reports")
def test_save_leaves_no_file_if_it_cannot_rename(report, tmp_path, monkeypatch):
    (tmp_path / "new" / "report.html").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"new could not be written: "):
        report.save(tmp_path / "new", overwrite=True)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_page_has_no_external_resources_and_escapes_names(saved):
    page = (saved / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["'](?!data:image/png;base64,|#)[^"']*""", page) == []
    assert re.findall(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", page) == []
    assert "soft <b>" not in page
    assert "soft &lt;b&gt;" in page


def test_page_runs_in_a_browser(saved, tmp_path):
    page = (saved / "report.html").read_text(encoding="utf-8")
    probed = tmp_path / "probed.html"
    probed.write_text(page.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    text = chromium("--dump-dom", probed.as_uri())
    seen = json.loads(re.search(r"<title>(.*?)</title>", text, re.DOTALL)[1])
    assert seen["errors"] == []
    assert seen["broken"] == 0
    assert seen["overflow"] <= 0, "the page fits a laptop"
    assert len(set(seen["moved"])) == 1, "all views of an image zoom together"
    assert seen["moved"][0].endswith("scale(4)")
    assert set(seen["still"]) == {""}, "views of other images do not zoom"


@pytest.mark.slow
def test_page_renders_text_on_white(saved, tmp_path):
    shot = tmp_path / "shot.png"
    chromium(f"--screenshot={shot}", (saved / "report.html").as_uri())
    with Image.open(shot) as image:
        gray = np.asarray(image.convert("L"))
    assert gray.shape == (2600, 1366)
    assert np.median(gray) > 250, "mostly white"
    assert 0.005 < np.mean(gray < 100) < 0.5, "some text"


@pytest.mark.slow
def test_page_prints(saved, tmp_path):
    pdf = tmp_path / "page.pdf"
    chromium("--no-pdf-header-footer", f"--print-to-pdf={pdf}", (saved / "report.html").as_uri())
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) <= 12


def test_page_shows_a_limited_number_of_images(monkeypatch, report, tmp_path):
    monkeypatch.setattr(plots, "SHOWN_IMAGES", 1)
    page = report.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('<section class="image">') == 1
    assert "The first 1 of 3 images." in page


def test_page_without_baselines_has_no_differences(noisy, reference, tmp_path):
    alone = benchmark({"same": np.asarray}, [(noisy[0, :20, :12], reference[0, :20, :12])], baselines=())
    page = alone.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert alone.baseline is None
    assert "Paired differences" not in page
    assert "MINUS" not in alone.table()


def test_report_writes_infinite_values(reference, tmp_path):
    reference = reference[0, :20, :12].astype(np.float32)
    perfect = benchmark({"oracle": lambda movie: reference}, [(reference + 1, reference)], baselines=("input",))
    assert "∞*" in perfect.table()
    content = json.loads((perfect.save(tmp_path / "r") / "report.json").read_text(encoding="utf-8"))
    assert content["means"]["oracle"]["psnr"]["mean"] == "inf"


@pytest.mark.slow
def test_values_at_the_limit_of_a_method_are_not_resolvable(rng, reference, tmp_path):
    noise = rng.normal(0, 1, (2, 64, 64))
    options = BenchmarkOptions(unrelated="warn")
    found = benchmark({"same": np.asarray}, [(noise[0], noise[1])], baselines=("input",), options=options)
    assert found.mean("same", "frc_px") == math.inf
    frc = next(line for line in found.table().splitlines() if line.startswith("  FRC"))
    assert frc.split("  ")[-1] == "not resolvable"
    assert "∞" not in found.table()
    folder = found.save(tmp_path / "r")
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["means"]["same"]["frc_px"]["mean"] is None
    assert content["scores"][0]["frc_px"] is None
    assert content["images"][0]["truth_resolution_px"] is None
    with (folder / "report.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["frc_px"] == ""
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Not resolvable: even at the coarsest period" in page
    assert "decorrelation resolution of the input: not resolvable" in page


@pytest.fixture(scope="module")
def grouped():
    """Six fields in two channels; only the first channel is improved, in every field."""
    rng = np.random.default_rng(8)
    pairs = []
    for place, channel in itertools.product(range(6), ("dna", "actin")):
        scene = np.kron(rng.random((6, 6)), np.ones((8, 8))) * 100
        pairs.append((Movie.from_array(scene + rng.normal(0, 10, scene.shape), name=f"f{place}_{channel}"), scene))
    return benchmark(
        {"mine": lambda movie: gaussian_filter(np.asarray(movie), (0, 0, 0, 1, 1)) if "dna" in movie.name else movie},
        pairs,
        baselines=("input",),
        options=BenchmarkOptions(group_by=r"(f\d)_(?P<channel>\w+)"),
    )


def test_intervals_are_over_the_groups(grouped):
    assert (len(grouped.views), grouped.fields) == (12, tuple(f"f{i}" for i in range(6)))
    assert grouped.interval("mine", "psnr").n == 6
    assert "means over 6 fields of view (12 images)" in grouped.table()


def test_report_has_a_table_for_each_named_group(grouped, tmp_path, monkeypatch):
    parts = grouped.groups["channel"]
    assert list(parts) == ["dna", "actin"]
    gains = {text: part.difference("mine", "input", "psnr") for text, part in parts.items()}
    assert gains["dna"].mean != 0
    assert gains["actin"].mean == 0
    lines = grouped.table().splitlines()
    assert [line.split()[0] for line in lines[lines.index("") :] if "(6 fields)" in line] == ["dna", "actin"]
    assert any(line.startswith("BY CHANNEL") for line in lines)
    monkeypatch.setattr(files, "png_files", lambda report: ())  # half of the time of a report
    monkeypatch.setattr(plots, "SHOWN_IMAGES", 1)  # nearly all of the other half
    folder = grouped.save(tmp_path / "r")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h2>By channel</h2>" in page
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["groups"]["channel"]["dna"]["differences"]["methods"]["mine"]["psnr"]["n"] == 6
    with (folder / "report.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["group_field"], row["group_channel"]) for row in rows[:3:2]] == [("f0", "dna"), ("f0", "actin")]
    alone = replace(grouped, views=tuple(replace(view, groups={"field": view.field_of_view}) for view in grouped.views))
    assert list(alone.groups["field"]) == list(grouped.fields), "without another group, by field of view"


def test_page_colors_only_differences_whose_interval_excludes_zero(grouped):
    from decrappify.benchmarking.report.html import _kind

    psnr = get_metric("psnr")
    kinds = [
        _kind(Interval(mean, low, high, n), psnr)
        for mean, low, high, n in ((1, 0.5, 2, 9), (-1, -2, -0.1, 9), (1, 0, 2, 9), (-1, -2, 0, 9), (1, 0.5, 2, 4))
    ]
    assert kinds == ["good", "bad", "open", "open", "open"]
    assert _kind(Interval(math.inf, math.inf, math.inf, 9), get_metric("frc_px")) == "open"


@pytest.mark.parametrize("key", [metric.key for metric in list_metrics() if metric.direction is not None])
def test_metric_best_follows_the_direction(key):
    good = {"high": 9.0, "low": 0.1, "one": 1.0, "zero": 0.0}[get_metric(key).better]
    assert get_metric(key).best({"a": 0.5, "good": good, "none": math.nan}) == "good"


@pytest.mark.parametrize(
    ("value", "key", "text"),
    [
        (-0.001, "psnr", "0.00"),
        (0.00001, "flicker_floor", "1.0e−05"),
        (-math.inf, "psnr", "−∞"),
        (-2.5, "tdr", "−2.500"),
    ],
)
def test_metric_format(value, key, text):
    assert get_metric(key).format(value) == text


@pytest.mark.usefixtures("undrawn_reports")
def test_benchmark_command_writes_a_report(tmp_path, tiny_models, reference, noisy, command):
    for folder, movie in (("low", noisy), ("high", reference)):
        (tmp_path / folder).mkdir()
        save_movie(movie.astype(np.uint16), tmp_path / folder / "a.ome.zarr")
    output, options = tmp_path / "out", ["--output", tmp_path / "out"]
    for name in ("movie", "still"):  # two runs whose models have the same file name
        (tmp_path / name).mkdir()
        options += ["--model", shutil.copy(tiny_models[name], tmp_path / name / "model.safetensors")]
    low, high = (tmp_path / side / "a.ome.zarr" for side in ("low", "high"))
    result = command("benchmark", low, high, *options, "--baselines", "input,gaussian", "--device", "cpu")
    assert result.stdout.splitlines()[0].split() == ["input", "best", "Gaussian", "tiny-movie", "tiny-still"]
    assert result.stdout.endswith(f"wrote {output / 'report.html'}\n")
    result = command("benchmark", tmp_path, *options, exit_code=2)
    assert "already exists" in result.stderr
    single = [
        "--model",
        tiny_models["movie"],
        "--baselines",
        "input",
        "--device",
        "cpu",
        "--overwrite",
        "--output",
        output,
    ]
    without_reference = command("benchmark", low, *single, "--gain", "2", "--offset", "100")
    assert "confirmed resolution" in without_reference.stdout
    assert "PSNR" not in without_reference.stdout
    assert "not known" in command("benchmark", tmp_path, *single, "--baselines", "magic", exit_code=2).stderr
    unmatched = command("benchmark", low, high, *single, "--group-by", "fov", exit_code=2).stderr
    assert "--group-by fov does not match 'a'" in unmatched


def test_report_html_is_a_table_of_means_with_the_best_in_bold(report):
    html = report._repr_html_()
    best = max(report.names, key=lambda name: report.mean(name, "psnr"))
    text = get_metric("psnr").format(report.mean(best, "psnr"))
    assert f"<b>{text}</b>" in html
    assert html.count("<tr>") == 1 + len(report.names)
    assert report.basis() in html
    assert len(html) < 10_000
