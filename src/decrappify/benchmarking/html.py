"""The page: one file with tables, plots and pictures, which asks nothing of the network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from decrappify.benchmarking import plots
from decrappify.benchmarking.evidence import TRUTH
from decrappify.benchmarking.figures import FIGURES, HEADLINES, SECTIONS, best_of, written
from decrappify.benchmarking.pictures import contrast, data_url, error_limit, error_png, errors, grey_png

if TYPE_CHECKING:
    from decrappify.benchmarking.evidence import Evidence
    from decrappify.benchmarking.report import Report, ViewRecord
    from decrappify.metrics.bootstrap import Interval


def page(report: Report) -> str:
    """Write the whole page."""
    folder = files("decrappify.benchmarking")
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    sections = (_head, _means, _differences, _dots, _images, _notes)
    body = "\n".join(part for section in sections for part in section(report))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>decrappify benchmark</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    judged = [name for name, kind in report.methods if kind != "baseline"]
    yield "<header>"
    yield f"<h1>{escape(', '.join(judged))}</h1>"
    yield f'<p class="lead">Benchmark of {len(report.names)} methods on {_count(report)}.</p>'
    yield from _headline(report, judged)
    yield "</header>"


def _headline(report: Report, judged: list[str]) -> Iterator[str]:
    """Show on tiles what each judged method adds to the reference."""
    reference = report.reference
    keys = [key for key in HEADLINES if key in report.keys]
    if reference is None or not keys:
        return
    for name in judged:
        yield f'<h4>{escape(name)} minus {escape(reference)}</h4><div class="tiles">'
        yield from (_tile(report.difference(name, reference, key), key) for key in keys)
        yield "</div>"
    yield '<p class="quiet">Paired. Green: better, red: worse; grey: the interval holds 0, or there is none.</p>'


def _tile(interval: Interval, key: str) -> str:
    entry = FIGURES[key]
    better = interval.mean > 0 if entry.better == "high" else interval.mean < 0
    sure = not math.isnan(interval.low) and (interval.low > 0) == (interval.high > 0)
    kind = ("good" if better else "bad") if sure else "open"
    bounds = "" if math.isnan(interval.low) else f"95 %: {_bounds(interval, key, ' to ')}"
    return (
        f'<div class="tile {kind}"><b>{_signed(interval.mean, key)} {entry.unit}</b>'
        f"<span>{escape(entry.label)}</span><small>{bounds}</small></div>"
    )


def _means(report: Report) -> Iterator[str]:
    yield "<section><h2>Means</h2>"
    yield f'<p class="quiet">{escape(report.basis())}. Bold: best of its line.</p>'
    yield '<div class="wide"><table class="full"><thead><tr><th></th>'
    yield from (f'<th class="{kind}">{escape(name)}</th>' for name, kind in report.methods)
    yield '<th class="meaning">what it says</th></tr></thead>'
    for section, figures in SECTIONS:
        present = [figure for figure in figures if figure.key in report.keys]
        if not present:
            continue
        yield f'<tbody><tr class="group"><th colspan="{len(report.names) + 2}">{section}</th></tr>'
        for figure in present:
            intervals = {name: report.interval(name, figure.key) for name in report.names}
            best = best_of(figure.key, {name: interval.mean for name, interval in intervals.items()})
            cells = "".join(_cell(intervals[name], figure.key, name == best) for name in report.names)
            unit = f" <i>{escape(figure.unit)}</i>" if figure.unit else ""
            meaning = f'<td class="meaning">{escape(figure.meaning)}</td>'
            yield f"<tr><th>{escape(figure.label)}{unit}</th>{cells}{meaning}</tr>"
        yield "</tbody>"
    yield "</table></div></section>"


def _cell(interval: Interval, key: str, best: bool) -> str:
    bounds = ""
    if not math.isnan(interval.low):
        bounds = f"<small>{written(interval.low, key)} to {written(interval.high, key)}</small>"
    return f"<td{' class=best' if best else ''}>{written(interval.mean, key)}{bounds}</td>"


def _differences(report: Report) -> Iterator[str]:
    reference = report.reference
    others = [name for name in report.names if name != reference]
    keys = [key for key in HEADLINES if key in report.keys]
    if reference is None or not others or not keys:
        return
    yield f"<section><h2>Paired differences to {escape(reference)}</h2>"
    yield '<div class="wide"><table><thead><tr><th></th>'
    yield from (f"<th>{escape(FIGURES[key].label)} <i>{FIGURES[key].unit}</i></th>" for key in keys)
    yield "</tr></thead><tbody>"
    for name in others:
        cells = ""
        for key in keys:
            interval = report.difference(name, reference, key)
            bounds = "" if math.isnan(interval.low) else f"<small>{_bounds(interval, key, ' to ')}</small>"
            cells += f"<td>{_signed(interval.mean, key)}{bounds}</td>"
        yield f"<tr><th>{escape(name)}</th>{cells}</tr>"
    yield "</tbody></table></div></section>"


def _dots(report: Report) -> Iterator[str]:
    drawing = plots.dots(report)
    if drawing is not None:
        yield "<section><h2>Every image</h2>"
        yield '<p class="quiet">One line is one image, a bar is the mean over images.</p>'
        yield f'<div class="plot">{plots.svg(drawing)}</div></section>'


def _images(report: Report) -> Iterator[str]:
    shown = plots.pictured(report)
    yield "<section><h2>Images</h2>"
    left_out = f" The first {len(shown)} of {len(report.views)} images." if len(shown) < len(report.views) else ""
    yield (
        '<p class="quiet">All pictures of an image have the same contrast and zoom together: double-click, or the '
        f"buttons, or Ctrl and the wheel; drag to move.{left_out}</p></section>"
    )
    for view in shown:
        yield from _image(report, view)


def _image(report: Report, view: ViewRecord) -> Iterator[str]:
    evidence = report.evidence[view.name]
    low, high = contrast(evidence)
    limit, wrong = error_limit(evidence), errors(evidence)
    names = [name for name in (*report.names, TRUTH) if name in evidence.crops]
    yield '<section class="image">'
    yield (
        f'<div class="bar"><h3>{escape(view.name)}</h3><span class="tools"><button data-zoom="2">+</button>'
        '<button data-zoom="0.5">−</button><button data-zoom="0">whole</button></span></div>'
    )
    yield f'<p class="quiet">{escape(_facts(view, evidence))}</p>'
    height, width = evidence.crops[names[0]].shape
    yield f'<div class="cards" style="--columns: {_columns(len(names))}; --shape: {width} / {height}">'
    for name in names:
        yield f"<figure><figcaption>{escape(name)}{_caption(report, view, name)}</figcaption>"
        yield _pane(grey_png(evidence.crops[name], low, high), f"{name}")
        if name in wrong:
            yield _pane(error_png(wrong[name], limit), f"error of {name}")
        else:
            yield _scale_bar(limit, view, low, high)
        yield "</figure>"
    yield "</div>"
    curves = [
        drawing for drawing in (plots.frc_curves(report, view), plots.spectra(report, view)) if drawing is not None
    ]
    if curves:
        yield f'<div class="plots">{"".join(f"<div class=plot>{plots.svg(drawing)}</div>" for drawing in curves)}</div>'
    yield from _over_time(report, view, low, high)
    yield from _values(report, view)
    yield "</section>"


def _over_time(report: Report, view: ViewRecord, low: float, high: float) -> Iterator[str]:
    evidence = report.evidence[view.name]
    drawing = plots.brightness(report, view)
    if drawing is None:
        return
    names = [name for name in (*report.names, TRUTH) if name in evidence.kymographs]
    n_lines = len(evidence.kymographs[names[0]])
    first = f", first {n_lines} frames" if n_lines < view.n_frames else ""
    yield f'<h4>Kymographs</h4><p class="quiet">Row {evidence.row} of every frame, time downwards{first}.</p>'
    yield f'<div class="cards" style="--columns: {_columns(len(names))}">'
    for name in names:
        picture = data_url(grey_png(evidence.kymographs[name], low, high))
        image = f'<img class="kymograph" alt="kymograph of {escape(name)}" src="{picture}">'
        yield f"<figure><figcaption>{escape(name)}</figcaption>{image}</figure>"
    yield f'</div><div class="plot">{plots.svg(drawing)}</div>'


def _values(report: Report, view: ViewRecord) -> Iterator[str]:
    names = [name for name in report.names if view.name in report.scores[name]]
    yield "<details><summary>All figures of this image</summary>"
    yield '<div class="wide"><table><thead><tr><th></th>'
    yield from (f"<th>{escape(name)}</th>" for name in names)
    yield "</tr></thead><tbody>"
    for key in report.keys:
        values = [report.value(name, view.name, key) for name in names]
        if all(math.isnan(value) for value in values):
            continue
        unit = f" <i>{escape(FIGURES[key].unit)}</i>" if FIGURES[key].unit else ""
        cells = "".join(f"<td>{written(value, key)}</td>" for value in values)
        yield f"<tr><th>{escape(FIGURES[key].label)}{unit}</th>{cells}</tr>"
    yield "</tbody></table></div></details>"


def _notes(report: Report) -> Iterator[str]:
    from decrappify.benchmarking.report import versions

    yield '<section class="notes"><h2>Notes</h2><ul>'
    yield from (f"<li>{escape(line)}</li>" for line in _remarks(report))
    yield "</ul>"
    software = ", ".join(f"{name} {number}" for name, number in versions().items())
    settings = ", ".join(_setting(*item) for item in report.settings.items() if item[1] not in (None, False))
    yield f'<p class="quiet">{escape(software)}. Settings: {escape(settings)}.</p></section>'


def _setting(name: str, value: object) -> str:
    return f"{name} {' + '.join(value) if isinstance(value, list) else value}"


def _remarks(report: Report) -> Iterator[str]:
    yield (
        "FRC against a clean truth has the threshold 0.5; 1/7 is for two independent noisy halves: a noisy image whose "
        "halves correlate by F correlates with the truth by sqrt(2F / (1 + F)), which is 0.5 for F = 1/7."
    )
    gains = [f"{name} {gain:.3g}" for name, gain in report.micro_ssim_gains.items() if gain is not None]
    if gains:
        yield f"MicroSSIM's one gain for the dataset: {', '.join(gains)}."
    sampled = "MS-SSIM, MicroSSIM, foreground SSIM, FRC and spectra"
    fewer = sorted({view.sampled_frames for view in report.views if view.sampled_frames < view.n_frames})
    if fewer:
        yield f"{sampled} of long movies are from {' or '.join(map(str, fewer))} frames spread over them."
    if any(view.sampled_size != tuple(view.size) for view in report.views):
        yield f"{sampled} of large frames are from the 2048 pixels in the middle."
    dropped = sorted({view.ms_ssim_scales for view in report.views if view.ms_ssim_scales is not None} - {5})
    if dropped:
        yield f"Frames too small for MS-SSIM's five scales had {', '.join(map(str, dropped))}."
    yield (
        "Decorrelation resolution is given for inputs and truths only: "
        "the sharpness that a network draws would count as resolution."
    )
    if report.settings["levels"] == "fit":
        yield (
            "Source and truth have different grey levels here: every result was mapped to the truth by one affine fit, "
            "so PSNR says the same as SI-PSNR. The affine slope is that of this fit."
        )
    if any(view.halves for view in report.views):
        yield (
            "Confirmed resolution, in source pixels: the restored half of the data against the raw other half, "
            "threshold 1/7. Detail that only the method drew does not count."
        )


def _facts(view: ViewRecord, evidence: Evidence) -> str:
    facts = [f"{view.size[0]} × {view.size[1]} pixels"]
    if view.kind != "still":
        facts.append(f"{view.n_frames} {'frames' if view.kind == 'movie' else 'slices'}, number {evidence.t} shown")
    if view.scale > 1:
        facts.append(f"{view.scale} times finer than the input")
    if view.pixel_size_um is not None:
        facts.append(f"{view.pixel_size_um:.4g} µm per pixel")
    origin = "given" if view.data_range_from == "given" else f"of the {view.data_range_from}"
    facts.append(f"D = {view.data_range:.4g} grey levels ({origin})")
    shown = evidence.crops[next(iter(evidence.crops))].shape
    if shown != tuple(view.size):
        facts.append(
            f"shown: {shown[0]} × {shown[1]} pixels from row {evidence.rows.start}, column {evidence.columns.start}"
        )
    for role, value in (("input", view.source_resolution_px), ("truth", view.truth_resolution_px)):
        if value is not None:
            found = f"{written(value)} px" if math.isfinite(value) else "none found, for noise"
            facts.append(f"decorrelation resolution of the {role}: {found}")
    if view.halves is not None:
        facts.append(view.halves)
    return "; ".join(facts) + "."


def _caption(report: Report, view: ViewRecord, name: str) -> str:
    if name == TRUTH:
        return ""
    known = {key: report.value(name, view.name, key) for key in ("psnr", "ssim")}
    values = [f"{FIGURES[key].label} {written(value, key)}" for key, value in known.items() if not math.isnan(value)]
    lines = ["; ".join(values), *view.notes.get(name, [])]
    return "".join(f"<small>{escape(line)}</small>" for line in lines if line)


def _pane(png: bytes, what: str) -> str:
    return f'<div class="pane"><img draggable="false" alt="{escape(what)}" src="{data_url(png)}"></div>'


def _scale_bar(limit: float, view: ViewRecord, low: float, high: float) -> str:
    change = "minus truth" if view.has_truth else "minus input"
    ends = '<div class="ends"><span>{}</span><span>{}</span><span>{}</span></div>'
    return (
        f'<div class="scale"><p>result {change}, grey levels</p><div class="gradient"></div>'
        f"{ends.format(f'−{limit:.3g}', 0, f'+{limit:.3g}')}"
        '<p>pictures, grey levels</p><div class="greys"></div>'
        f"{ends.format(f'{low:.4g}', '', f'{high:.4g}')}</div>"
    )


def _columns(n_cards: int) -> int:
    """Cards in a row: all of up to 6, else half of them, so that no row is nearly empty."""
    return n_cards if n_cards <= 6 else min(5, (n_cards + 1) // 2)


def _bounds(interval: Interval, key: str, between: str) -> str:
    return f"{_signed(interval.low, key)}{between}{_signed(interval.high, key)}"


def _signed(value: float, key: str) -> str:
    return ("+" if value > 0 else "") + written(value, key)


def _count(report: Report) -> str:
    n_views, n_fields = len(report.views), len(report.fields)
    images = f"{n_views} image{'s' * (n_views != 1)}"
    return images if n_views == n_fields else f"{images} of {n_fields} field{'s' * (n_fields != 1)} of view"
