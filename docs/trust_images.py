"""The images of docs/trust.md: the labels of a frame with three false spots, and the report of a movie with more.

    python docs/trust_images.py        # writes docs/images/trust.png and trust-report.png, 2 minutes; needs chromium

The movies are those of a simulated cell with the microscope of `decrappify.samples`: 40 photons at the bright level.
The noise is known. Spots with a standard deviation of 1.5 pixels are added to the restored frames.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw

import decrappify as dc
from decrappify.samples import simulate
from decrappify.trust import LABEL_COLORS

MODEL = "fluorescence-movie"
FOLDER = Path(__file__).parent / "images"
GAIN, OFFSET, READ_NOISE = 2.2, 100.0, 1.6  # gray levels, gray level and electrons of the simulated microscope
NOISE = dc.NoiseModel(
    gain=dc.noise.Estimate(GAIN), intercept=dc.noise.Estimate((READ_NOISE * GAIN) ** 2 - GAIN * OFFSET)
)
SIDE, SIGMA = 192, 1.5
FRAME, SPOTS, PHOTONS = 4, ((30, 127), (112, 30), (123, 90)), 18.0  # of the first image
CROP, GAP, TITLE = 144, 4, 18
FALSE_FRAMES, N_FALSE, FALSE_PHOTONS = (8, 9, 25), 10, 24.0  # of the report
WINDOW, ZOOM = (1200, 1333), 0.75  # of the browser, in pixels of the page, and pixels of the image per pixel of it


def main() -> None:
    """Restore the movie, add false spots, and draw both images."""
    movie = simulate("cell", n_frames=40, size=(SIDE, SIDE), seed=3, pixel_size_um=0.108).noisy
    movie = movie.replace(name="cells.ome.tif")
    restored = dc.restore(movie, MODEL, options=dc.RestorationOptions(dtype="float32"))
    draw_labels(movie, with_spots(restored, {FRAME: SPOTS}, PHOTONS))
    rng = np.random.default_rng(0)
    places = {t: rng.integers(12, SIDE - 12, (N_FALSE, 2)) for t in FALSE_FRAMES}
    draw_report(movie, with_spots(restored, places, FALSE_PHOTONS))


def with_spots(restored: dc.Movie, places: dict[int, object], photons: float) -> dc.Movie:
    """Add spots with a peak of `photons` to frames, at their places (y, x)."""
    y, x = np.mgrid[:SIDE, :SIDE]

    def spotted(plane: np.ndarray, t: int) -> np.ndarray:
        spots = (np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * SIGMA**2)) for at in places.get(t, ()))
        return plane + photons * GAIN * sum(spots)

    pixels = np.stack([spotted(restored.frame(t), t) for t in range(restored.shape[0])]).astype(np.float32)
    wrong = dc.Movie.from_array(pixels, "TYX", name=restored.name, provenance=restored.provenance)
    return wrong.replace(pixel_size_um=restored.pixel_size_um, channel_names=restored.channel_names)


def draw_labels(movie: dc.Movie, wrong: dc.Movie) -> None:
    """Write the measured and the restored frame, the score and the labels side by side."""
    trust = dc.trust_map(movie, wrong, NOISE).movie
    low, high = np.percentile(wrong.frame(FRAME), [0.5, 99.7])
    label, score = (trust.frame(FRAME, channel)[:CROP, :CROP] for channel in (0, 1))
    colors = np.zeros((CROP, CROP, 3))
    for one, color in LABEL_COLORS.items():
        colors[label == one.value] = mpl.colors.to_rgb(color)
    gray = [(image.frame(FRAME)[:CROP, :CROP] - low) / (high - low) for image in (movie, wrong)] + [score / 16 + 0.5]
    panels = [np.repeat(np.clip(image, 0, 1)[..., None], 3, 2) for image in gray] + [colors]
    width = 2 * CROP + GAP
    image = Image.new("RGB", (4 * width - GAP, TITLE + 2 * CROP))
    for number, (panel, title) in enumerate(zip(panels, TITLES, strict=True)):
        pixels = np.rint(255 * panel.repeat(2, 0).repeat(2, 1)).astype(np.uint8)
        image.paste(Image.fromarray(pixels), (number * width, TITLE))
        ImageDraw.Draw(image).text((number * width + 2, 2), title, fill="white", font_size=12)
    image.save(FOLDER / "trust.png", optimize=True)


TITLES = ("measured", "restored + 3 false spots", "score", "label")


def draw_report(movie: dc.Movie, wrong: dc.Movie) -> None:
    """Write the upper part of the report, as a browser shows it."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with TemporaryDirectory() as folder:
        page = Path(folder) / "trust.html"
        dc.trust_map(movie, wrong, NOISE).report(
            page,
            spread=dc.spread_map(movie, wrong, MODEL, NOISE),
            resolution=dc.confirmed_resolution(movie, MODEL, NOISE),
        )
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000"]
        options += ["--window-size={},{}".format(*WINDOW), f"--force-device-scale-factor={ZOOM}"]
        options.append(f"--screenshot={FOLDER / 'trust-report.png'}")
        subprocess.run([chromium, *options, page.as_uri()], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
