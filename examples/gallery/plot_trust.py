"""
Trust maps: what the data confirm
=================================

A restored movie can show a spot that the specimen does not have, and can lose one that it has. A trust map compares the
result with the raw data, pixel by pixel, with the noise of the camera.
"""

import matplotlib.pyplot as plt
import numpy as np

import decrappify as dc

# %%
# A restored movie with errors
# ----------------------------
#
# Three spots of 60 gray levels, which are 27 photons, are added to one restored frame, as if the model had invented
# them.

simulated = dc.samples.simulate("cell", n_frames=12, size=(160, 224), seed=3)
movie = simulated.noisy
restored = np.asarray(dc.restore(movie, "fluorescence-movie", options=dc.RestorationOptions(dtype="float32")))

y, x = np.mgrid[:160, :224]
for at_y, at_x in ((20, 60), (120, 20), (110, 190)):
    restored[6, 0, 0] += 60 * np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / 4)
wrong = dc.open_movie(restored, pixel_size_um=movie.pixel_size_um)

# %%
# The map
# -------
#
# The noise of the movie is calibrated on the movie itself, or passed as ``noise="camera.toml"``.

trust = dc.trust_map(movie, wrong)
trust

# %%
# Green: confirmed. The data agree with the result. Yellow: faint structure that the noise would hide; it may be true or
# false. Red: the data and the result differ by more than noise.

axes = plt.subplots(1, 3, figsize=(9.5, 2.9), layout="constrained")[1]
dc.plot.compare(movie, wrong, labels=["measured", "restored, with three false spots"], t=6, contrast=1, axes=axes[:2])
dc.plot.trust_overlay(wrong, trust, t=6, title="labels", axes=axes[2])
plt.show()

# %%
# Score and detection limit
# -------------------------
#
# The score is the deviation of the data from the result in standard deviations of the noise: negative where the result
# is too bright. The detection limit is the peak, in photons, of the faintest spot that would be found if it were absent
# from the result.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for panel, channel, options in ((axes[0], 1, {"cmap": "PuOr_r", "vmin": -8, "vmax": 8}), (axes[1], 2, {})):
    image = panel.imshow(trust.movie.frame(6, channel), **options)
    panel.set(xticks=[], yticks=[], title=["score (standard deviations)", "detection limit (photons)"][channel - 1])
    figure.colorbar(image, ax=panel)
plt.show()

# %%
# Shares over time
# ----------------
#
# The false spots are in frame 6. The summary names the frame and the place with the most contradictions, and
# ``trust.report("trust.html")`` writes all of this to one file.

labels = np.asarray(trust.movie)[:, 0, 0]
contradicted = [(frame == 3).mean() * 100 for frame in labels]
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.plot(contradicted, "o-", color="#d55e00")
axes.set(xlabel="frame", ylabel="contradicted (% of pixels)")
print(trust.summary)
plt.show()
