"""Frames that a report displays: those with the most contradictions and a typical one, cropped to a region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from decrappify._common.pages.png import data_url, diverging, gray_png, palette_png, rgb_png
from decrappify.movie import Array, Movie, Plane
from decrappify.trust.evaluation import Label
from decrappify.trust.maps import MAPS
from decrappify.trust.palette import label_rgb
from decrappify.trust.report.survey import PlaneShares

SHOWN = 384  # largest side of a displayed region in pixels
_STEP = 32  # by which regions are moved to find the best one
SCORE_LIMIT = 8.0  # in full color
OPACITIES = {Label.CONFIRMED: 0.3, Label.UNTESTABLE: 0.45, Label.CONTRADICTED: 0.85}  # over the restored frame


@dataclass(frozen=True, slots=True)
class Chosen:
    """A displayed plane, and why it was chosen."""

    shares: PlaneShares
    reason: str


@dataclass(slots=True)
class FrameImages:
    """Images of one region of a plane.

    Attributes
    ----------
    title, region : str
        Heading, and the displayed rows and columns.
    images : list of (str, str)
        Captions and data URLs.
    """

    title: str
    region: str
    images: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Crop:
    """Measured and restored gray levels, labels, scores and, if known, spread of a region of a plane."""

    chosen: Chosen
    rows: slice
    columns: slice
    measured: Array
    restored: Array
    labels: Array
    score: Array
    spread: Array | None
    frame_shape: tuple[int, int]
    pixel_size_um: tuple[float | None, float | None]

    def region_text(self) -> str:
        """Return rows and columns, or that it is the whole frame, with its size."""
        height, width = self.restored.shape
        y_um, x_um = self.pixel_size_um
        size = f"{height} × {width} px"
        if y_um is not None and x_um is not None:
            size += f", {height * y_um:.3g} × {width * x_um:.3g} µm"
        if self.restored.shape == self.frame_shape:
            return f"whole frame ({size})"
        rows, columns = (f"{part.start} to {part.stop - 1}" for part in (self.rows, self.columns))
        return f"rows {rows}, columns {columns} ({size})"


def choose(planes: Sequence[PlaneShares]) -> list[Chosen]:
    """Choose up to two planes with the most contradicted pixels, apart from each other, and a typical plane.

    >>> planes = [PlaneShares((t, 0, 0), 1 - s, 0.0, s, 9.0) for t, s in enumerate([0, 0.01, 0.2, 0.19, 0, 0.01])]
    >>> [(chosen.shares.plane[0], chosen.reason) for chosen in choose(planes)]
    [(2, 'most contradicted pixels'), (3, 'second most contradicted pixels'), (1, 'typical frame')]
    """
    if not planes:
        return []
    apart = max(1, len({shares.plane[0] for shares in planes}) // 10)
    found: list[Chosen] = []
    for shares in sorted(planes, key=lambda shares: -shares.contradicted):
        if len(found) == 2 or not shares.contradicted:
            break
        if all(abs(shares.plane[0] - other.shares.plane[0]) >= apart for other in found):
            reason = f"{'second ' if found else ''}most contradicted pixels"
            found.append(Chosen(shares, reason))
    values = np.array([(shares.contradicted, shares.untestable) for shares in planes])
    distance = np.abs(values - np.median(values, axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    for k in np.argsort(distance.sum(axis=1), kind="stable"):
        if all(planes[k] is not other.shares for other in found):
            found.append(Chosen(planes[k], "typical frame" if len(planes) > 1 else ""))
            break
    return found


def crop(
    chosen: Chosen, measured: Movie, restored: Movie, trust: Movie, frames: Sequence[int], spread: Movie | None
) -> Crop:
    """Read the region of a plane that has the most contradicted pixels, or the highest contrast without any."""
    t, c, z = chosen.shares.plane
    labels = trust.frame(t, len(MAPS) * c, z)
    result = np.nan_to_num(restored.frame(t, c, z).astype(np.float32))
    wrong = labels == Label.CONTRADICTED
    rows, columns = _best_region(wrong if wrong.any() else np.square(result - np.median(result)))
    at = (rows, columns)
    return Crop(
        chosen,
        rows,
        columns,
        np.nan_to_num(measured.region(frames[t], c, z, *at).astype(np.float32)),
        result[at],
        labels[at],
        trust.region(t, len(MAPS) * c + 1, z, *at),
        None if spread is None else np.nan_to_num(spread.region(t, c, z, *at)),
        (labels.shape[0], labels.shape[1]),
        restored.pixel_size_um[1:],
    )


def contrast(crops: Sequence[Crop]) -> tuple[float, float]:
    """Return the gray levels shown as black and white: the same for all frames, by the restored ones."""
    values = np.concatenate([crop.restored.ravel() for crop in crops])
    low, high = (float(level) for level in np.percentile(values, [0.5, 99.8]))
    return low, high if high > low else low + 1


def spread_limit(crops: Sequence[Crop]) -> float:
    """Return the spread shown as white; 0 without a spread."""
    values = [crop.spread.ravel() for crop in crops if crop.spread is not None]
    return float(np.percentile(np.concatenate(values), 99.8)) if values else 0.0


def images(crop: Crop, low: float, high: float, highest_spread: float, axis: str) -> FrameImages:
    """Return the images of a region; `axis` is the name of a plane, such as ``frame``."""
    shares = crop.chosen.shares
    name = f"{axis.capitalize()} {plane_text(shares.plane, axis)}"
    text = f"{percent(shares.contradicted)} contradicted, {percent(shares.untestable)} below the detection limit"
    title = ": ".join(part for part in (name, crop.chosen.reason) if part)
    found = FrameImages(title, f"{text}. Shown: {crop.region_text()}")
    found.images = [
        ("measured", data_url(gray_png(crop.measured, low, high))),
        ("restored", data_url(gray_png(crop.restored, low, high))),
        ("labels", data_url(rgb_png(overlay(crop.restored, crop.labels, low, high)))),
        ("score", data_url(palette_png(crop.score, -SCORE_LIMIT, SCORE_LIMIT, diverging()[::-1]))),
    ]
    if crop.spread is not None:
        found.images.append(("spread", data_url(gray_png(crop.spread, 0.0, highest_spread or 1.0))))
    return found


def overlay(gray: Array, labels: Array, low: float, high: float) -> Array:
    """Blend the colors of the labels over a frame; (Y, X, 3) uint8."""
    base = np.repeat(255 * np.clip((gray - low) / (high - low), 0, 1)[..., None], 3, axis=-1)
    for label, opacity in OPACITIES.items():
        at = labels == label
        base[at] = (1 - opacity) * base[at] + opacity * np.array(label_rgb(label))
    return np.rint(base).astype(np.uint8)


def percent(share: float) -> str:
    """Return a share as text with two digits.

    >>> percent(0.00123), percent(0.976), percent(0.0)
    ('0.12 %', '98 %', '0 %')
    """
    value = 100 * share
    return f"{'0' if not value else '< 0.01' if value < 0.01 else f'{value:.2g}' if value < 10 else f'{value:.0f}'} %"


def plane_text(plane: Plane, axis: str) -> str:
    """Return the number of a plane on its axis.

    >>> plane_text((3, 0, 0), "frame"), plane_text((0, 0, 4), "slice"), plane_text((3, 0, 4), "frame")
    ('3', '4', '3, slice 4')
    """
    t, _, z = plane
    return str(z) if axis == "slice" else f"{t}, slice {z}" if z else str(t)


def _best_region(weight: Array) -> tuple[slice, slice]:
    """Return the region of at most `SHOWN` pixels a side with the largest sum, on a grid."""
    height, width = (min(SHOWN, length) for length in weight.shape)
    sums = np.zeros((weight.shape[0] + 1, weight.shape[1] + 1))
    sums[1:, 1:] = weight.astype(np.float64).cumsum(0).cumsum(1)
    tops = _starts(weight.shape[0], height)
    lefts = _starts(weight.shape[1], width)
    top, left = np.meshgrid(tops, lefts, indexing="ij")
    inside = sums[top + height, left + width] - sums[top, left + width] - sums[top + height, left] + sums[top, left]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    y, x = int(tops[row]), int(lefts[column])
    return slice(y, y + height), slice(x, x + width)


def _starts(length: int, size: int) -> Array:
    last = length - size
    return np.unique([*range(0, last + 1, _STEP), last])
