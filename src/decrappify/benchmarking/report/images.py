"""Crops, error maps and kymographs as PNG: one contrast per image, errors from blue (too dark) to red."""

from __future__ import annotations

from typing import Any

import numpy as np

from decrappify._common.pages.png import diverging, palette_png
from decrappify._common.plotting import new_figure, png_bytes
from decrappify.benchmarking.methods.methods import INPUT
from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.benchmarking.scoring.evidence import REFERENCE, Evidence
from decrappify.movie import Array


def contrast(evidence: Evidence) -> tuple[float, float]:
    """Return the gray levels shown as black and white: percentiles 0.5 and 99.8 of the reference's or input's crop."""
    crops = evidence.crops
    basis = crops.get(REFERENCE, crops.get(INPUT, next(iter(crops.values()))))
    low, high = (float(level) for level in np.percentile(basis, [0.5, 99.8]))
    return low, high if high > low else low + 1


def errors(evidence: Evidence) -> dict[str, Array]:
    """Subtract the reference from every result; without a reference, subtract the input."""
    basis = REFERENCE if REFERENCE in evidence.crops else INPUT
    if basis not in evidence.crops:
        return {}
    return {
        name: crop - evidence.crops[basis] for name, crop in evidence.crops.items() if name not in (basis, REFERENCE)
    }


def error_limit(evidence: Evidence) -> float:
    """Return the error shown in full color: the largest 99th percentile of the absolute errors of a method."""
    every = errors(evidence)
    limit = max((float(np.percentile(np.abs(error), 99)) for error in every.values()), default=0.0)
    return limit or 1.0


def error_png(error: Array, limit: float) -> bytes:
    """Return a (Y, X) error as PNG with a palette: blue is too dark, white correct, red too bright."""
    return palette_png(error, -limit, limit, diverging())


def sheet_png(results: Results, view: ViewRecord) -> bytes:
    """Draw crops of all methods and the reference, error maps, and kymographs of a movie on one sheet."""
    evidence = results.evidence[view.name]
    names = [name for name in (*results.names, REFERENCE) if name in evidence.crops]
    low, high = contrast(evidence)
    wrong, limit = errors(evidence), error_limit(evidence)
    n_rows = 2 + bool(evidence.kymographs)
    figure = new_figure(2.6 * len(names), 2.8 * n_rows, layout="constrained")
    rows: list[dict[str, tuple[Array, Any, float, float]]] = [
        {name: (evidence.crops[name], "gray", low, high) for name in names},
        {name: (error, _color_map(), -limit, limit) for name, error in wrong.items()},
        {name: (lines, "gray", low, high) for name, lines in evidence.kymographs.items()},
    ]
    for row, images in enumerate(rows[:n_rows]):
        for column, name in enumerate(names):
            if name not in images:
                continue
            image, cmap, darkest, brightest = images[name]
            axes = figure.add_subplot(n_rows, len(names), row * len(names) + column + 1)
            axes.imshow(
                image,
                cmap=cmap,
                vmin=darkest,
                vmax=brightest,
                interpolation="nearest",
                aspect="auto" if row == 2 else "equal",
            )
            axes.set_axis_off()
            if row == 0:
                axes.set_title(name)
    return png_bytes(figure, dpi=130)


def _color_map() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(diverging() / 255)
