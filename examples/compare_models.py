"""Compare models on a good movie: crappify it, restore it with each, and set them against the best Gaussian filter.

python examples/compare_models.py good.tif fluorescence-movie runs/mine/model.safetensors --preset confocal
"""

from __future__ import annotations

import argparse

import numpy as np

import decrappify as dc
from decrappify.crappify import crappify_movie
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.scorecard import score_movie
from decrappify.movie import Movie

METRICS = ("PSNR", "SSIM", "TDE", "TDR", "flicker floor")


def report(name: str, restored: Movie, truth: Movie) -> None:
    values = {label: value for label, value, _ in score_movie(restored, truth).rows()}
    print(f"{name:32}", *(f"{values.get(label, '-'):>18}" for label in METRICS))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", help="a good movie that took no part in training")
    parser.add_argument("models", nargs="+", help="shipped models or .safetensors files, of scale 1")
    parser.add_argument("--preset", default="confocal", help="how the movie is made bad; of scale 1")
    parser.add_argument("--channel", default="0")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    movie = dc.open_movie(options.movie, channel=options.channel)
    # Floats: where the background is grey 0, unsigned integers would lose the negative half of the noise.
    truth = dc.open_movie(np.asarray(movie.select(slices=0))[:, 0, 0].astype(np.float32))
    noisy = crappify_movie(truth, dc.crappifier_preset(options.preset), seed=options.seed)
    print(f"{'':32}", *(f"{label:>18}" for label in METRICS))
    report("crappified", noisy, truth)
    pixels = (np.asarray(each)[:, 0, 0] for each in (noisy, truth))
    report("best Gaussian", dc.open_movie(best_gaussian(*pixels).restored), truth)
    for model in options.models:
        report(model, dc.restore(noisy, model), truth)


if __name__ == "__main__":
    main()
