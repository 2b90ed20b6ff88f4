"""Self-contained HTML report (no external resources), from a Jinja template."""

from __future__ import annotations

import math
from typing import Any

from decrappify._common.pages.page import render_page
from decrappify._common.pages.plots import svg_markup
from decrappify._common.pages.png import data_url, gray_png
from decrappify.benchmarking.report import plots
from decrappify.benchmarking.report.images import contrast, error_limit, error_png, errors
from decrappify.benchmarking.report.remarks import LIMIT, facts, remarks
from decrappify.benchmarking.report.results import FEWEST_FIELDS, Results, ViewRecord, is_certain
from decrappify.benchmarking.report.tables import versions
from decrappify.benchmarking.report.text import signed
from decrappify.benchmarking.scoring.evidence import REFERENCE
from decrappify.metrics.bootstrap import Interval
from decrappify.metrics.registry import get_metric
from decrappify.metrics.scoring.metric import Metric, format_change

_CAPTIONED = ("psnr", "ssim")
_COUNTED = ("cores", "threads")


def page(results: Results) -> str:
    """Return the complete page."""
    package = "decrappify.benchmarking.report"
    return render_page(package, **_context(results))


def _context(results: Results) -> dict[str, Any]:
    """Return the values of the template."""
    shown = plots.shown_images(results)
    return {
        "compared": [name for name, kind in results.methods if kind != "baseline"],
        "names": results.names,
        "methods": results.methods,
        "count": _count(results),
        "baseline": results.baseline,
        "headlines": results.headlines,
        "tiles": _tiles(results),
        "basis": results.basis(),
        "sections": {name: [_means(results, metric) for metric in found] for name, found in results.sections.items()},
        "differences": _differences(results),
        "groups": _groups(results),
        "warnings": results.warnings,
        "limit": LIMIT,
        "fewest": FEWEST_FIELDS,
        "dots": svg_markup(plots.dots(results)),
        "shown_note": f" The first {len(shown)} of {len(results.views)} images."
        if len(shown) < len(results.views)
        else "",
        "images": [_image(results, view) for view in shown],
        "remarks": remarks(results),
        "origin": _origin(results),
        "software": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "settings": ", ".join(_setting(*item) for item in results.settings.items() if item[1] not in (None, False, [])),
    }


def _count(results: Results) -> str:
    n_views, n_fields = len(results.views), len(results.fields)
    images = f"{n_views} image{'s' * (n_views != 1)}"
    return images if n_views == n_fields else f"{images} of {n_fields} field{'s' * (n_fields != 1)} of view"


def _setting(name: str, value: object) -> str:
    return f"{name} {' + '.join(value) if isinstance(value, list) else value}"


def _tiles(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the difference of each compared method to the baseline, per headline metric."""
    baseline = results.baseline
    if baseline is None or not results.headlines:
        return {}
    return {
        name: [_tile(results.difference(name, baseline, metric.key), metric) for metric in results.headlines]
        for name, kind in results.methods
        if kind != "baseline"
    }


def _tile(interval: Interval, metric: Metric) -> dict[str, Any]:
    bounds = _change_bounds(interval, metric)
    unit = metric.unit if math.isfinite(interval.mean) else ""
    return {
        "kind": _kind(interval, metric),
        "value": f"{format_change(interval.mean, metric)} {unit}",
        "label": metric.label,
        "bounds": f"95 %: {bounds}" if bounds else "",
    }


def _kind(interval: Interval, metric: Metric) -> str:
    """Return "good" or "bad" for a difference whose interval excludes 0, else "open"."""
    if not is_certain(interval):
        return "open"
    return "good" if metric.is_improvement(interval.mean) else "bad"


def _means(results: Results, metric: Metric) -> dict[str, Any]:
    """Return one row of the table of means."""
    intervals = {name: results.interval(name, metric.key) for name in results.names}
    best = metric.best({name: interval.mean for name, interval in intervals.items()})
    cells = [
        {
            "text": metric.format(interval.mean),
            "bounds": _bounds(interval, metric),
            "best": name == best,
            "is_limit": bool(metric.limit) and math.isinf(interval.mean),
        }
        for name, interval in intervals.items()
    ]
    return {"metric": metric, "cells": cells}


def _differences(results: Results) -> dict[str, list[dict[str, str]]]:
    """Return the cells of the table of paired differences, per method."""
    baseline = results.baseline
    if baseline is None or not results.headlines:
        return {}
    return {
        name: [_difference_cell(results.difference(name, baseline, metric.key), metric) for metric in results.headlines]
        for name in results.names
        if name != baseline
    }


def _difference_cell(interval: Interval, metric: Metric) -> dict[str, str]:
    return {
        "text": format_change(interval.mean, metric),
        "bounds": _change_bounds(interval, metric),
        "kind": _kind(interval, metric),
    }


def _groups(results: Results) -> list[dict[str, Any]]:
    """Return one table for each named group of ``group_by``: means and differences of each method."""
    return [
        {
            "tag": tag,
            "parts": [{"text": text, "count": _count(part), "rows": _group_rows(part)} for text, part in parts.items()],
        }
        for tag, parts in results.groups.items()
    ]


def _group_rows(part: Results) -> list[dict[str, Any]]:
    baseline = part.baseline
    rows = []
    for name in part.names:
        cells = []
        for metric in part.headlines:
            cell = {"text": metric.format(part.mean(name, metric.key)), "change": "", "kind": "open"}
            if baseline not in (None, name):
                interval = part.difference(name, str(baseline), metric.key)
                cell |= {"change": signed(interval, metric), "kind": _kind(interval, metric)}
            cells.append(cell)
        rows.append({"name": name, "cells": cells})
    return rows


def _origin(results: Results) -> dict[str, Any]:
    """Return models, files and run as text; empty for results that were computed without."""
    origin = results.origin
    files = list(origin.get("files", ()))
    shown = [
        (f"{one['image']}, {role}", one[role]["path"], one[role]["sha256"] or "not computed")
        for one in files[: plots.SHOWN_IMAGES]
        for role in ("source", "reference")
        if one[role] is not None
    ]
    machine = {name: value for name, value in origin.get("machine", {}).items() if value is not None}
    return {
        "date": origin.get("date", ""),
        "command": origin.get("command", ""),
        "machine": ", ".join(f"{value} {name}" if name in _COUNTED else str(value) for name, value in machine.items()),
        "models": list(origin.get("models", ())),
        "files": shown,
        "n_omitted": max(0, len(files) - plots.SHOWN_IMAGES),
    }


def _bounds(interval: Interval, metric: Metric) -> str:
    return "" if not math.isfinite(interval.low) else f"{metric.format(interval.low)} to {metric.format(interval.high)}"


def _change_bounds(interval: Interval, metric: Metric) -> str:
    if not math.isfinite(interval.low):
        return ""
    return f"{format_change(interval.low, metric)} to {format_change(interval.high, metric)}"


def _image(results: Results, view: ViewRecord) -> dict[str, Any]:
    """Return the template values of one scored image."""
    evidence = results.evidence[view.name]
    low, high = contrast(evidence)
    limit, wrong = error_limit(evidence), errors(evidence)
    names = [name for name in (*results.names, REFERENCE) if name in evidence.crops]
    height, width = evidence.crops[names[0]].shape
    curves = (svg_markup(plots.frc_curves(results, view)), svg_markup(plots.spectra(results, view)))
    return {
        "name": view.name,
        "facts": facts(view, evidence),
        "columns": _columns(len(names)),
        "shape": f"{width} / {height}",
        "cards": [
            {
                "name": name,
                "captions": _captions(results, view, name),
                "image": data_url(gray_png(evidence.crops[name], low, high)),
                "error": data_url(error_png(wrong[name], limit)) if name in wrong else None,
            }
            for name in names
        ],
        "subtracted": REFERENCE if view.has_reference else "input",
        "error_ends": (f"−{limit:.3g}", 0, f"+{limit:.3g}"),
        "gray_ends": (f"{low:.4g}", "", f"{high:.4g}"),
        "curves": [curve for curve in curves if curve is not None],
        "motion": _motion(results, view, low, high),
        "all_values": _values(results, view),
    }


def _motion(results: Results, view: ViewRecord, low: float, high: float) -> dict[str, Any] | None:
    """Return kymographs and brightness of a movie; None for stacks and single frames."""
    evidence = results.evidence[view.name]
    drawing = svg_markup(plots.brightness(results, view))
    if drawing is None:
        return None
    names = [name for name in (*results.names, REFERENCE) if name in evidence.kymographs]
    n_lines = len(evidence.kymographs[names[0]])
    return {
        "row": evidence.row,
        "first": f", first {n_lines} frames" if n_lines < view.n_frames else "",
        "columns": _columns(len(names)),
        "kymographs": {name: data_url(gray_png(evidence.kymographs[name], low, high)) for name in names},
        "brightness": drawing,
    }


def _values(results: Results, view: ViewRecord) -> dict[str, Any]:
    """Return all metrics of one image."""
    names = [name for name in results.names if view.name in results.scores[name]]
    lines = []
    for metric in results.metrics:
        values = [results.value(name, view.name, metric.key) for name in names]
        if not all(math.isnan(value) for value in values):
            lines.append({"metric": metric, "cells": [metric.format(value) for value in values]})
    return {"names": names, "lines": lines}


def _captions(results: Results, view: ViewRecord, name: str) -> list[str]:
    if name == REFERENCE:
        return []
    values = {get_metric(key): results.value(name, view.name, key) for key in _CAPTIONED}
    known = [f"{metric.label} {metric.format(value)}" for metric, value in values.items() if not math.isnan(value)]
    return [line for line in ("; ".join(known), *view.notes.get(name, [])) if line]


def _columns(n_cards: int) -> int:
    """Return the number of cards per row: all up to 6, else half of them (at most 5), to avoid nearly empty rows."""
    return n_cards if n_cards <= 6 else min(5, (n_cards + 1) // 2)
