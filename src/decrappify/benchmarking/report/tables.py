"""Report as plain values, for CSV and JSON files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from decrappify._version import __version__
from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.benchmarking.scoring.evidence import REFERENCE
from decrappify.errors import printable
from decrappify.metrics.bootstrap import Interval
from decrappify.metrics.scoring.metric import Metric

_FORMULA = ("=", "+", "-", "@")  # first characters of spreadsheet formulas
# Names in published files that are older than those in the code.
_PUBLISHED = {"has_reference": "has_truth", "reference_resolution_px": "truth_resolution_px"}
_PUBLISHED_REFERENCE = "truth"
_GROUP = "group_"


def rows(results: Results) -> list[dict[str, Any]]:
    """Return one row per image and method: names, kind, D and all metrics."""
    return [
        {
            "image": view.name,
            "field_of_view": results.field_number(view),
            "kind": view.kind,
            "frames": view.n_frames,
            "data_range": view.data_range,
            "method": name,
            **{metric.key: metric.exported(results.value(name, view.name, metric.key)) for metric in results.metrics},
            **_field_and_groups(results, view),
        }
        for view in results.views
        for name in results.names
        if view.name in results.scores[name]
    ]


def to_dict(results: Results) -> dict[str, Any]:
    """Return all results except images as plain values: settings, versions, metrics, means, curves."""
    return {
        "software": versions(),
        "settings": dict(results.settings),
        "warnings": list(results.warnings),
        "origin": dict(results.origin),
        "methods": [
            {"name": name, "kind": kind, "micro_ssim_gain": results.micro_ssim_gains[name]}
            for name, kind in results.methods
        ],
        "images": [_image(results, view) for view in results.views],
        "figures": {
            metric.key: {
                "key": metric.key,
                "label": metric.label,
                "unit": metric.unit,
                "better": metric.better,
                "meaning": metric.meaning,
            }
            for metric in results.metrics
        },
        "scores": rows(results),
        "means": _means(results),
        "differences": _differences(results),
        "groups": {
            tag: {value: _group(part) for value, part in parts.items()} for tag, parts in results.groups.items()
        },
        "curves": {view.name: curves for view in results.views if (curves := _curves(results, view))},
    }


def json_values(results: Results) -> dict[str, Any]:
    """Return `to_dict` with null for NaN, and "inf" and "-inf" for infinity, which JSON does not support."""
    return {key: _finite(value) for key, value in to_dict(results).items()}


def csv_text(results: Results) -> str:
    """Return `rows` as CSV."""
    text = io.StringIO()
    columns = ["image", "field_of_view", "kind", "frames", "data_range", "method", *results.keys, *_added(results)]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell_text(value) for key, value in row.items()} for row in rows(results))
    return text.getvalue()


def versions() -> dict[str, str]:
    """Return the versions of the packages that the metrics were computed with."""
    from importlib.metadata import version

    return {"decrappify": __version__} | {name: version(name) for name in ("numpy", "scipy", "scikit-image", "torch")}


def _image(results: Results, view: ViewRecord) -> dict[str, Any]:
    values = {_PUBLISHED.get(key, key): value for key, value in asdict(view).items()}
    origin = _PUBLISHED_REFERENCE if view.data_range_from == REFERENCE else view.data_range_from
    for key, value in values.items():
        if key.endswith("resolution_px") and value is not None and math.isinf(value):
            values[key] = None  # not resolvable
    return values | {"data_range_from": origin, "field_of_view": results.field_number(view)}


def _means(results: Results) -> dict[str, Any]:
    return {
        name: {metric.key: _interval(results.interval(name, metric.key), metric) for metric in results.metrics}
        for name in results.names
    }


def _group(part: Results) -> dict[str, Any]:
    return {
        "fields": len(part.fields),
        "images": len(part.views),
        "means": _means(part),
        "differences": _differences(part),
    }


def _field_and_groups(results: Results, view: ViewRecord) -> dict[str, Any]:
    """Return the columns of `group_by`; none without it."""
    return {f"{_GROUP}{name}": text for name, text in view.groups.items()}


def _added(results: Results) -> list[str]:
    return list(dict.fromkeys(f"{_GROUP}{name}" for view in results.views for name in view.groups))


def _differences(results: Results) -> dict[str, Any]:
    baseline = results.baseline
    if baseline is None:
        return {}
    return {
        "reference": baseline,
        "methods": {
            name: {
                metric.key: _interval(results.difference(name, baseline, metric.key), metric)
                for metric in results.metrics
            }
            for name in results.names
            if name != baseline
        },
    }


def _curves(results: Results, view: ViewRecord) -> dict[str, Any]:
    scores = {name: results.scores[name][view.name] for name in results.names if view.name in results.scores[name]}
    frc = {name: score.frc for name, score in scores.items() if score.frc is not None}
    spectra = {name: score.spectrum for name, score in scores.items() if score.spectrum is not None}
    if not spectra:
        return {}
    references = [score.reference_spectrum for score in scores.values() if score.reference_spectrum is not None]
    power = {name: spectrum.power.tolist() for name, spectrum in spectra.items()}
    if references:
        power[_PUBLISHED_REFERENCE] = references[0].power.tolist()
    brightness = {
        _PUBLISHED_REFERENCE if name == REFERENCE else name: values.tolist()
        for name, values in results.evidence[view.name].brightness.items()
    }
    return {
        "cycles_per_px": next(iter(spectra.values())).frequency.tolist(),
        "frc": {name: curve.correlation.tolist() for name, curve in frc.items()},
        "power": power,
        "brightness": brightness,
    }


def _cell_text(value: Any) -> Any:
    """Return a value of the table; names that a spreadsheet would evaluate as formulas are prefixed by an apostrophe.

    >>> _cell_text("=1+1"), _cell_text("cells"), _cell_text(-0.5)
    ("'=1+1", 'cells', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _interval(interval: Interval, metric: Metric) -> dict[str, Any]:
    bounds = {name: value for name, value in interval._asdict().items() if name != "n"}
    return {name: metric.exported(value) for name, value in bounds.items()} | {"n": interval.n}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
