"""Pages of results: which section is on which page, the text between its markers, and the summary in RESULTS.md.

A new section needs its name in `PAGES`, and a line in `ANSWERS` (answers) if the summary is to contain its result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from decrappify._common.files.atomic import write_file

SUMMARY = "summary"
_NO_ANSWER = "see the page"


@dataclass(frozen=True)
class Page:
    """A page of benchmarks/results: its file name without suffix, its title, and the sections on it in this order."""

    name: str
    question: str
    sections: tuple[str, ...]


PAGES = (
    Page(
        "shipped-models",
        "How good are the shipped models on held-out images?",
        ("held_out", "held_out_repeated"),
    ),
    Page("real-noise", "Does the still model remove the noise of real cameras?", ("real_noise",)),
    Page(
        "own-data",
        "How much is gained by training on the movie itself?",
        ("in_domain", "adaptation", "self_supervised", "adaptation_real"),
    ),
    Page("systematic-errors", "Which systematic errors do the shipped models make?", ("artifacts",)),
    Page("upscaling", "How much better than interpolation are the models of scale 2 and 4?", ("upscaling",)),
    Page("stability", "Do restored movies flicker?", ("stability",)),
    Page("stability-loss", "What does the stability loss improve, and at what cost?", ("stability_weight",)),
    Page("frames-and-motion", "When do neighboring frames help?", ("frames_and_motion",)),
    Page(
        "other-programs",
        "How good are other programs at equal data and equal time?",
        ("quality", "quality_10min", "quality_40min"),
    ),
    Page("trust", "Do trust maps find false and erased structure?", ("trust", "invented_structure", "spread")),
    Page("intervals", "Do calibrated intervals contain the reference?", ("intervals",)),
    Page("input-check", "Does the check of inputs detect images that a model was not trained on?", ("input_check",)),
    Page("check", "Does check find out whether a model suits a movie?", ("check",)),
    Page("calibration", "How accurate is the calibration?", ("calibration", "optics")),
    Page("metrics-without-reference", "Which metrics rank methods without a reference?", ("no_truth_figures",)),
    Page(
        "training-choices",
        "How were the network and its training chosen?",
        ("network_choice", "training_choices", "kept_weights"),
    ),
    Page(
        "nogan",
        "What does the GAN phase change, and where should it stop?",
        ("nogan_inflection", "nogan_microscopy", "nogan_fidelity"),
    ),
    Page(
        "colorization", "How good is the example colorizer, and how fast is its network?", ("colorizer", "engine_speed")
    ),
    Page("speed", "How fast is a restoration compared with other programs?", ("speed",)),
    Page(
        "cost",
        "How much time and memory does a restoration need?",
        ("throughput", "overhead", "scaling", "screen", "workers"),
    ),
    Page("follow", "How soon is a frame restored during an acquisition?", ("follow",)),
    Page("peak", "How close to the peak of the processor do the networks run?", ("peak", "gpu")),
    Page("training-speed", "How much time does training need?", ("training_speed", "checkpoint_cost")),
    Page("precision", "Is bfloat16 accurate enough?", ("precision",)),
    Page("seams", "Are seams visible between tiles?", ("seams",)),
)


def page_of(section: str, script: str = "") -> Page:
    """Return the page of a section; a section that is not listed (`--name`) is on the page of its script.

    Raises KeyError if neither is listed.
    """
    for name in (section, script):
        for page in PAGES:
            if name in page.sections:
                return page
    raise KeyError(f"{section}: expected a section of PAGES in {Path(__file__).name}; add it to the page it belongs to")


def write_section(folder: Path, page: Page, section: str, body: str) -> Path:
    """Replace the text between the markers of a section on its page; all other text except the title is kept.

    `body` may contain links relative to the parent of `folder`, as the rows do.
    """
    path = folder / f"{page.name}.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    title, _, rest = text.partition("\n")
    rest = rest if title.startswith("# ") else text
    later = page.sections[page.sections.index(section) + 1 :] if section in page.sections else ()
    _write(path, _replaced(f"# {page.question}\n{rest}", section, body.replace("](results/", "]("), later))
    return path


def write_summary(path: Path, folder: Path) -> None:
    """Replace the summary in RESULTS.md: one line per page, from the sections of the page."""
    lines = ["| question | result | rows of | commit |", "| --- | --- | --- | --- |"]
    for page in PAGES:
        file = folder / f"{page.name}.md"
        if file.exists():
            text = file.read_text(encoding="utf-8")
            cells = summary_of([section_of(text, name) for name in page.sections])
            lines.append(f"| [{page.question}]({folder.name}/{file.name}) | {' | '.join(cells)} |")
    text = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    _write(path, _replaced(text, SUMMARY, "\n".join(lines)))


def summary_of(sections: list[str]) -> tuple[str, str, str]:
    """Return the results, the dates and the commits of the sections of a page."""
    text = "\n".join(sections)
    results, dates, commits = (
        re.findall(rf"^{start} (.+)$", text, re.MULTILINE) for start in (r"\*\*Result\.\*\*", "- date:", "- commit:")
    )
    days = sorted(re.findall(r"\d{4}-\d\d-\d\d", " ".join(dates)))
    code = dict.fromkeys(re.findall(r"[0-9a-f]{7,}(?: with changes)?", " ".join(commits)))
    return (
        " ".join(results) or _NO_ANSWER,
        " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "–",
        ", ".join(code) if len(code) < 4 else f"{len(code)} commits",
    )


def section_of(text: str, name: str) -> str:
    """Return the text between the markers of a section, or nothing."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def _replaced(text: str, name: str, body: str, later: Sequence[str] = ()) -> str:
    """Replace a section, or insert it before the first of the `later` ones, or at the end."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = f"{begin}\n{body}\n{end}"
    if begin in text and end in text:
        head, _, rest = text.partition(begin)
        return head + section + rest.partition(end)[2]
    place = min((found for other in later if (found := text.find(f"<!-- {other} -->")) >= 0), default=len(text))
    return f"{text[:place].rstrip()}\n\n{section}\n" + (f"\n{text[place:]}" if text[place:] else "")


def _write(path: Path, text: str) -> None:
    write_file(path, text.encode(), temporary=path.with_name(f".{path.name}.{os.getpid()}"))
