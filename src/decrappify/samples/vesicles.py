"""Vesicles: small spots and rings that diffuse, move along tracks, appear and vanish."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decrappify.samples.canvas import MARGIN, N_DEPTHS, Canvas

_AREA_PER_VESICLE = 420.0  # pixels
_POINTS = 48
_RAMP = 2.0  # frames to appear or vanish


class Vesicles:
    """Spots of varied size and brightness; the large ones are hollow, as labeled membranes are.

    Parameters
    ----------
    size : (int, int)
        Camera pixels (Y, X).
    n_frames : int
        Length of the movie.
    speed_px : float
        Mean displacement in pixels per frame; at 0 the vesicles do not appear or vanish either.
    rng : numpy.random.Generator
        Generator of all draws.
    density : float
        1 is one vesicle per 420 pixels.
    """

    def __init__(
        self, size: tuple[int, int], n_frames: int, speed_px: float, rng: np.random.Generator, density: float = 1.0
    ) -> None:
        reach = np.array(size) + 2 * MARGIN
        n = max(4, int(density * np.prod(reach) / _AREA_PER_VESICLE))
        radius = np.clip(rng.lognormal(0.0, 0.6, n), 0.3, 4.5)
        self._brightness = rng.lognormal(0, 0.6, n) * np.maximum(radius, 0.8) ** 1.2
        hollow = radius > 1.8
        distance = np.where(hollow[:, None], 1, np.sqrt(rng.random((n, _POINTS)))) * radius[:, None]
        angle = rng.uniform(0, 2 * np.pi, (n, _POINTS))
        self._shape = np.stack([distance * np.sin(angle), distance * np.cos(angle)], axis=-1)
        self._depth: NDArray[np.int64] = rng.choice(N_DEPTHS, n, p=[0.6, 0.28, 0.12])
        start = rng.random((n, 2)) * reach
        self._steps = _walk(n, n_frames, speed_px, rng)
        path = start + np.concatenate([np.zeros((1, n, 2)), np.cumsum(self._steps, axis=0)])
        self._positions = path % reach - MARGIN
        lives = speed_px > 0
        self._birth = np.where(lives & (rng.random(n) < 0.25), rng.uniform(0, n_frames, n), -np.inf)
        self._death = np.where(lives & (rng.random(n) < 0.25), rng.uniform(0, n_frames, n), np.inf)

    def draw(self, canvas: Canvas, t: int, brightness: float = 1.0) -> None:
        """Draw frame `t` on a canvas."""
        alive = np.clip((t - self._birth) / _RAMP, 0, 1) * np.clip((self._death - t) / _RAMP, 0, 1)
        points = (self._positions[t][:, None] + self._shape).reshape(-1, 2)
        weights = np.repeat(brightness * alive * self._brightness / _POINTS, _POINTS)
        canvas.add_points(points, weights, np.repeat(self._depth, _POINTS))

    def displacement_px(self, n_frames: int) -> float:
        """Compute the mean displacement of a vesicle per frame."""
        return float(np.hypot(*np.moveaxis(self._steps, -1, 0)).mean()) if len(self._steps) else 0.0


def _walk(n: int, n_frames: int, speed_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the steps, (n_frames - 1, n, 2): diffusion and runs of about ten frames, with the mean length `speed_px`."""
    running = np.empty((n_frames, n), bool)
    running[0] = rng.random(n) < 0.35
    switch = rng.random((n_frames, n))
    for t in range(1, n_frames):
        running[t] = np.where(running[t - 1], switch[t] > 0.08, switch[t] < 0.04)
    heading = rng.uniform(0, 2 * np.pi, n) + np.cumsum(rng.normal(0, 0.2, (n_frames, n)), axis=0)
    steps = rng.normal(0, 0.4, (n_frames, n, 2))
    steps += (running * rng.uniform(1.2, 2.6, n))[..., None] * np.stack([np.sin(heading), np.cos(heading)], axis=-1)
    steps = steps[1:]
    return steps * (speed_px / max(np.hypot(steps[..., 0], steps[..., 1]).mean(), 1e-9) if len(steps) else 0.0)
