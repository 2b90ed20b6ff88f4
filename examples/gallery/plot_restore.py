"""
Restoring a movie
=================

A simulated fluorescence movie of 40 photons per bright pixel is restored with a shipped model, and compared with the
image without noise, which is known because the movie is simulated. Simulated movies with other seeds were among the
training data of the model: on real movies, expect smaller gains.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt

import decrappify as dc
from decrappify.metrics.scorecard import score_movie

# %%
# Opening
# -------
#
# ``dc.open_movie("cells.czi")`` opens a file in the same way. A movie has the axes T, C, Z, Y and X; frames are read
# when they are needed. Notebooks display its metadata and a thumbnail.

simulated = dc.samples.simulate("cell", n_frames=24, size=(160, 224), seed=3)
movie, reference = simulated.noisy, simulated.truth
movie

# %%
# Restoring
# ---------
#
# The model predicts each frame from a window of three frames. Data type, gray levels, pixel size and frame interval
# are preserved. With a file name as third argument, frames are written as soon as they are finished, and memory does
# not grow with the length of the movie.

restored = dc.restore(movie, "fluorescence-movie")
print(restored)

# %%
# Comparison
# ----------
#
# All panels have the contrast of the reference (``contrast=-1``). ``figure`` may be omitted; then a new figure is
# returned, which notebooks display.

dc.plot.compare(
    movie,
    restored,
    reference,
    labels=["noisy", "restored", "reference"],
    t=12,
    contrast=-1,
    figure=plt.figure(figsize=(8.5, 2.5)),
)
plt.show()

# %%
# A detail of two successive frames: filaments that are dimmer than the noise are restored only in part, or are absent.

dc.plot.compare(
    movie,
    restored,
    reference,
    labels=["noisy", "restored", "reference"],
    t=[12, 13],
    crop=(40, 20, 60, 80),
    contrast=-1,
    figure=plt.figure(figsize=(8.5, 4.6)),
)
plt.show()

# %%
# A kymograph shows motion along a line, and flicker as horizontal stripes.

dc.plot.kymograph(
    movie,
    restored,
    reference,
    y=75,
    width=3,
    labels=["noisy", "restored", "reference"],
    contrast=-1,
    figure=plt.figure(figsize=(8.5, 3)),
)
plt.show()

# %%
# Scores
# ------
#
# Without a reference, ``score_movie(restored, source=movie)`` computes the metrics that need none.

for metric, value, interpretation in score_movie(restored, reference=reference, source=movie).rows():
    print(f"{metric:24} {value:14} {interpretation}")
