"""Report as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from decrappify._common.pages.cards import html_table
from decrappify.benchmarking.report.results import Results
from decrappify.errors import printable
from decrappify.metrics.bootstrap import Interval
from decrappify.metrics.scoring.metric import Metric, format_change


def table(results: Results) -> str:
    """Return means and intervals of all methods, and the paired differences; a star marks the best value of a row."""
    rows = [("", *results.names)]
    for section, metrics in results.sections.items():
        rows.append((section.upper(), *("" for _ in results.names)))
        for metric in metrics:
            intervals = {name: results.interval(name, metric.key) for name in results.names}
            best = metric.best({name: interval.mean for name, interval in intervals.items()})
            cells = (_cell(interval, metric, name == best) for name, interval in intervals.items())
            rows.append((f"  {metric.title}", *cells))
    return "\n".join([*_aligned(rows), "", results.basis(), *_differences(results), *_groups(results)])


def html_means(results: Results) -> str:
    """Return the means of all methods as an HTML table for notebooks; the best values are bold."""
    metrics = results.headlines or results.metrics
    rows = [[name, *(metric.format(results.mean(name, metric.key)) for metric in metrics)] for name in results.names]
    bold = []
    for column, metric in enumerate(metrics, 1):
        best = metric.best({name: results.mean(name, metric.key) for name in results.names})
        bold += [(number, column) for number, name in enumerate(results.names) if name == best]
    warnings = "".join(f"\n{warning}" for warning in results.warnings)
    note = f"{results.basis()}{warnings}"
    return html_table(["", *(metric.title for metric in metrics)], rows, bold=bold, note=note)


def signed(interval: Interval, metric: Metric) -> str:
    """Return a difference with its sign and bounds.

    >>> from decrappify.metrics import get_metric
    >>> signed(Interval(0.5, 0.25, 1.0, 5), get_metric("psnr"))
    '+0.50 [+0.25, +1.00]'
    """
    mean, low, high = (format_change(value, metric) for value in interval[:3])
    return mean if not math.isfinite(interval.low) else f"{mean} [{low}, {high}]"


def _cell(interval: Interval, metric: Metric, is_best: bool) -> str:
    mean, low, high, _ = interval
    bounds = "" if not math.isfinite(low) else f" [{metric.format(low)}, {metric.format(high)}]"
    return f"{metric.format(mean)}{'*' if is_best else ''}{bounds}"


def _differences(results: Results) -> list[str]:
    baseline, metrics = results.baseline, results.headlines
    if baseline is None or not metrics or len(results.names) < 2:
        return []
    rows = [(f"MINUS {baseline.upper()}", *(metric.title for metric in metrics))]
    for name in results.names:
        if name != baseline:
            intervals = [(metric, results.difference(name, baseline, metric.key)) for metric in metrics]
            rows.append((f"  {name}", *(signed(interval, metric) for metric, interval in intervals)))
    return ["", *_aligned(rows)]


def _groups(results: Results) -> list[str]:
    """Return a table for each named group of ``group_by``: means, and differences from the baseline."""
    lines: list[str] = []
    baseline, metrics = results.baseline, results.headlines
    for tag, parts in results.groups.items():
        rows = [(f"BY {tag.upper()}", *(metric.title for metric in metrics))]
        for text, part in parts.items():
            n = len(part.fields)
            rows.append((f"{text} ({n} field{'s' * (n != 1)})", *("" for _ in metrics)))
            rows += [
                (f"  {name}", *(_group_cell(part, name, baseline, metric) for metric in metrics)) for name in part.names
            ]
        lines += ["", *_aligned(rows)]
    return lines


def _group_cell(part: Results, name: str, baseline: str | None, metric: Metric) -> str:
    mean = metric.format(part.mean(name, metric.key))
    if baseline is None or name == baseline:
        return mean
    return f"{mean} ({signed(part.difference(name, baseline, metric.key), metric)})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
