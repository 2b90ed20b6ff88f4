"""Train a small colorizer through all phases of NoGAN, in minutes on the CPU, and colour a photograph it never saw.

python examples/train_colorizer.py                                   # on photographs that scikit-image brings along
python examples/train_colorizer.py --photos holiday --hold-out holiday/beach.jpg --items 50000 --output runs/holiday

A handful of photographs teaches a network which tones are common, hardly what things are: expect visible, mostly warm
colours. For more, give it thousands of photographs, a GPU, and the "artistic" schedule of `decrappify.train_nogan`.
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
from decrappify.datasets.photographs import find_pictures
from decrappify.training import NoganConfig, train_nogan
from decrappify.training.config.nogan import CriticStep, GanStep, PretrainStep
from decrappify.training.monitors.plots import contact_sheet

Picture = NDArray[np.uint8]
BUNDLED = [
    Path(skimage.__file__).parent / "data" / name
    for name in ("astronaut.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "chelsea.png")
]
SIDE = 400  # pixels of the shorter side that are kept of a photograph


def schedule(items: int, patch_size: int, batch_size: int, seed: int) -> NoganConfig:
    """All phases; shares are of `items`, the views of photographs that the first phase shows."""
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
        # The encoder starts from nothing, so it learns as fast as the decoder.
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


def read(path: Path) -> Picture:
    """Read (Y, X, 3) of red, green and blue, reduced to `SIDE`."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((max(1, SIDE * image.width // min(image.size)), max(1, SIDE * image.height // min(image.size))))
    return np.asarray(image)


def pieces(photo: Picture) -> tuple[list[Picture], list[Picture]]:
    """Cut into training pieces, large and small, and squares of the right-hand fifth that only choose a checkpoint."""
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
    parser.add_argument("--photos", type=Path, help="folder of colour photographs; by default scikit-image's")
    parser.add_argument("--hold-out", type=Path, help="photograph to try on, which does not train; by default the last")
    parser.add_argument("--items", type=int, default=4000, help="views of photographs to show; the time goes with it")
    parser.add_argument("--patch-size", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--render-factor", type=int, help="to try it with; by default what it was trained on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/colorizer"))
    parser.add_argument("--resume", action="store_true", help="resume a stopped run")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    photos = BUNDLED if options.photos is None else find_pictures(options.photos)
    unseen = options.hold_out or photos[-1]
    original = read(unseen)
    cut = [pieces(read(path)) for path in photos if path.resolve() != unseen.resolve()]
    model = train_nogan(
        [piece for training, _ in cut for piece in training],
        data=dc.DataOptions(validation=[piece for _, kept in cut for piece in kept]),
        config=schedule(options.items, options.patch_size, options.batch_size, options.seed),
        output=options.output,
        run=dc.RunOptions(resume=options.resume, progress=tqdm),
    )
    print(f"trained in {model.card['training_seconds']} s; {model.card['verdict']}")

    grey, coloured = options.output / "grey.png", options.output / "coloured.png"
    Image.fromarray(original).convert("L").save(grey)
    factor = options.render_factor or max(2, options.patch_size // 16)
    dc.colorize(grey, coloured, model=model, render_factor=factor, overwrite=True)
    columns = {"grey": read(grey), "coloured": read(coloured), "original": original}
    sheet = contact_sheet(
        options.output / "unseen.png",
        [(name, [np.moveaxis(picture, -1, 0)]) for name, picture in columns.items()],
        overwrite=True,
    )
    print(f"{unseen.name}, which it never saw: {sheet}")
    print(f"model: {options.output / 'model.safetensors'}, for render factors near {factor}")
    print(f"what the phases did: log.png, monitors.png and checkpoints.png in {options.output}")


if __name__ == "__main__":
    main()
