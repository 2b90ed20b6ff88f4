"""Simulation of a scene under a microscope, as an expected and a noisy movie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.samples.canvas import Canvas
from decrappify.samples.cytoplasm import Cytoplasm
from decrappify.samples.filaments import Filaments
from decrappify.samples.microscope import Microscope
from decrappify.samples.nuclei import Nuclei
from decrappify.samples.vesicles import Vesicles

BRIGHT_PERCENTILE = 99.8


class Scene(Protocol):
    """Fluorophores with known motion."""

    def draw(self, canvas: Canvas, t: int, brightness: float = 1.0) -> None:
        """Draw frame `t` on a canvas."""
        ...

    def displacement_px(self, n_frames: int) -> float:
        """Compute the mean displacement per frame."""
        ...


Scenes = list[tuple[Scene, float]]
SceneMaker = Callable[[tuple[int, int], int, float, np.random.Generator], Scenes]


@dataclass(frozen=True, slots=True)
class SimulatedMovie:
    """Two movies of one scene.

    Attributes
    ----------
    truth : Movie
        float32 (T, 1, 1, Y, X): the camera's expected image, without noise, in the gray levels of `noisy`. Haze,
        background, offset and bleaching are included. Not uint16: at low photon counts, rounding would reduce the PSNR.
    noisy : Movie
        uint16 (T, 1, 1, Y, X): with photon noise, read noise and digitization.
    displacement_px : float
        Mean displacement of the fluorophores per frame, as measured in the scene.
    """

    truth: Movie
    noisy: Movie
    displacement_px: float


def simulate(
    kind: str = "cell",
    *,
    n_frames: int = 60,
    size: tuple[int, int] = (256, 256),
    speed_px: float = 1.0,
    seed: int = 0,
    pixel_size_um: float = 0.1,
    frame_interval_s: float = 1.0,
    microscope: Microscope | None = None,
) -> SimulatedMovie:
    """Simulate a fluorescence movie with exact ground truth.

    Parameters
    ----------
    kind : {"filaments", "vesicles", "nuclei", "cell"}
        Objects in the scene; "cell" contains all of them.
    n_frames : int
        Number of frames.
    size : (int, int)
        Pixels (Y, X), at least 32 each.
    speed_px : float
        Mean displacement per frame in pixels; 0 is a static scene that only bleaches.
    seed : int
        Equal seeds result in equal movies.
    pixel_size_um : float
        Pixel size in the sample plane; determines the width of the spot in pixels.
    frame_interval_s : float
        Frame interval of the movies.
    microscope : Microscope, optional
        Optics, light and camera.

    Returns
    -------
    SimulatedMovie
        ``truth`` and ``noisy`` of the same shape, scale and gray levels.

    Examples
    --------
    >>> movie = simulate("vesicles", n_frames=3, size=(32, 48), seed=1)
    >>> movie.noisy.shape, movie.noisy.dtype, movie.truth.dtype
    ((3, 1, 1, 32, 48), dtype('uint16'), dtype('float32'))
    """
    if kind not in KINDS:
        raise InputError(f"unknown simulated movie {kind!r}, expected one of {', '.join(KINDS)}")
    _check(n_frames, size, speed_px, pixel_size_um)
    microscope = microscope or Microscope()
    rng = np.random.default_rng(seed)
    scenes = KINDS[kind](size, n_frames, speed_px, rng)
    electrons = _electrons(scenes, n_frames, size, pixel_size_um, microscope)
    truth = microscope.expected(electrons)
    noisy = np.stack([microscope.expose(frame, rng) for frame in truth])
    moving = [scene for scene, _ in scenes if not isinstance(scene, Cytoplasm)]
    displacement = float(np.mean([scene.displacement_px(n_frames) for scene in moving])) if n_frames > 1 else 0.0
    settings = {"kind": kind, "speed_px": speed_px, "seed": seed, "microscope": asdict(microscope)}
    movies = [
        Movie.from_array(
            array,
            name=f"{kind}-{name}",
            pixel_size_um=(None, pixel_size_um, pixel_size_um),
            frame_interval_s=frame_interval_s,
            channel_names=["fluorescence"],
            provenance={"simulated": settings},
        )
        for array, name in ((truth, "truth"), (noisy, "noisy"))
    ]
    return SimulatedMovie(movies[0], movies[1], displacement)


def _electrons(
    scenes: Scenes, n_frames: int, size: tuple[int, int], pixel_size_um: float, microscope: Microscope
) -> NDArray[np.float64]:
    light = np.empty((n_frames, *size))
    for t in range(n_frames):
        canvas = Canvas(size)
        for scene, brightness in scenes:
            scene.draw(canvas, t, brightness)
        light[t] = microscope.image(canvas, pixel_size_um)
    light *= microscope.photons / np.percentile(light[0], BRIGHT_PERCENTILE)
    light *= (1 - microscope.loss_per_frame) ** np.arange(n_frames)[:, None, None]
    return light


def _check(n_frames: int, size: Sequence[int], speed_px: float, pixel_size_um: float) -> None:
    if n_frames < 1:
        raise InputError(f"n_frames is {n_frames}, expected at least 1")
    if len(size) != 2 or min(size) < 32:
        raise InputError(f"size is {size!r}, expected two sides (Y, X) of at least 32 pixels")
    if not 0 <= speed_px <= 20:
        raise InputError(f"speed_px is {speed_px!r}, expected 0 to 20 pixels per frame")
    if not pixel_size_um > 0:
        raise InputError(f"pixel_size_um is {pixel_size_um!r}, expected a size above 0")


def _cell(size: tuple[int, int], n_frames: int, speed_px: float, rng: np.random.Generator) -> Scenes:
    centers = np.array(size) * rng.uniform(0.3, 0.7, (2, 2))
    return [
        (Nuclei(size, n_frames, speed_px, rng), 1.0),
        (Filaments(size, n_frames, speed_px, rng, origins=centers), 0.5),
        (Vesicles(size, n_frames, speed_px, rng, density=0.5), 30.0),
        (Cytoplasm(size, rng), 0.1),
    ]


def _vesicles(size: tuple[int, int], n_frames: int, speed_px: float, rng: np.random.Generator) -> Scenes:
    return [(Vesicles(size, n_frames, speed_px, rng), 1.0), (Cytoplasm(size, rng), 0.004)]


KINDS: dict[str, SceneMaker] = {
    "filaments": lambda *scene: [(Filaments(*scene), 1.0)],
    "vesicles": _vesicles,
    "nuclei": lambda *scene: [(Nuclei(*scene), 1.0)],
    "cell": _cell,
}
