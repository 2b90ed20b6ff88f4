"""
Adapting a model to a noisy movie
=================================

The training of a shipped model is continued on a noisy movie of a specimen unlike its training data. No clean images
are needed: the photons of each frame are split at random into two parts, and the model learns to predict one part from
the other.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from scipy.ndimage import gaussian_filter, shift

import decrappify as dc
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.fidelity import psnr

# %%
# A specimen unlike the training data
# -----------------------------------
#
# The photograph of a brick wall that is part of scikit-image moves by 0.7 pixels per frame, with 20 photons at its
# bright level. Its image without noise is used for the scores only.

wall = gaussian_filter(skimage.data.brick().astype(float), 0.7)[:168, :168]
wall = (wall - wall.min()) / np.percentile(wall - wall.min(), 99.8)
photons = 4 + 20 * np.stack([shift(wall, (0, -0.7 * t), order=1)[20:148, 20:148] for t in range(24)])
rng = np.random.default_rng(0)
camera = 100 + 2.2 * rng.poisson(photons) + rng.normal(0, 3.5, photons.shape)
movie = dc.open_movie(np.rint(camera).astype(np.uint16), frame_interval_s=1.0)
reference = (100 + 2.2 * photons).astype(np.float32)

# %%
# Adapting
# --------
#
# Five minutes is the default; 100 steps are enough to show the effect. Frames that are held out decide whether the
# adapted model is better than the given one; if it is not, the given model is returned, and the last line states so.

config = dc.AdaptationConfig(max_steps=100, learning_rate=5e-4, device="cpu", seed=0)
adapted = dc.adapt("fluorescence-movie", movie, config=config)
print({key: adapted.card["adapted"][key] for key in ("from", "kept", "steps", "lead")})

# %%
# ``lead`` is the distance to the best Gaussian filter on held-out photons, relative to that of the given model.
#
# Comparison
# ----------

options = dc.RestorationOptions(dtype="float32")
before, after = (dc.restore(movie, model, options=options) for model in ("fluorescence-movie", adapted))
dc.plot.compare(
    movie,
    before,
    after,
    reference,
    labels=["noisy", "fluorescence-movie", "adapted", "reference"],
    t=12,
    contrast=-1,
    figure=plt.figure(figsize=(9, 2.6)),
)
plt.show()

# %%
# The errors of the same frame, result minus reference in gray levels:

figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for panel, title, result in zip(axes, ("fluorescence-movie", "adapted"), (before, after), strict=True):
    image = panel.imshow(result.frame(12) - reference[12], cmap="PuOr_r", vmin=-12, vmax=12)
    panel.set(xticks=[], yticks=[], title=title)
figure.colorbar(image, ax=axes)
plt.show()

# %%
# Scores against the reference, which is not available in practice. The Gaussian filter has the best widths for it.

noisy = np.asarray(movie)[:, 0, 0].astype(np.float32)
results = {"noisy": noisy, "best Gaussian": best_gaussian(noisy, reference).restored}
results |= {"fluorescence-movie": np.asarray(before)[:, 0, 0], "adapted": np.asarray(after)[:, 0, 0]}
for name, result in results.items():
    print(f"{name:20} {psnr(result, reference):.2f} dB")
