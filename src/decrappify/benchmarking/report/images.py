"""Crops, error maps and kymographs as PNG: one contrast per image, errors from blue (too dark) to red."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from decrappify._common.plotting import new_figure, png_bytes
from decrappify.benchmarking.evidence import REFERENCE, Evidence
from decrappify.benchmarking.methods import INPUT
from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.movie import Array

_BLUE, _WHITE, _RED = (33, 82, 172), (250, 250, 250), (178, 24, 33)


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


def gray_png(image: Array, low: float, high: float) -> bytes:
    """Return a (Y, X) image as 8-bit PNG, `low` black and `high` white."""
    return _png(_scaled(image, low, high))


def error_png(error: Array, limit: float) -> bytes:
    """Return a (Y, X) error as PNG with a palette: blue is too dark, white correct, red too bright."""
    return _png(_scaled(error, -limit, limit), palette=diverging())


def diverging() -> Array:
    """Return a palette of 256 colors, (256, 3) uint8."""
    at = np.linspace(-1, 1, 256)[:, None]
    ends = np.where(at < 0, np.array(_BLUE), np.array(_RED))
    share = np.abs(at) ** 0.8
    return np.asarray(np.rint(ends * share + np.array(_WHITE) * (1 - share)), dtype=np.uint8)


def data_url(png: bytes) -> str:
    """Return a PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


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


def _scaled(image: Array, low: float, high: float) -> Array:
    share = (image.astype(np.float64) - low) / (high - low)
    return np.asarray(np.rint(255 * np.clip(share, 0, 1)), dtype=np.uint8)


def _png(levels: Array, palette: Array | None = None) -> bytes:
    from PIL import Image

    image = Image.fromarray(levels, "L")
    if palette is not None:
        image = Image.frombytes("P", image.size, levels.tobytes())
        image.putpalette(palette.ravel().tolist())
    data = io.BytesIO()
    image.save(data, format="PNG", optimize=True)
    return data.getvalue()
