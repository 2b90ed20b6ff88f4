"""The image at the top of README.md: one measured exposure, filtered, restored, and labeled by its trust map.

    DECRAPPIFY_TEST_DATA=... python docs/readme_image.py        # writes docs/images/readme.png, 10 seconds

Data: HeLa microtubules, TIRF, 5 ms and 111 ms of exposure, ShuJiaLab/ACsN (BSD-3). The pair is one of the seven in
benchmarks/results/real-noise.md; its gain over the Gaussian filter, 0.29 dB, is next to their median, 0.28 dB. The
detail is the square with the steepest edges in the long exposure. All panels have the same contrast, with one gain and
offset fitted for the long exposure; the width of the Gaussian is the best for it.
"""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy.ndimage import uniform_filter

import decrappify as dc
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.fidelity import si_psnr
from decrappify.trust import LABEL_COLORS

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

DETAIL = 88
COLORS = {label.value: mpl.colors.to_rgb(color) for label, color in LABEL_COLORS.items()}


def main() -> None:
    """Restore, score and draw one exposure."""
    folder = Path(os.environ["DECRAPPIFY_TEST_DATA"]) / "pairs" / "acsn_tirf"
    burst = dc.open_movie(folder / "tirf_200hz_5ms_20f.tif", axes="TYX")
    source = np.asarray(burst)[0, 0, 0].astype(np.float32)
    reference = np.asarray(dc.open_movie(folder / "tirf_9hz_111ms_gt.tif"))[0, 0, 0].astype(np.float32)
    data_range = float(np.ptp(reference))
    restored = dc.restore_array(source, "fluorescence-still")
    filtered = best_gaussian(source, reference, data_range=data_range, fit_levels=True).restored
    trust = dc.trust_map(source, restored, dc.calibrate(burst).noise)
    labels = np.asarray(trust.movie)[0, 0, 0]

    slope, level = np.polyfit(reference.ravel(), source.ravel(), 1)
    scores = [si_psnr(image, reference, data_range=data_range) for image in (source, filtered, restored)]
    titles = ["input, 5 ms", "best Gaussian", "restored", "reference, 111 ms"]
    titles = [f"{title}\n{score:.1f} dB" for title, score in zip(titles, scores, strict=False)] + [f"{titles[-1]}\n"]
    draw([source, filtered, restored, slope * reference + level], titles, labels)


def draw(images: list[np.ndarray], titles: list[str], labels: np.ndarray) -> None:
    """Write the image: whole frames above, an enlarged detail below, the trust map on the right."""
    low, high = np.percentile(images[-1], [0.5, 99.7])
    shown = [np.repeat(np.clip((image - low) / (high - low), 0, 1)[..., None], 3, 2) for image in images]
    colors = np.stack([sum((labels == label) * color[i] for label, color in COLORS.items()) for i in range(3)], -1)
    shown.insert(3, colors * (0.35 + 0.65 * shown[2]))
    shares = [100 * np.mean(labels == label) for label in COLORS]
    titles.insert(3, "trust map\n{:.0f} % confirmed".format(*shares))
    y, x = place(images[-1])
    figure, axes = plt.subplots(2, 5, figsize=(10, 4.55), dpi=130)
    for column, (image, title) in enumerate(zip(shown, titles, strict=True)):
        axes[0, column].imshow(image, interpolation="nearest")
        axes[0, column].add_patch(Rectangle((x, y), DETAIL, DETAIL, fill=False, edgecolor="white", linewidth=0.8))
        axes[0, column].set_title(title, fontsize=13)
        axes[1, column].imshow(image[y : y + DETAIL, x : x + DETAIL], interpolation="nearest")
    for each in axes.flat:
        each.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 0.88, 0.02, 0.02)
    figure.savefig(Path(__file__).parent / "images" / "readme.png", facecolor="white")


def place(image: np.ndarray) -> tuple[int, int]:
    """Return the upper left corner of the square with the steepest edges on average."""
    edges = uniform_filter(np.hypot(*np.gradient(image)), DETAIL)
    half = DETAIL // 2
    inner = edges[half : half + image.shape[0] - DETAIL, half : half + image.shape[1] - DETAIL]
    y, x = np.unravel_index(inner.argmax(), inner.shape)
    return int(y), int(x)


if __name__ == "__main__":
    main()
