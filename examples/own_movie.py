"""Adapt a shipped model to one noisy movie, restore it, and show what its data confirm. No clean images are needed.

python examples/own_movie.py cells.czi --output cells-restored

The folder then contains camera.toml and camera.html (noise of the camera), model/ (the adapted model),
restored.ome.zarr, restored_trust.ome.zarr and trust.html (confirmed, untestable and contradicted pixels).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

import decrappify as dc


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movie", help="raw movie of 20 frames or more")
    parser.add_argument("--channel", default="0", help="name or number of the channel")
    parser.add_argument("--model", default="fluorescence-movie", help="a shipped model or a .safetensors file")
    parser.add_argument("--minutes", type=float, default=5, help="time of the adaptation")
    parser.add_argument("--steps", type=int, help="number of steps, in place of the time")
    parser.add_argument("--output", type=Path, default=Path("restored"), help="new folder")
    options = parser.parse_args(arguments)
    folder: Path = options.output
    if folder.exists():
        parser.error(f"{folder} already exists; pass the name of a new folder with --output")
    folder.mkdir(parents=True)

    movie = dc.open_movie(options.movie, channel=options.channel)
    camera = dc.calibrate(movie)
    camera.save(folder / "camera.toml")
    camera.report(folder / "camera.html")

    model = dc.adapt(
        options.model,
        movie,
        noise=camera,
        config=dc.AdaptationConfig(minutes=options.minutes, max_steps=options.steps),
        output=folder / "model",
        run=dc.RunOptions(progress=tqdm),
    )
    adapted = model.card["adapted"]
    print(f"model: {'adapted' if adapted['kept'] == 'adapted' else 'the given one, which is not worse'}")

    restored = dc.restore(movie, model, folder / "restored.ome.zarr", progress=tqdm)
    print(restored)
    if camera.noise.gain.valid:
        trust = dc.trust_map(movie, restored, camera, folder / "restored_trust.ome.zarr", progress=tqdm)
        trust.report(folder / "trust.html")
        print(trust.summary)
    else:
        print(f"no trust map: {camera.noise.gain.note}")


if __name__ == "__main__":
    main()
