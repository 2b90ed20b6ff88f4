"""
NoGAN: before and after a short GAN phase
=========================================

A network that minimizes an error predicts the mean of all plausible results, which is too smooth. A short GAN phase
adds texture, of which the monitors on held-out data show how much the reference confirms. This run of half a minute
demonstrates the mechanism; it is not a useful model.
"""

# sphinx_gallery_thumbnail_number = 2

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import decrappify as dc
from decrappify.crappify import Crappifier, PoissonGaussian
from decrappify.training import NoganConfig, nogan_preset

# %%
# Data and schedule
# -----------------
#
# The generator is the shipped model ``fluorescence-still``, so pretraining is omitted (``pretrain=[]``). The critic is
# trained on saved restorations and real images, followed by a GAN phase of 75 batches.

movies = [dc.samples.simulate("cell", n_frames=12, size=(160, 160), seed=seed).truth for seed in range(3)]
crappifier = Crappifier([PoissonGaussian(photons=(8, 20), read_noise=1.5, background=2)], name="dim")
start = dc.load_model("fluorescence-still")
shape = {key: start.network.architecture[key] for key in ("base_channels", "depth", "growth", "blocks", "stem")}
config = NoganConfig.from_dict(
    {
        "items": 1500,
        "device": "cpu",
        "generator_settings": shape,
        "critic_settings": {"width": 16, "blocks": 1, "attention": False},
        "pretrain": [],
        "generated_size": 48,
        "generated_share": 0.1,
        "critic_steps": [{"size": 48, "batch_size": 16, "epochs": 8, "learning_rate": 2e-3, "accuracy": 0.9}],
        "gan": {"size": 48, "batch_size": 8, "share": 0.4, "learning_rate": 1e-4, "threshold": 0.69},
        "checkpoint_share": 0.01,
        "validation_patches": 32,
    },
    base=nogan_preset("microscopy"),
)

# %%
# Training
# --------
#
# The verdict is either a checkpoint, or "no useful GAN phase". It depends on the processor, since a GAN phase amplifies
# rounding errors.

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name) / "run"
model = dc.train_nogan(movies, crappifier, config=config, output=folder, start_from="fluorescence-still")
print(model.card["verdict"])

# %%
# Monitors
# --------
#
# Checkpoints beyond a limit (gray) are not selected. Of the others, the one with the lowest KID is selected (red line).
# The *invented* texture is not in the reference: its power usually rises more than that of the confirmed texture.

figure = plt.figure(figsize=(10, 4.8), layout="constrained")
figure.add_subplot().imshow(plt.imread(folder / "monitors.png"))
figure.axes[0].set_axis_off()
plt.show()

# %%
# Before and after
# ----------------
#
# A frame with a new seed. The differences are small, and in the texture of the nucleus; structure that the noise hides
# is not recovered by a GAN phase.

simulated = dc.samples.simulate("cell", n_frames=1, size=(160, 160), seed=11)
noisy = dc.crappify.crappify_movie(simulated.truth, crappifier, seed=0)
pretrained = dc.load_model(folder / "pretrained.safetensors")
options = dc.RestorationOptions(dtype="float32")
before, after = (dc.restore(noisy, each, options=options) for each in (pretrained, model))
axes = plt.subplots(1, 5, figsize=(9.5, 2.4), layout="constrained")[1]
dc.plot.compare(
    noisy,
    before,
    after,
    simulated.truth,
    labels=["noisy", "pretrained (quantitative)", "after the GAN phase", "reference"],
    crop=(25, 75, 80, 80),
    contrast=-1,
    axes=axes[:4],
)
difference = (after.frame(0) - before.frame(0))[25:105, 75:155]
axes[4].imshow(difference, cmap="PuOr_r", vmin=-5, vmax=5)
axes[4].set(xticks=[], yticks=[])
axes[4].set_title("after − pretrained (±5 levels)", fontsize=9)
plt.show()

# %%
# Fidelity
# --------
#
# Weights between both are interpolated: ``model.with_fidelity(0.7)``, or ``--fidelity 0.7`` on the command line. Noise
# dependence is the difference of the results for two exposures of a scene, relative to that before the GAN phase.

path = model.card.get("fidelity_path", [])
if path:
    figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.6), layout="constrained")
    names = {"psnr_db": "PSNR (dB)", "noise_dependence": "noise dependence", "kid": "KID"}
    for panel, (key, label) in zip(axes, names.items(), strict=True):
        panel.plot([row["fidelity"] for row in path], [row[key] for row in path], "o-")
        panel.set(xlabel="fidelity", title=label)
        panel.invert_xaxis()
    axes[0].set_ylim(path[0]["psnr_db"] - 0.5, path[0]["psnr_db"] + 0.5)
plt.show()

# %%
# Use ``pretrained.safetensors``, or fidelity 1, for measurements.

temporary.cleanup()
