"""
Colorizing a photograph
=======================

The network predicts color only: the luma of the result is that of the photograph at full resolution. No weights for
colorization are included, so a tiny network is trained here in less than a minute, on four photographs included in
scikit-image. It shows the mechanism: its colors are invented, and are little more than a faint warm tint.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from PIL import Image

import decrappify as dc
from decrappify.colorization.chroma import merge_luma
from decrappify.training import NoganConfig

# %%
# A gray photograph
# -----------------
#
# The photograph of a cat is not used for the training.


def reduced(photograph: np.ndarray) -> np.ndarray:
    """Reduce a photograph to 384 pixels along its longer side."""
    image = Image.fromarray(photograph)
    image.thumbnail((384, 384))
    return np.asarray(image)


original = reduced(skimage.data.chelsea())
gray = np.asarray(Image.fromarray(original).convert("L"))

# %%
# Chroma at a low resolution is sufficient
# ----------------------------------------
#
# The network colorizes a small square of 16 × render factor pixels. Its colors are enlarged, and combined with the luma
# of the photograph. With the original colors at 48 × 48 pixels in place of a prediction, hardly any difference to the
# original is visible: this is the best possible result at render factor 3.

square = Image.fromarray(original).resize((48, 48), Image.Resampling.BOX)
enlarged = np.asarray(square.resize(original.shape[1::-1], Image.Resampling.BILINEAR))
best = merge_luma(np.stack([gray] * 3, axis=-1), enlarged)


def draw(panels: dict[str, np.ndarray]) -> None:
    """Draw photographs next to each other."""
    axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels), 2.6), layout="constrained")[1]
    for panel, (title, image) in zip(axes, panels.items(), strict=True):
        panel.imshow(image, cmap="gray", vmin=0, vmax=255)
        panel.set(xticks=[], yticks=[], title=title)


draw({"gray": gray, "colors of 48 × 48 pixels": enlarged, "with the luma of the photograph": best})
plt.show()

# %%
# Training a tiny network
# -----------------------
#
# The published models were trained on ImageNet for days on a GPU. Here, the GAN phase is reduced to a single step.

motorcycle = np.asarray(Image.open(Path(skimage.data.__file__).parent / "motorcycle_left.png").convert("RGB"))
photographs = [reduced(each()) for each in (skimage.data.astronaut, skimage.data.coffee, skimage.data.rocket)]
photographs.append(reduced(motorcycle))
crops = [
    photograph[top : top + side, left : left + side]
    for photograph in photographs
    for side in (160, 240)
    for top in (0, photograph.shape[0] - side)
    for left in (0, photograph.shape[1] - side)
]
config = NoganConfig.from_dict(
    {
        "task": "colorization",
        "items": 2000,
        "device": "cpu",
        "generator_settings": {
            "in_channels": 3,
            "out_channels": 3,
            "base_channels": 16,
            "depth": 3,
            "bias": True,
        },
        "critic_settings": {"in_channels": 3, "width": 8, "blocks": 1, "attention": False},
        "content_loss": "l1",
        "stability_weight": 0.0,
        "pretrain": [{"size": 48, "batch_size": 8, "learning_rate": 2e-3}],
        "generated_share": 0.02,
        "generated_size": 48,
        "critic_steps": [{"size": 48, "batch_size": 8, "epochs": 1}],
        "gan": {"size": 48, "batch_size": 8, "share": 0.005},
        "checkpoint_share": 0.005,
        "validation_patches": 8,
        "max_gradient_norm": 1.0,
    }
)
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name) / "run"
data = dc.DataOptions(validation=[photographs[1][:96, :96]])
model = dc.train_nogan(crops, config=config, output=folder, data=data)

# %%
# Colorizing
# ----------
#
# The result has a faint warm tint, a mean of the colors of the four training photographs. The colors of the fur and the
# eyes cannot be known from gray levels: a colorized image is not evidence of the original colors, also with better
# weights. ``dc.colorize("portrait.jpg", "portrait-color.png", model=...)`` writes a statement of this into the file.

colorized = dc.colorize(gray, model=model, render_factor=3)
draw({"gray": gray, "colorized": colorized, "original": original})
plt.show()

# %%
# The luma of the result is that of the photograph, except for rounding and clipping:

luma = np.asarray(Image.fromarray(colorized).convert("L")).astype(int)
print("largest difference of the luma in gray levels:", np.abs(luma - gray).max())
print("mean chroma (largest minus smallest of red, green and blue):", np.ptp(colorized, axis=-1).mean().round(1))

temporary.cleanup()
