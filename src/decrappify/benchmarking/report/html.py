"""Self-contained HTML report (no external resources), from a Jinja template."""

from __future__ import annotations

import math
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from decrappify.benchmarking.evidence import REFERENCE
from decrappify.benchmarking.report import plots
from decrappify.benchmarking.report.images import contrast, data_url, error_limit, error_png, errors, gray_png
from decrappify.benchmarking.report.remarks import facts, remarks
from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.benchmarking.report.tables import versions
from decrappify.metrics.bootstrap import Interval
from decrappify.metrics.metric import Metric, format_change
from decrappify.metrics.registry import get_metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CAPTIONED = ("psnr", "ssim")


def page(results: Results) -> str:
    """Return the complete page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("decrappify.benchmarking.report")
    template, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.html.jinja", "page.css", "page.js")
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(style=Markup(style), script=Markup(script), **_context(results))


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
        "dots": _svg(plots.dots(results)),
        "shown_note": f" The first {len(shown)} of {len(results.views)} images."
        if len(shown) < len(results.views)
        else "",
        "images": [_image(results, view) for view in shown],
        "remarks": remarks(results),
        "software": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "settings": ", ".join(_setting(*item) for item in results.settings.items() if item[1] not in (None, False)),
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
    is_certain = not math.isnan(interval.low) and (interval.low > 0) == (interval.high > 0)
    kind = ("good" if metric.is_improvement(interval.mean) else "bad") if is_certain else "open"
    bounds = _change_bounds(interval, metric)
    return {
        "kind": kind,
        "value": f"{format_change(interval.mean, metric)} {metric.unit}",
        "label": metric.label,
        "bounds": f"95 %: {bounds}" if bounds else "",
    }


def _means(results: Results, metric: Metric) -> dict[str, Any]:
    """Return one row of the table of means."""
    intervals = {name: results.interval(name, metric.key) for name in results.names}
    best = metric.best({name: interval.mean for name, interval in intervals.items()})
    cells = [
        {"text": metric.format(interval.mean), "bounds": _bounds(interval, metric), "best": name == best}
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
    return {"text": format_change(interval.mean, metric), "bounds": _change_bounds(interval, metric)}


def _bounds(interval: Interval, metric: Metric) -> str:
    return "" if math.isnan(interval.low) else f"{metric.format(interval.low)} to {metric.format(interval.high)}"


def _change_bounds(interval: Interval, metric: Metric) -> str:
    if math.isnan(interval.low):
        return ""
    return f"{format_change(interval.low, metric)} to {format_change(interval.high, metric)}"


def _image(results: Results, view: ViewRecord) -> dict[str, Any]:
    """Return the template values of one scored image."""
    evidence = results.evidence[view.name]
    low, high = contrast(evidence)
    limit, wrong = error_limit(evidence), errors(evidence)
    names = [name for name in (*results.names, REFERENCE) if name in evidence.crops]
    height, width = evidence.crops[names[0]].shape
    curves = (_svg(plots.frc_curves(results, view)), _svg(plots.spectra(results, view)))
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
    drawing = _svg(plots.brightness(results, view))
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


def _svg(figure: Figure | None) -> Any:
    from markupsafe import Markup

    return None if figure is None else Markup(plots.svg(figure))
