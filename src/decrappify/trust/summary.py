"""Shares of the labels of a movie, and their summary in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from decrappify.movie import Array, Plane
from decrappify.trust.evaluation import REGION, Label, PlaneTrust

_FOLLOWS = 0.5  # residual relative to the noise, below which a result contains most of the noise
_EXCEEDS = 1.25  # and above which more than noise is in the residual, or the noise model states too little


def note_of(trust: PlaneTrust) -> dict[str, Any]:
    """Return the numbers of a plane from which the summary is computed: small JSON values."""
    contradicted = trust.labels == Label.CONTRADICTED
    note: dict[str, Any] = {
        "labels": [int(np.count_nonzero(trust.labels == label)) for label in Label],
        "limit": round(float(np.median(trust.limit)), 2),
    }
    if np.isfinite(trust.residual):
        note["residual"] = round(trust.residual, 3)
    if contradicted.any():
        y, x, count = _densest(contradicted)
        note["densest"] = [y, x, count]
    return note


def shares(notes: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the shares of confirmed, untestable and contradicted pixels of all planes.

    >>> shares([{"labels": [3, 1, 0]}, {"labels": [4, 0, 0]}])
    {'confirmed': 0.875, 'untestable': 0.125, 'contradicted': 0.0}
    """
    counts = np.sum([note["labels"] for note in notes], axis=0, initial=0) * np.ones(len(Label), np.int64)
    total = max(int(counts.sum()), 1)
    return {label.name.lower(): int(count) / total for label, count in zip(Label, counts, strict=True)}


def summary_line(notes: Mapping[Plane, Mapping[str, Any]]) -> str:
    """Summarize the planes (t, c, z) of one channel in one line.

    >>> summary_line({(4, 0, 0): {"labels": [93, 6, 1], "limit": 8.0, "densest": [96, 40, 1]}})
    '93 % confirmed, 6 % below the detection limit of 8 photons, 1 % contradicted, most in frame 4 near y 96, x 40'
    """
    found = shares(notes.values())
    limit = float(np.median([note["limit"] for note in notes.values()])) if notes else float("nan")
    line = (
        f"{percent(found['confirmed'])} confirmed, {percent(found['untestable'])} below the detection limit of "
        f"{limit:.2g} photons, {percent(found['contradicted'])} contradicted"
    )
    places = {plane: note["densest"] for plane, note in notes.items() if "densest" in note}
    if not places:
        return line
    (t, _, z), (y, x, _) = max(places.items(), key=lambda place: place[1][2])
    several_slices = any(plane[2] for plane in notes)
    return f"{line}, most in frame {t}{f', slice {z}' if several_slices else ''} near y {y}, x {x}"


def unusual_residual(notes: Iterable[Mapping[str, Any]]) -> str:
    """Return what is wrong with a result whose residual, median of the planes, is not that of the noise, else "".

    >>> unusual_residual([{"residual": 0.25}, {"residual": 0.25}, {}]).partition(":")[0]
    'the difference of both is 25 % of the noise, expected about 100 %'
    >>> unusual_residual([{"residual": 0.97}])
    ''
    """
    found = [note["residual"] for note in notes if "residual" in note]
    median = float(np.median(found)) if found else 1.0
    if _FOLLOWS <= median <= _EXCEEDS:
        return ""
    if median < _FOLLOWS:
        why = "it contains noise of its raw data, and noise that was kept is not contradicted by the data"
    else:
        why = "it has other gray levels than its raw data or lacks structure, or the noise model is of another camera"
    return f"the difference of both is {100 * median:.0f} % of the noise, expected about 100 %: {why}"


def percent(share: float) -> str:
    """Return a share as text.

    >>> percent(0.00123), percent(0.976), percent(0.0)
    ('0.12 %', '98 %', '0 %')
    """
    text = f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
    return f"{'0' if share == 0 else '< 0.01' if share < 1e-4 else text} %"


def _densest(found: Array) -> tuple[int, int, int]:
    """Return the middle of the region with the most pixels, and their number."""
    rows, columns = (np.arange(0, length, REGION) for length in found.shape)
    counts = np.add.reduceat(np.add.reduceat(found.astype(np.int32), rows, axis=0), columns, axis=1)
    y, x = np.unravel_index(np.argmax(counts), counts.shape)
    half = REGION // 2
    return (
        min(int(y) * REGION + half, found.shape[0] - 1),
        min(int(x) * REGION + half, found.shape[1] - 1),
        int(counts.max()),
    )
