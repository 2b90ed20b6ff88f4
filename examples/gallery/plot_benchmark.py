"""
Benchmark on paired data
========================

Models, common filters and your own functions are compared on pairs of a noisy movie and its reference. Five simulated
movies are used here; ``dc.benchmark(methods, "folder")`` reads ``folder/low`` and ``folder/high``. Simulated movies
with other seeds were among the training data of the models, so their scores on real movies are lower.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import median_filter

import decrappify as dc

# %%
# Pairs and methods
# -----------------
#
# A method is a model, or a function that receives a movie and returns a movie or an array.


def median(movie: dc.Movie) -> np.ndarray:
    """Filter each frame with the median of 3 × 3 pixels."""
    return median_filter(np.asarray(movie), (1, 1, 1, 3, 3))


kinds = ("cell", "filaments", "nuclei", "vesicles", "cell")
movies = [dc.samples.simulate(kind, n_frames=6, size=(96, 96), seed=40 + i) for i, kind in enumerate(kinds)]
pairs = [(movie.noisy, movie.truth) for movie in movies]
methods = {"fluorescence-movie": "fluorescence-movie", "fluorescence-still": "fluorescence-still", "median": median}

# %%
# Scores
# ------
#
# "gaussian" is the Gaussian filter with the best widths in space and time *for the reference*, which is not available
# in practice: a strict baseline. Notebooks display the means; ``print(report.table())`` adds intervals, and
# ``report.to_html("report.html")`` writes a page with plots and images.

report = dc.benchmark(methods, pairs, baselines=("input", "gaussian"))
report

# %%
print(report.table())

# %%
# Each movie separately. The scores of one method differ between specimens as much as those of the methods, so methods
# must be compared on the same data.

names = [name for name in report.names if name != "input"]
figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
for name in names:
    values = [report.value(name, view.name, "psnr") for view in report.views]
    axes.plot(range(len(values)), values, "o", label=name)
axes.set(ylabel="PSNR (dB)", xticks=range(len(kinds)), xticklabels=kinds)
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# The first movie, one frame. Inspect images as well: equal scores can have different errors.

noisy, truth = pairs[0]
dc.plot.compare(
    noisy,
    median(noisy),
    dc.restore(noisy, "fluorescence-still"),
    dc.restore(noisy, "fluorescence-movie"),
    truth,
    labels=["noisy", "median", "fluorescence-still", "fluorescence-movie", "reference"],
    t=3,
    contrast=-1,
    figure=plt.figure(figsize=(9.5, 2.3)),
)
plt.show()
