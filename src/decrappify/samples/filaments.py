"""Filaments: semi-flexible polymers that glide along their contour, grow, shrink and bend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decrappify.samples.canvas import MARGIN, N_DEPTHS, Canvas, Points

_STEP = 0.5  # pixels between nodes of a path
_SPACING = 0.25  # pixels between fluorophores
_AREA_PER_FILAMENT = 1300.0  # pixels
_ASTER_REACH = 110.0  # pixels


class Filaments:
    """Worm-like chains with speckled labeling, some of them out of focus.

    Each filament has its own path, drawn as a chain with a persistence length, and its own speed.

    Parameters
    ----------
    size : (int, int)
        Camera pixels (Y, X).
    n_frames : int
        Length of the movie.
    speed_px : float
        Mean displacement of the fluorophores in pixels per frame.
    rng : numpy.random.Generator
        Generator of all draws.
    origins : float array (m, 2), optional
        Organizing centers (y, x), at which filaments start and from which they glide away; by default filaments start
        anywhere.
    """

    def __init__(
        self,
        size: tuple[int, int],
        n_frames: int,
        speed_px: float,
        rng: np.random.Generator,
        origins: Points | None = None,
    ) -> None:
        travel = 1.7 * speed_px * (n_frames - 1)
        reach = np.array(size) + 2 * (MARGIN + (0 if origins is not None else min(travel / 2, 120)))
        n = max(6, int(np.prod(reach) / _AREA_PER_FILAMENT))
        n = n if origins is None else int(n * (1 + travel / _ASTER_REACH))
        self._length = rng.uniform(60, 170, n)
        self._speed = rng.uniform(0.5, 1.5, n) * np.where(rng.random(n) < 0.5, -1, 1) ** (origins is None)
        self._phase = rng.uniform(0, 2 * np.pi, (4, n))
        self._bend = rng.normal(0, 1, (3, n)) * np.array([2.0, 1.0, 0.5])[:, None]
        starts = (
            (rng.random((n, 2)) - 0.5) * reach + np.array(size) / 2
            if origins is None
            else origins[rng.integers(len(origins), size=n)] + rng.normal(0, 5, (n, 2))
        )
        # Filaments of an aster leave its center one after the other, throughout the movie.
        self._start = np.full(n, travel + 10) if origins is None else rng.uniform(-travel, _ASTER_REACH, n)
        self._paths = _chains(starts, float(self._length.max()) * 1.3 + 2 * travel + _ASTER_REACH, rng)
        counts = np.ceil(self._length * 1.25 / _SPACING).astype(int)
        self._filament = np.repeat(np.arange(n), counts)
        self._arc = np.concatenate([np.arange(count) * _SPACING for count in counts])
        brightness = rng.lognormal(0, 0.35, n)
        self._weight = brightness[self._filament] * rng.gamma(0.6, 1 / 0.6, self._filament.size)
        self._depth: NDArray[np.int64] = rng.choice(N_DEPTHS, n, p=[0.55, 0.3, 0.15])[self._filament]
        self._speed_px = speed_px
        if speed_px > 0 and n_frames > 1:
            self._speed_px *= speed_px / self.displacement_px(min(n_frames, 6))

    def draw(self, canvas: Canvas, t: int, brightness: float = 1.0) -> None:
        """Draw frame `t` on a canvas."""
        positions, visible = self._positions(t)
        canvas.add_points(positions[visible], brightness * self._weight[visible], self._depth[visible])

    def displacement_px(self, n_frames: int) -> float:
        """Compute the mean displacement of the visible fluorophores per frame, over the first `n_frames` frames."""
        before, _ = self._positions(0)
        steps = []
        for t in range(1, n_frames):
            after, visible = self._positions(t)
            steps.append(np.hypot(*(after - before)[visible].T).mean())
            before = after
        return float(np.mean(steps))

    def _positions(self, t: int) -> tuple[Points, NDArray[np.bool_]]:
        clock = self._speed_px * t
        length = self._length * (1 + 0.2 * np.sin(0.05 * clock + self._phase[3]))
        arc = (self._arc + (self._start + self._speed * clock)[self._filament]) / _STEP
        node = np.clip(arc.astype(np.int64), 0, self._paths.shape[1] - 2)
        here, there = self._paths[self._filament, node], self._paths[self._filament, node + 1]
        along = there - here
        positions = here + along * (arc - node)[:, None]
        share = self._arc / self._length[self._filament]
        sway = np.zeros(share.size)
        for mode in range(3):
            swing = self._bend[mode] * np.sin((0.08 + 0.07 * mode) * clock + self._phase[mode])
            sway += swing[self._filament] * np.sin((mode + 1) * np.pi * share + self._phase[mode][self._filament])
        positions += (sway / _STEP)[:, None] * along[:, ::-1] * [1, -1]
        return positions, (arc >= 0) & (self._arc <= length[self._filament])


def _chains(starts: Points, length: float, rng: np.random.Generator) -> Points:
    """Draw worm-like chains, (n, nodes, 2), with persistence lengths of 80 to 400 pixels."""
    n, n_nodes = len(starts), int(length / _STEP) + 2
    persistence = rng.uniform(80, 400, n)
    turns = rng.normal(0, 1, (n, n_nodes)) * np.sqrt(_STEP / persistence)[:, None]
    angle = rng.uniform(0, 2 * np.pi, n)[:, None] + np.cumsum(turns, axis=1)
    steps = _STEP * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return starts[:, None] + np.cumsum(steps, axis=1) - steps[:, :1]
