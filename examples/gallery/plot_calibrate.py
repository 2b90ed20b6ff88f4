"""
Calibrating the noise of a camera
=================================

Gain, offset, read noise and correlation of the noise are measured in a movie of any specimen, moving or not. They are
used for training data with the same noise, trust maps and adaptation.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np

import decrappify as dc
from decrappify.crappify import crappify_movie
from decrappify.samples import Microscope

# %%
# A movie with known noise
# ------------------------
#
# The simulated camera has 2.2 gray levels per photoelectron, an offset of 100 gray levels and a read noise of 1.6
# electrons, which are 3.5 gray levels. Frames without light determine the offset and the read noise.

microscope = Microscope(gain=2.2, offset=100, read_noise=1.6, photons=150)
simulated = dc.samples.simulate("cell", n_frames=20, size=(192, 192), seed=1, microscope=microscope)
rng = np.random.default_rng(0)
dark = np.rint(100 + 2.2 * rng.normal(0, 1.6, (20, 192, 192))).astype(np.uint16)

# %%
# Measuring
# ---------
#
# Quantities that the data do not determine have no value, and a note with the reason.

calibration = dc.calibrate(simulated.noisy, dark=dark)
print(calibration.table())

# %%
# The variance of photon noise is proportional to the signal; the slope of the line is the gain.

curve = calibration.transfer
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(curve.means, curve.variances, "o", markersize=4, label="measured")
ends = np.array([curve.means.min(), curve.means.max()])
axes.plot(ends, curve.gain * ends + curve.intercept, label=f"fit: {curve.gain:.2f} gray levels per photoelectron")
axes.plot(ends, 2.2 * (ends - 100) + (2.2 * 1.6) ** 2, "--", color="black", linewidth=1, label="simulated camera")
axes.set(xlabel="mean gray level", ylabel="variance (gray levels²)")
axes.legend(frameon=False)
plt.show()

# %%
# A crappifier with the measured noise
# ------------------------------------
#
# The calibrated crappifier adds the measured noise to good images. Here it is applied to the expected image without
# noise: the result should not be distinguishable from the measured movie. For training data, gray levels between the
# background and the bright structures of the measured movie are used as the range of the good images.

expected = simulated.truth
crappifier = calibration.crappifier()
print(crappifier)
crappified = crappify_movie(expected, crappifier, seed=0)
dc.plot.compare(
    simulated.noisy,
    crappified,
    labels=["measured", "crappified with the calibrated noise"],
    t=5,
    crop=(40, 60, 96, 112),
    figure=plt.figure(figsize=(8, 3.6)),
)
plt.show()

# %%
# ``calibration.save("camera.toml")`` writes a file that ``trust="camera.toml"``, ``adapt(noise="camera.toml")`` and the
# command line accept.
