"""Report as plain values, for CSV and JSON files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from decrappify._version import __version__
from decrappify.benchmarking.evidence import REFERENCE
from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.errors import printable
from decrappify.metrics.bootstrap import Interval

_FORMULA = ("=", "+", "-", "@")  # first characters of spreadsheet formulas
# Names in published files that are older than those in the code.
_PUBLISHED = {"has_reference": "has_truth", "reference_resolution_px": "truth_resolution_px"}
_PUBLISHED_REFERENCE = "truth"


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
            **{key: _plain(results.value(name, view.name, key)) for key in results.keys},
        }
        for view in results.views
        for name in results.names
        if view.name in results.scores[name]
    ]


def to_dict(results: Results) -> dict[str, Any]:
    """Return all results except images as plain values: settings, versions, metrics, means, curves."""
    keys = results.keys
    return {
        "software": versions(),
        "settings": dict(results.settings),
        "warnings": list(results.warnings),
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
        "means": {name: {key: _interval(results.interval(name, key)) for key in keys} for name in results.names},
        "differences": _differences(results),
        "curves": {view.name: curves for view in results.views if (curves := _curves(results, view))},
    }


def json_values(results: Results) -> dict[str, Any]:
    """Return `to_dict` with null for NaN, and "inf" and "-inf" for infinity, which JSON does not support."""
    return {key: _finite(value) for key, value in to_dict(results).items()}


def csv_text(results: Results) -> str:
    """Return `rows` as CSV."""
    text = io.StringIO()
    columns = ["image", "field_of_view", "kind", "frames", "data_range", "method", *results.keys]
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
    return values | {"data_range_from": origin, "field_of_view": results.field_number(view)}


def _differences(results: Results) -> dict[str, Any]:
    baseline = results.baseline
    if baseline is None:
        return {}
    return {
        "reference": baseline,
        "methods": {
            name: {key: _interval(results.difference(name, baseline, key)) for key in results.keys}
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


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _interval(interval: Interval) -> dict[str, Any]:
    return interval._asdict()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
