"""Train a model on your own good images, degraded by a crappifier preset.

python examples/train_on_own_images.py good/*.tif --preset spinning-disk --output runs/mine
"""

from __future__ import annotations

import argparse

from tqdm import tqdm

import decrappify as dc


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", help="movies, stacks or stills")
    parser.add_argument("--preset", default="spinning-disk", help="one of `decrappify presets`, or a crappifier file")
    parser.add_argument("--n-frames", type=int, default=3, choices=(1, 3, 5), help="frames in a window")
    parser.add_argument("--network", default="small", choices=("small", "base", "large"))
    parser.add_argument("--minutes", type=float, default=60, help="training time")
    parser.add_argument("--steps", type=int, help="number of steps, in place of the time")
    parser.add_argument("--patch-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--output", default="runs/mine")
    parser.add_argument("--resume", action="store_true", help="resume a stopped run")
    options = parser.parse_args(arguments)

    config = dc.TrainingConfig(
        network=options.network,
        n_frames=options.n_frames,
        minutes=options.minutes if options.steps is None else None,
        max_steps=options.steps,
        patch_size=options.patch_size,
        batch_size=options.batch_size,
    )
    run = dc.RunOptions(resume=options.resume, progress=tqdm)
    model = dc.train(options.images, options.preset, config=config, output=options.output, run=run)
    score = model.card["validation"]
    print(
        f"{options.output}/model.safetensors: source {score['psnr_source_db']:.2f}, best Gaussian "
        f"{score['psnr_gaussian_db']:.2f}, model {score['psnr_db']:.2f} dB"
    )


if __name__ == "__main__":
    main()
