"""Script that copies trained models into src/decrappify/model/shipped and adds their scores to their cards.

    for name in fluorescence-still fluorescence-movie fluorescence-movie-x2 em-x4; do
        decrappify train src/decrappify/model/shipped/$name.toml --output runs/$name
        python benchmarks/harness/ship.py runs/$name
    done
    decrappify train src/decrappify/model/shipped/em-denoise.toml --output runs/em-denoise
    python benchmarks/harness/ship.py runs/em-denoise --range-of em-x4
    python benchmarks/restoration_quality/held_out.py
    python benchmarks/restoration_quality/upscaling.py
    python benchmarks/harness/ship.py --scores --sampling

`--sampling` adds the pixel sizes that the training data state, and the finest period of their images in pixels of the
model's input, by decorrelation analysis. `--scores` also writes docs/models.md from the cards. The scores are those
rows of results/held_out.json and results/upscaling.json that were measured with the same weights. The texts of the card
are those of the run file. If the card lacks the learned range of the inputs (models trained before it existed), it is
measured on the data of the run file, degraded with the crappifier of the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decrappify import Movie, load_model
from decrappify.crappify import Crappifier
from decrappify.domain import CARD_KEY
from decrappify.metrics.decorrelation import decorrelation_resolution
from decrappify.model import Model, shipped_models
from decrappify.training.config.run_file import data_from_file
from decrappify.training.data.learned import PIXEL_SIZE, learned_range, pixel_size_range

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "decrappify" / "model" / "shipped"
LARGEST = 8_000_000
# Entries of a card that precede the settings.
FIRST = ("name", "summary", "scores", "limits", "pixel_size", "finest_period_px", "data", "trained_on", "validation")
RESOLUTION = "finest_period_px"  # entry of a card
RESOLVED_UM = 0.25  # by a microscope with a high numerical aperture, for an example
SMALLEST_FIELD = 64  # as for shrunk copies in training, in pixels of the input
CLASSICAL = {
    "gaussian": "best Gaussian",
    "bm3d": "best BM3D",
    "bicubic": "bicubic",
    "lanczos": "Lanczos",
}


def ship(run: Path, range_of: str | None = None) -> Path:
    """Copy the model of a run folder to the file named on its card.

    `range_of` is the name of the model on whose training images the learned range is measured, such as ``em-x4`` for a
    model that was also trained on textures of other kinds of images than those it is meant for.
    """
    model = load_model(run / "model.safetensors")
    run_file = SHIPPED / f"{model.name}.toml"
    if not run_file.is_file():
        sys.exit(f"{run} trained {model.name!r}, expected one with a run file in {SHIPPED}")
    model.card |= tomllib.loads(run_file.read_text(encoding="utf-8"))["card"]  # corrected since the training
    if CARD_KEY not in model.card or range_of is not None:
        crappifier = None if model.crappifier is None else Crappifier.from_dict(model.crappifier)
        n_patches = model.card["steps"] * model.card["settings"]["batch_size"]
        images = run_file if range_of is None else SHIPPED / f"{range_of}.toml"
        model.card |= learned_range(data_from_file(images, crappifier), n_patches)
    return _save(model, half_precision=True)


def add_scores() -> list[Path]:
    """Write the held-out scores to the card of every shipped model that has any."""
    rows = [row for name in ("held_out", "upscaling") for row in _rows(name)]
    written = []
    for path in shipped_models().values():
        model = load_model(path)
        scores = [score for row in rows if (score := _score(row, model)) is not None]
        if scores:
            model.card["scores"] = scores
            written.append(_save(model, half_precision=_is_half(model)))
    return written


def add_sampling() -> list[Path]:
    """Write pixel sizes and resolution of the training data to the card of every shipped model.

    Pixel sizes that the files lack, but their sources publish, are those of the run file.
    """
    written = []
    for path in shipped_models().values():
        model = load_model(path)
        run_file = SHIPPED / f"{model.name}.toml"
        data = data_from_file(run_file, Crappifier.from_dict(model.crappifier))
        table = tomllib.loads(run_file.read_text(encoding="utf-8"))
        published = {key: value for key, value in table["card"].items() if key == PIXEL_SIZE}
        periods = resolution_range(data.movies, table["data"].get("shrink", [1]), model.scale)
        model.card |= pixel_size_range(data) | published | {RESOLUTION: periods}
        written.append(_save(model, half_precision=_is_half(model)))
    return written


def resolution_range(movies: Sequence[Movie], shrink: Sequence[int], scale: int) -> list[float]:
    """Return the 5, 50 and 95 % quantiles of the finest period, in pixels of the input, over shrunk copies as well."""
    found = []
    for movie in movies:
        n_t, n_c, n_z, *size = movie.shape
        for c in range(n_c):
            period = decorrelation_resolution(movie.frame(n_t // 2, c, n_z // 2)).resolution_px
            factors = [factor for factor in shrink if min(size) >= SMALLEST_FIELD * scale * factor]
            found += [max(2.0, period / (scale * factor)) for factor in factors if np.isfinite(period)]
    return [round(float(value), 1) for value in np.quantile(found, (0.05, 0.5, 0.95))]


def write_page(path: Path) -> Path:
    """Write the cards of all shipped models to one page."""
    parts = [
        "# Shipped models\n\n"
        "A summary of the card inside each model file; `decrappify models NAME` prints the complete card. "
        "The run file of each model is next to it in `src/decrappify/model/shipped/`. Scores are on held-out images "
        "(an asterisk: not used for any choice of training settings); "
        "the complete tables are in [shipped models](../benchmarks/results/shipped-models.md) and "
        "[upscaling](../benchmarks/results/upscaling.md).\n"
    ]
    parts += [f"## {name}\n\n{_described(load_model(name))}\n" for name in shipped_models()]
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _described(model: Model) -> str:
    card, settings = model.card, model.card["settings"]
    lists = [
        f"{title}:\n\n" + "\n".join(f"- {line}" for line in card[key])
        for key, title in (("limits", "Limits"), ("scores", "Held-out scores"), ("data", "Trained on"))
        if key in card
    ]
    minutes = round(card["training_seconds"] / 60)
    frames = f"{model.n_frames} frame{'s' * (model.n_frames > 1)}"
    threads = card["runtime"]["threads"]
    made = (
        f"{model.n_parameters:,} parameters, {frames}, scale {model.scale}; {card['steps']} steps of "
        f"{settings['batch_size']} windows, seed {settings['seed']}, {minutes} minutes on {threads} CPU "
        f"thread{'s' * (threads > 1)}; crappifier `{(model.crappifier or {}).get('name')}`."
    )
    return "\n\n".join([f"{card['summary'].capitalize()}. {made}", _sampling(card), *lists])


def _sampling(card: dict[str, Any]) -> str:
    """Return one line on the pixel sizes and the resolution of the training data."""
    size, (fine, _, coarse) = card.get(PIXEL_SIZE), card[RESOLUTION]
    known = "not stated by any source"
    if size is not None:
        known = f"{size['lowest_um']:g} to {size['highest_um']:g} µm (stated {size['stated']})"
    periods = f"{fine:g} to {coarse:g}" if coarse > fine else f"{fine:g}"
    line = f"Pixel size of the inputs: {known}; finest period {periods} pixels"
    if not card["name"].startswith("fluorescence"):
        return f"{line}."
    finest, coarsest = (float(f"{RESOLVED_UM / period:.2g}") for period in (coarse, fine))
    return (
        f"{line}, as images of a microscope that resolves {RESOLVED_UM:g} µm have at pixel sizes of {finest:g} to "
        f"{coarsest:g} µm."
    )


def _rows(name: str) -> list[dict[str, Any]]:
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    return [{"key": key, **entry["row"]} for key, entry in stored.items()]


def _score(row: dict[str, Any], model: Model) -> str | None:
    """Return one line if this row was measured with the current weights of the model, else None."""
    for kind, made_with in row.get("models", {}).items():
        if model.sha256[:12] in made_with:
            others = ", ".join(f"{CLASSICAL[name]}: {row[name]['psnr']:.2f} dB" for name in row if name in CLASSICAL)
            return f"{row['key']}: PSNR {row[kind]['psnr']:.2f} dB ({others})"
    return None


def _is_half(model: Model) -> bool:
    """Return whether all weights are representable in half precision, as those of a file that `ship` wrote."""
    return all(bool((weight == weight.half()).all()) for weight in model.network.state_dict().values())


def _save(model: Model, *, half_precision: bool) -> Path:
    model.card = {key: model.card[key] for key in FIRST if key in model.card} | model.card
    path = model.save(SHIPPED / f"{model.name}.safetensors", overwrite=True, half_precision=half_precision)
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path} has {path.stat().st_size / 1e6:.1f} MB, expected at most {LARGEST / 1e6:g} MB")
    return path


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("runs", nargs="*", type=Path, help="run folders whose models are copied")
    options.add_argument("--range-of", metavar="NAME", help="measure the learned range on the data of this model")
    options.add_argument("--scores", action="store_true", help="add held-out scores to the cards")
    options.add_argument("--sampling", action="store_true", help="add pixel sizes and resolution of the training data")
    args = options.parse_args()
    for run in args.runs:
        print(ship(run, args.range_of))
    if args.sampling:
        print(*add_sampling(), sep="\n")
    if args.scores:
        for path in [*add_scores(), write_page(ROOT / "docs" / "models.md")]:
            print(path)


if __name__ == "__main__":
    main()
