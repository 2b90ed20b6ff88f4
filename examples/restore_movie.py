"""Restore one movie with a shipped or custom model, and print the metrics that require no reference.

python examples/restore_movie.py cells.czi cells.ome.zarr --model fluorescence-movie
"""

from __future__ import annotations

import argparse

from tqdm import tqdm

import decrappify as dc
from decrappify.metrics.scorecard import score_movie


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie")
    parser.add_argument("output", help=".ome.zarr, .ome.tif or .mp4")
    parser.add_argument("--model", default="fluorescence-movie", help="a shipped model or a .safetensors file")
    parser.add_argument("--channel", help="only this channel, by name or number")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)

    movie = dc.open_movie(options.movie, channel=options.channel)
    restored = dc.restore(
        movie, options.model, options.output, inference=dc.InferenceOptions(device=options.device), progress=tqdm
    )
    print(restored)
    if restored.shape == movie.shape and movie.shape[2] == 1:
        for metric, value, interpretation in score_movie(restored, source=movie).rows():
            print(f"{metric:24} {value:18} {interpretation}")


if __name__ == "__main__":
    main()
