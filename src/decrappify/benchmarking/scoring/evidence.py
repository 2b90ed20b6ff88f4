"""Images and curves in addition to the metrics: crops of one frame, kymographs, brightness over time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter

from decrappify.benchmarking.scoring.scores import Ground
from decrappify.movie import Array, Movie

CROP = 384
_KYMOGRAPH_FRAMES = 300
REFERENCE = "reference"


@dataclass
class Evidence:
    """Images and curves of one view.

    Attributes
    ----------
    t : int
        The displayed frame.
    rows, columns : slice
        The displayed part of it: at most 384 × 384 pixels with the highest contrast.
    row : int or None
        The row of the kymographs; None for stills and stacks.
    crops, kymographs : dict of str to ndarray
        One per method and one of the reference: float32 (Y, X), and (T, X).
    brightness : dict of str to ndarray
        Mean gray level of every frame, (T,).
    """

    t: int
    rows: slice
    columns: slice
    row: int | None = None
    crops: dict[str, Array] = field(default_factory=dict)
    kymographs: dict[str, Array] = field(default_factory=dict)
    brightness: dict[str, Array] = field(default_factory=dict)

    def add(self, name: str, movie: Movie) -> None:
        """Add the crop, kymograph and brightness of a movie; frames are read once each."""
        self.crops[name] = movie.region(self.t, 0, 0, self.rows, self.columns).astype(np.float32)
        if self.row is None:
            return
        lines, means = [], []
        for t in range(movie.shape[0]):
            frame = movie.frame(t)
            means.append(float(frame.mean(dtype=np.float64)))
            if t < _KYMOGRAPH_FRAMES:
                lines.append(frame[self.row, self.columns].astype(np.float32))
        self.kymographs[name], self.brightness[name] = np.stack(lines), np.array(means)


def gather(ground: Ground) -> Evidence:
    """Select frame, crop and row of a view by its reference, or by its source without a reference."""
    view = ground.view
    basis = ground.enlarged if view.reference is None else view.reference
    t = basis.shape[0] // 2
    rows, columns = _richest(basis.frame(t).astype(np.float64))
    evidence = Evidence(t, rows, columns)
    if view.kind == "movie":
        sampled = np.stack([basis.region(k, 0, 0, rows, columns).astype(np.float64) for k in ground.frames])
        # The row with the most motion is shown; smoothing along x makes the choice robust to noise.
        moving = uniform_filter(sampled, (0, 3, 7)).std(axis=0).sum(axis=1)
        edge = min(8, len(moving) // 4)
        evidence.row = rows.start + edge + int(moving[edge : len(moving) - edge].argmax())
    if view.reference is not None:
        evidence.add(REFERENCE, view.reference)
    return evidence


def _richest(frame: Array) -> tuple[slice, slice]:
    """Return the crop of at most `CROP` pixels a side with the most contrast."""
    height, width = min(CROP, frame.shape[0]), min(CROP, frame.shape[1])
    mean = uniform_filter(frame, (height, width))
    variance = uniform_filter(frame**2, (height, width)) - mean**2
    top, left = height // 2, width // 2
    inner = variance[top : frame.shape[0] - height + top + 1, left : frame.shape[1] - width + left + 1]
    y, x = (int(i) for i in np.unravel_index(int(inner.argmax()), inner.shape))
    return slice(y, y + height), slice(x, x + width)
