"""Train a small colorizer with all phases of NoGAN, in minutes on the CPU, and colorize a held-out photograph.

python examples/train_colorizer.py                                   # on photographs included in scikit-image
python examples/train_colorizer.py --photos holiday --hold-out holiday/beach.jpg --items 50000 --output runs/holiday

A demonstration of the mechanism: a few photographs are enough to learn tonal statistics but not object colors, so
expect visible, mostly warm colors that are not usable. The run folder has up to 1.1 GB. For usable colors, train on
thousands of photographs with a GPU and the "artistic" schedule of `decrappify.training.train_nogan`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

import decrappify as dc
from decrappify.datasets.photographs import find_images
from decrappify.training import CriticStep, GanStep, NoganConfig, PretrainStep, train_nogan
from decrappify.training.monitors.plots import contact_sheet

Photo = NDArray[np.uint8]
BUNDLED = [
    Path(skimage.__file__).parent / "data" / name
    for name in ("astronaut.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "chelsea.png")
]
SIDE = 400  # shorter side of a photograph after reduction, in pixels


def schedule(items: int, patch_size: int, batch_size: int, seed: int) -> NoganConfig:
    """Return the settings of all phases; shares refer to `items`, the patches of the first phase."""
    return NoganConfig(
        task="colorization",
        generator="dynamic-unet",
        generator_settings={
            "encoder": "resnet18",
            "width_factor": 0.25,
            "norm": "batch",
            "attention": True,
            "y_range": (-3.0, 3.0),
        },
        critic_settings={"in_channels": 3, "width": 32, "blocks": 2},
        content_loss="l1",
        stability_weight=0.0,
        items=items,
        # The encoder is not pretrained, so it has the learning rate of the decoder.
        pretrain=(
            PretrainStep(size=patch_size, batch_size=batch_size, share=1.0, learning_rate=1e-3, encoder_rate=1e-3),
        ),
        generated_share=0.1,
        generated_size=patch_size,
        critic_steps=(CriticStep(size=patch_size, batch_size=16, epochs=4, learning_rate=5e-4, accuracy=0.9),),
        gan=GanStep(
            size=patch_size,
            batch_size=8,
            share=0.15,
            learning_rate=5e-5,
            adversarial_weight=0.03,
            content_weight=1.0,
            freeze_encoder=False,
        ),
        checkpoint_share=0.02,
        validation_patches=32,
        ema_decay=0.98,
        max_gradient_norm=1.0,
        seed=seed,
    )


def read(path: Path) -> Photo:
    """Read a photograph as (Y, X, 3) RGB, reduced to `SIDE`."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((max(1, SIDE * image.width // min(image.size)), max(1, SIDE * image.height // min(image.size))))
    return np.asarray(image)


def pieces(photo: Photo) -> tuple[list[Photo], list[Photo]]:
    """Split into training crops of several sizes, and validation squares from the right-hand fifth."""
    height, width = photo.shape[:2]
    kept = photo[:, -(width // 5) :]
    photo = photo[:, : -(width // 5)]
    training = [photo]
    for top in (0, height // 4, height // 2):
        for left in (0, photo.shape[1] // 4, photo.shape[1] // 2):
            training.append(photo[top : top + height // 2, left : left + photo.shape[1] // 2])
    return training, [kept[top : top + kept.shape[1]] for top in range(0, height - kept.shape[1] + 1, kept.shape[1])]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of color photographs; by default those of scikit-image")
    parser.add_argument("--hold-out", type=Path, help="photograph held out for the test; by default the last")
    parser.add_argument(
        "--items", type=int, default=4000, help="number of patches; the training time is proportional to it"
    )
    parser.add_argument("--patch-size", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/colorizer"))
    parser.add_argument("--resume", action="store_true", help="resume a stopped run")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    photos = BUNDLED if options.photos is None else find_images(options.photos)
    held_out = options.hold_out or photos[-1]
    original = read(held_out)
    cut = [pieces(read(path)) for path in photos if path.resolve() != held_out.resolve()]
    model = train_nogan(
        [piece for training, _ in cut for piece in training],
        data=dc.DataOptions(validation=[piece for _, kept in cut for piece in kept]),
        config=schedule(options.items, options.patch_size, options.batch_size, options.seed),
        output=options.output,
        run=dc.RunOptions(resume=options.resume, progress=tqdm),
    )
    print(f"trained in {model.card['training_seconds']} s; {model.card['verdict']}")

    gray, colorized = options.output / "gray.png", options.output / "colorized.png"
    Image.fromarray(original).convert("L").save(gray)
    dc.colorize(gray, colorized, model=model, overwrite=True)
    columns = {"gray": read(gray), "colorized": read(colorized), "original": original}
    sheet = contact_sheet(
        options.output / "unseen.png",
        [(name, [np.moveaxis(photo, -1, 0)]) for name, photo in columns.items()],
        overwrite=True,
    )
    print(f"held-out photograph {held_out.name}: {sheet}")
    print(f"model: {options.output / 'model.safetensors'}")
    print(f"training log: log.png, monitors.png and checkpoints.png in {options.output}")


if __name__ == "__main__":
    main()
