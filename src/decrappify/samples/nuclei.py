"""Nuclei: textured ellipses that drift, rotate and deform; one of them divides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decrappify.samples.canvas import Canvas, Points

_TEXTURE = 128  # side of a chromatin texture
_REACH = 1.25  # half width of the texture in radii of the nucleus
_AREA_PER_NUCLEUS = 9500.0  # pixels
_DIVISION = 14  # frames from plate to two round daughters


@dataclass(frozen=True, slots=True)
class _Track:
    """One nucleus: position, half axes (T, 2), angle (T,), light (T,) and texture."""

    centers: Points
    axes: Points
    angle: Points
    mass: Points
    texture: NDArray[np.float64]


class Nuclei:
    """Nuclei with chromatin, nucleoli and a rim.

    Parameters
    ----------
    size : (int, int)
        Camera pixels (Y, X).
    n_frames : int
        Length of the movie.
    speed_px : float
        Mean displacement of the centers in pixels per frame, including the separation of the daughters: if that alone
        would be faster, no nucleus divides. At 0 the nuclei do not rotate or deform either.
    rng : numpy.random.Generator
        Generator of all draws.
    radius_px : (float, float)
        Range of the radii.
    """

    def __init__(
        self,
        size: tuple[int, int],
        n_frames: int,
        speed_px: float,
        rng: np.random.Generator,
        radius_px: tuple[float, float] = (24.0, 34.0),
    ) -> None:
        places = _places(size, 2.3 * radius_px[1], rng)
        steps = _drift(len(places) + 1, n_frames, rng)
        path = speed_px * (n_frames - 1) * (len(places) + 1)  # total of all nuclei
        split = n_frames // 3 if 0.5 * path > 2.2 * radius_px[1] else n_frames
        pace = min(speed_px, 1.0)  # slow scenes divide slowly
        stage = np.clip(pace * (np.arange(n_frames) - split) / _DIVISION, 0, 1)  # 0: one plate; 1: two daughters
        axis_angle = rng.uniform(0, np.pi)
        radius = rng.uniform(*radius_px, len(places))
        part = np.diff(1 - (1 - stage) ** 3) * 1.1 * radius[0]  # anaphase starts fast
        apart = np.zeros_like(steps)
        apart[:, 0] = part[:, None] * np.array([np.sin(axis_angle), np.cos(axis_angle)])
        apart[:, 1] = -apart[:, 0]
        steps[:, 1] = steps[:, 0]
        steps = _of_mean_length(steps, apart, speed_px)
        self._steps = steps
        starts = np.concatenate([places[:1], places])
        centers = starts + np.concatenate([np.zeros((1, *starts.shape)), np.cumsum(steps, axis=0)])
        self._tracks = []
        clock = speed_px * np.arange(n_frames)
        for index in range(len(starts)):
            own = radius[max(index - 1, 0)]
            wobble = 1 + 0.05 * np.sin(rng.uniform(0.05, 0.12, (2, 1)) * clock + rng.uniform(0, 6, (2, 1)))
            axes = (own * np.array([[rng.uniform(0.95, 1.1)], [rng.uniform(0.7, 0.95)]]) * wobble).T
            angle = np.asarray(rng.uniform(0, np.pi) + rng.normal(0, 0.006) * clock, np.float64)
            mass = np.full(n_frames, own**2 * rng.uniform(0.75, 1.2))
            track = _Track(centers[:, index], axes, angle, mass, _chromatin(rng))
            self._tracks.append(_dividing(track, split, stage, pace, axis_angle, index) if index < 2 else track)

    def draw(self, canvas: Canvas, t: int, brightness: float = 1.0) -> None:
        """Draw frame `t` on a canvas."""
        from scipy.ndimage import map_coordinates

        for track in self._tracks:
            if track.mass[t] == 0:
                continue
            axes = track.axes[t]
            rows, columns, y, x = canvas.window(track.centers[t], _REACH * axes.max())
            if y.size == 0 or x.size == 0:
                continue
            sine, cosine = np.sin(track.angle[t]), np.cos(track.angle[t])
            along, across = (y * sine + x * cosine) / axes[0], (y * cosine - x * sine) / axes[1]
            grid = np.stack([along, across]) * (_TEXTURE / 2 / _REACH) + (_TEXTURE - 1) / 2
            patch = map_coordinates(track.texture, grid, order=1, mode="constant")
            canvas.depths[0, rows, columns] += patch * (brightness * track.mass[t] / axes.prod())

    def displacement_px(self, n_frames: int) -> float:
        """Compute the mean displacement of a nucleus per frame, including the separation of the daughters."""
        return float(np.hypot(*np.moveaxis(self._steps, -1, 0)).mean()) if len(self._steps) else 0.0


def _dividing(track: _Track, split: int, stage: Points, pace: float, axis_angle: float, index: int) -> _Track:
    """Return a daughter (`index` 0 or 1): round and condensed before `split`, then a separating plate that spreads."""
    t = np.arange(len(stage))
    condensed = (
        np.where(t <= split, np.clip((pace * (t - split) + 10) / 8, 0, 1), np.clip(1.5 - 2 * stage, 0, 1))
        if split < len(t)
        else 0 * stage
    )
    plate = track.axes.mean() * np.array([0.75, 0.35])
    resting = track.axes * np.where(t < split, 1.0, 0.72)[:, None]
    axes = resting + condensed[:, None] * (plate - resting)
    # A plate is perpendicular to the direction of the separation.
    angle = track.angle + condensed * (axis_angle + np.pi / 2 - track.angle)
    # A condensed plate is thick, so some of its light is out of focus.
    share = np.where(t < split, 1.0 if index == 0 else 0.0, 0.5) * (1 - 0.5 * condensed)
    return _Track(track.centers, axes, angle, track.mass * share, track.texture)


def _places(size: tuple[int, int], distance: float, rng: np.random.Generator) -> Points:
    """Draw centers at least `distance` apart; the first one is well inside the image."""
    wanted = max(2, int(np.prod(size) / _AREA_PER_NUCLEUS) + 2)
    places = [np.array(size) * rng.uniform(0.35, 0.65, 2)]
    for _ in range(40 * wanted):
        place = rng.uniform(-0.05, 1.05, 2) * size
        if len(places) < wanted and min(np.hypot(*(place - other)) for other in places) > distance:
            places.append(place)
    return np.array(places)


def _drift(n: int, n_frames: int, rng: np.random.Generator) -> Points:
    """Draw the steps, (n_frames - 1, n, 2), of a persistent random walk."""
    heading = rng.uniform(0, 2 * np.pi, n) + np.cumsum(rng.normal(0, 0.35, (max(n_frames - 1, 0), n)), axis=0)
    length = rng.uniform(0.5, 1.5, heading.shape)
    return np.stack([length * np.sin(heading), length * np.cos(heading)], axis=-1)


def _of_mean_length(drift: Points, apart: Points, speed_px: float) -> Points:
    """Scale the drift until the mean length of ``drift + apart`` is the speed."""
    if speed_px == 0 or drift.size == 0:
        return np.zeros_like(drift)
    for _ in range(12):
        drift = drift * (speed_px / np.hypot(*np.moveaxis(drift + apart, -1, 0)).mean())
    return drift + apart


def _chromatin(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a texture: light per area of a nucleus of radius 1 in the middle of a square of half width `_REACH`."""
    from scipy.ndimage import gaussian_filter

    axis = (np.arange(_TEXTURE) - (_TEXTURE - 1) / 2) * (2 * _REACH / _TEXTURE)
    y, x = axis[:, None], axis[None, :]
    ripple = sum(
        height * wave / wave.std()
        for height, wave in (
            (height, gaussian_filter(rng.normal(0, 1, (_TEXTURE, _TEXTURE)), width))
            for height, width in ((0.22, 1.2), (0.28, 2.6), (0.25, 7.0))
        )
    )
    outline = 1 + 0.05 * np.sin(2 * np.arctan2(y, x) + rng.uniform(0, 6)) + 0.03 * np.sin(3 * np.arctan2(y, x))
    r = np.hypot(y, x) / outline
    texture = np.exp(ripple) * (0.45 + 0.55 * np.sqrt(np.clip(1 - r**2, 0, 1))) + 0.35 * np.exp(
        -(((r - 0.9) / 0.07) ** 2)
    )
    for _ in range(rng.integers(1, 4)):  # nucleoli contain little DNA
        away, angle = rng.uniform(0.1, 0.55), rng.uniform(0, 2 * np.pi)
        distance = np.hypot(y - away * np.sin(angle), x - away * np.cos(angle)) / rng.uniform(0.12, 0.22)
        texture *= 1 - 0.65 / (1 + distance**6)
    for _ in range(rng.integers(3, 9)):  # chromocenters
        away, angle = np.sqrt(rng.uniform(0, 0.7)), rng.uniform(0, 2 * np.pi)
        distance = np.hypot(y - away * np.sin(angle), x - away * np.cos(angle)) / rng.uniform(0.05, 0.09)
        texture += rng.uniform(0.5, 1.3) * np.exp(-(distance**2))
    return np.asarray(texture / (1 + np.exp((r - 1) / 0.02)))
