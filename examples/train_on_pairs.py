"""Train a model on measured pairs: a folder of degraded and a folder of good images, matched by file name.

python examples/train_on_pairs.py pairs/low pairs/high --output runs/pairs
"""

from __future__ import annotations

import argparse

from tqdm import tqdm

import decrappify as dc


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", help="folder of degraded images")
    parser.add_argument("targets", help="folder of good images, 1, 2 or 4 times as large")
    parser.add_argument("--n-frames", type=int, default=1, choices=(1, 3, 5), help="frames in a window")
    parser.add_argument("--network", default="small", choices=("small", "base", "large"))
    parser.add_argument("--minutes", type=float, default=60, help="training time")
    parser.add_argument("--steps", type=int, help="number of steps, in place of the time")
    parser.add_argument("--patch-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--output", default="runs/pairs")
    options = parser.parse_args(arguments)

    config = dc.TrainingConfig(
        network=options.network,
        n_frames=options.n_frames,
        minutes=options.minutes if options.steps is None else None,
        max_steps=options.steps,
        patch_size=options.patch_size,
        batch_size=options.batch_size,
    )
    run = dc.RunOptions(progress=tqdm)
    model = dc.train(pairs=(options.sources, options.targets), config=config, output=options.output, run=run)
    score = model.card["validation"]
    baseline = f"source {score['psnr_source_db']:.2f}, best Gaussian {score['psnr_gaussian_db']:.2f}"
    print(f"scale {model.scale}: {baseline}, model {score['psnr_db']:.2f} dB on the validation data")


if __name__ == "__main__":
    main()
