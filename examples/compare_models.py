"""Compare models and the best Gaussian filter on a crappified good movie.

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


def report(name: str, restored: Movie, reference: Movie) -> None:
    """Print the metrics of one restoration."""
    values = {label: value for label, value, _ in score_movie(restored, reference).rows()}
    print(f"{name:32}", *(f"{values.get(label, '-'):>18}" for label in METRICS))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", help="a good movie that was not used for training")
    parser.add_argument("models", nargs="+", help="shipped models or .safetensors files, of scale 1")
    parser.add_argument("--preset", default="confocal", help="crappifier preset of scale 1")
    parser.add_argument("--channel", default="0")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    movie = dc.open_movie(options.movie, channel=options.channel)
    # Unsigned integers would clip the negative half of the noise at a background of gray level 0.
    reference = dc.open_movie(np.asarray(movie.select(slices=0))[:, 0, 0].astype(np.float32))
    noisy = crappify_movie(reference, dc.crappifier_preset(options.preset), seed=options.seed)
    print(f"{'':32}", *(f"{label:>18}" for label in METRICS))
    report("crappified", noisy, reference)
    pixels = (np.asarray(each)[:, 0, 0] for each in (noisy, reference))
    report("best Gaussian", dc.open_movie(best_gaussian(*pixels).restored), reference)
    for model in options.models:
        report(model, dc.restore(noisy, model), reference)


if __name__ == "__main__":
    main()
