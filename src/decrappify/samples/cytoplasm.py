"""Cytoplasm: dim, uneven fluorescence of cell bodies."""

from __future__ import annotations

import numpy as np

from decrappify.samples.canvas import Canvas


class Cytoplasm:
    """Static cell bodies.

    Parameters
    ----------
    size : (int, int)
        Camera pixels (Y, X).
    rng : numpy.random.Generator
        Generator of the outlines and the texture.
    """

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        from scipy.ndimage import gaussian_filter

        shape = Canvas(size).depths.shape[1:]
        body, folds, grain = (
            wave / wave.std() for wave in (gaussian_filter(rng.normal(0, 1, shape), width) for width in (70, 24, 5))
        )
        self._glow = np.exp(0.3 * folds + 0.15 * grain) / (1 + np.exp(-(body + 0.4) / 0.12))

    def draw(self, canvas: Canvas, t: int, brightness: float = 1.0) -> None:
        """Draw frame `t` on a canvas."""
        canvas.depths[1] += brightness * self._glow

    def displacement_px(self, n_frames: int) -> float:
        """Return 0, since it does not move."""
        return 0.0
